"""A home of its own for each test, and one served world for each file of tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.shell import Shell
from world import Served, World, made

_KNOWN = ("TRANSOM_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "XDG_", "PYTHON_KEYRING")


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Shell:
    """The command, as a person at a fresh machine has it."""
    home = tmp_path / "home"
    home.mkdir()
    found = Shell(home, monkeypatch, capfd)
    found.forget_environment(_KNOWN)
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An exchange that the tests of a file share: each takes file names of its own."""
    directory = tmp_path_factory.mktemp("shared")
    with made(directory / "world", f"sqlite:///{directory / 'transom.db'}") as world:
        yield world


@pytest.fixture(scope="module")
def served(shared: World) -> Iterator[Served]:
    """Where the shared exchange listens."""
    with shared.serving() as served:
        yield served


@pytest.fixture
def firm(shell: Shell, shared: World, served: Served) -> Shell:
    """A shell that is signed in, through the environment, for a new account of firm 0001."""
    account = shared.account("0001", "both", "app1")
    shell.sign_in(served.rest, account.name, account.secret)
    return shell
