"""The frame: help, typos, errors in one shape, and nothing slow where nothing slow is needed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from cli.shell import Shell

from transom import __version__
from transom.client.cli import exits, main, show
from transom.client.errors import NotSignedIn

COMMANDS = (
    "login",
    "logout",
    "whoami",
    "ls",
    "put",
    "get",
    "track",
    "completion",
    "version",
    "help",
)


@pytest.mark.parametrize("words", [(), *((each,) for each in COMMANDS), ("profile", "set")])
def test_help_fits_80_columns_and_begins_with_what_it_does(
    shell: Shell, words: tuple[str, ...]
) -> None:
    for option in ("--help", "-h"):
        ended = shell(*words, option)
        assert ended.code == 0
        assert max(map(len, ended.out.splitlines())) <= 80
        assert re.match(r"[A-Z][^\n]+\.\n", ended.out)
        assert "Everywhere\n" in ended.out


@pytest.mark.parametrize("topic", ["exit-codes", "places", "formats"])
def test_help_explains_topics(shell: Shell, topic: str) -> None:
    ended = shell("help", topic)
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80


def test_help_tells_every_exit_code(shell: Shell) -> None:
    said = shell("help", "exit-codes").out
    assert [int(code) for code in re.findall(r"^ +(\d+)  ", said, re.MULTILINE)] == list(
        exits.MEANINGS
    )


def test_help_of_a_command_is_its_help(shell: Shell) -> None:
    assert shell("help", "put").out == shell("put", "--help").out
    assert shell("help", "profile", "set").out == shell("profile", "set", "--help").out
    assert shell("help").out == shell("--help").out
    assert shell("help", "putt").code == 2
    assert shell("help", "put", "x").code == 2


def test_no_command_at_all_is_wrong_use_and_shows_the_help(shell: Shell) -> None:
    ended = shell()
    assert (ended.code, ended.out) == (2, "")
    assert "Commands\n" in ended.err


@pytest.mark.parametrize(
    ("typed", "near"),
    [(("putt",), '"put"'), (("profile", "lst"), '"list"'), (("put", "--wiat"), "--wait")],
)
def test_the_nearest_is_proposed_and_not_run(
    shell: Shell, typed: tuple[str, ...], near: str
) -> None:
    ended = shell(*typed)
    assert (ended.code, ended.out) == (2, "")
    assert f"Did you mean {near}?" in ended.err


def test_what_is_like_nothing_is_refused_plainly(shell: Shell) -> None:
    ended = shell("zzzzzz", "--json")
    assert ended.error["message"] == 'There is no command "zzzzzz".'
    assert "Did you mean" not in ended.err
    assert shell("ls", "a", "b").code == 2


def test_shared_options_stand_before_or_after_the_command(shell: Shell) -> None:
    for arguments in (("--json", "version"), ("version", "--json")):
        assert shell(*arguments).document == {"version": __version__}
    assert shell("--json", "profile", "list").document == []


def test_a_color_that_is_none_is_refused(shell: Shell) -> None:
    assert shell("version", "--color", "pink").code == 2


def test_an_error_says_what_why_and_what_to_do_and_ends_with_the_request_id(
    shell: Shell,
) -> None:
    failure = NotSignedIn("Sign-in is paused. Try at 5.", request_id="r-1")
    failure.add_note("transom login")
    assert main._failed(failure, []) == 4
    assert shell.capture.readouterr().err == (
        "Error: Sign-in is paused.\n  Try at 5.\n  Try: transom login\n  Request id: r-1\n"
    )


def test_a_defect_is_told_as_one(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by us")

    monkeypatch.setattr(show, "speaks_unicode", broken)
    with pytest.raises(ZeroDivisionError):
        shell("version", "-v")
    monkeypatch.setattr(main.typer.main, "get_command", broken)
    monkeypatch.undo()
    told = main._explained(ZeroDivisionError("by us"))
    assert (told.code, told.exit_code) == ("internal", 1)
    assert "ZeroDivisionError: by us" in told.message


def test_nothing_slow_is_loaded_for_what_needs_none_of_it() -> None:
    # pydantic: Typer loads it for types that our options do not have.
    slow = ("pydantic", "rich", "keyring", "asyncio")
    look = (
        "import sys; from transom.client.cli.main import run; run(sys.argv[1:]);"
        f"print([each for each in {slow} if each in sys.modules], file=sys.stderr)"
    )
    for arguments in (["version"], ["put", "--help"], ["putt"], ["ls", "--color", "x"]):
        done = subprocess.run(
            [sys.executable, "-c", look, *arguments], capture_output=True, text=True, check=True
        )
        assert done.stderr.splitlines()[-1] == "[]"


def test_the_module_runs_as_the_command(shell: Shell) -> None:
    ended = shell.process("version")
    assert (ended.code, ended.out) == (0, f"transom {__version__}\n")


def test_several_ends_become_one_code() -> None:
    assert exits.of_all([]) == 0
    assert exits.of_all([10, 10]) == 10
    assert exits.of_all([0, 11]) == 13
    assert exits.of_state("held") == exits.NO_ANSWER_YET
