"""A served world, and people who visit its portal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filing import entitled
from visitors import Human, Visitor, person
from world import Account, Processor, Served, World, made


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def maria(sqlite_world: World) -> Human:
    return person(sqlite_world, phone="+1 312 555 0142")


@pytest.fixture
def visitor(served: Served) -> Iterator[Visitor]:
    visitor = Visitor(served.portal)
    yield visitor
    visitor.close()


@pytest.fixture
def firm(sqlite_world: World, maria: Human) -> Account:
    """Maria and an account of her firm may use app1."""
    return entitled(sqlite_world, maria)


@pytest.fixture
def app(sqlite_world: World) -> Processor:
    return sqlite_world.processor()


@pytest.fixture
def inside(visitor: Visitor, maria: Human, firm: Account) -> Visitor:  # noqa: ARG001
    """Maria's browser, signed in."""
    visitor.sign_in(maria)
    return visitor


@pytest.fixture
def another(served: Served) -> Iterator[Callable[[], Visitor]]:
    """Makes further browsers."""
    made: list[Visitor] = []

    def make() -> Visitor:
        made.append(Visitor(served.portal))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Served]:
    """A portal for a whole file of tests, which leave nothing in it."""
    directory = tmp_path_factory.mktemp("common")
    shutil.copy(sqlite_template, directory / "transom.db")
    url = f"sqlite:///{directory / 'transom.db'}"
    with made(directory / "world", url) as world, world.serving() as served:
        yield served


@pytest.fixture
def stranger(common: Served) -> Iterator[Visitor]:
    """A browser at the common portal that never signs in."""
    visitor = Visitor(common.portal)
    yield visitor
    visitor.close()
