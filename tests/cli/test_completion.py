"""Completion: places, profiles, states; never in the way."""

from __future__ import annotations

import pytest
from cli.shell import Shell
from world import World

from transom.client.cli import completion


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at a prompt waits half a second; a test on a busy machine must not depend on it."""
    monkeypatch.setattr(completion, "_SECONDS", 30.0)


@pytest.mark.parametrize("shell_name", completion.SHELLS)
def test_there_is_a_script_for_each_shell(shell: Shell, shell_name: str) -> None:
    ended = shell("completion", shell_name)
    assert ended.code == 0
    assert "_TRANSOM_COMPLETE" in ended.out


def test_other_shells_are_wrong_use(shell: Shell) -> None:
    assert shell("completion", "tcsh").code == 2
    assert shell("completion").code == 2


def _completed(shell: Shell, line: str) -> list[str]:
    words = line.split(" ")
    shell.set(_TRANSOM_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    return shell.process().out.split()


def test_places_come_from_the_server_and_are_remembered(firm: Shell, shared: World) -> None:
    shared.processor("app1").publish("0001/app1/out/completed.txt")
    assert completion.places("app1/") == ["app1/in/", "app1/in_arcv/", "app1/out/"]
    assert completion.places("app1/out/comp") == ["app1/out/completed.txt"]
    firm.set(TRANSOM_PASSWORD="wrong")
    assert completion.places("app1/o") == ["app1/out/"]
    assert completion.places("0001/app1/out") == ["0001/app1/out/"]
    assert completion.places("nowhere/x") == []


def test_a_shell_gets_places_from_a_process(firm: Shell) -> None:
    assert completion.places("ap") == ["app1/"]
    assert _completed(firm, "transom ls ap") == ["app1/"]
    assert _completed(firm, "transom track --state acc") == ["accepted"]
    assert _completed(firm, "transom pu") == ["put"]


def test_it_is_silent_when_it_fails(shell: Shell) -> None:
    assert completion.places("app1/") == []
    shell.write("config/transom/config.toml", "= x")
    assert completion.profiles("") == []
    assert completion.places("app1/") == []


def test_profiles_states_and_values(shell: Shell) -> None:
    shell("profile", "set", "prod", "url", "https://a.example")
    assert completion.profiles("p") == ["prod"]
    assert completion.states("rejected,par") == ["rejected,partial"]
    assert completion.colours("a") == ["auto", "always"]
    assert completion.shells("z") == ["zsh"]
