"""One served world for each file of tests; its clock only ever goes forward."""

from collections.abc import Iterator

import pytest
from world import Caller, Served, World, made


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


@pytest.fixture(scope="module")
def caller(shared: World, served: Served) -> Caller:
    """A program of firm 0001 that may submit and download in app1."""
    return served.caller(shared.account("0001", "both", "app1"))
