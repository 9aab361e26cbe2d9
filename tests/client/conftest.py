"""What the client's tests share: waiting that moves a clock and takes no time, and two servers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client.lying_server import FIRM, SECRET, TOKEN_PATH, Exchange, serving

from transom.client import Client, Server
from transom.client.session import Session


class Waiting:
    """A clock that stands still but for the waits, and what was waited."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 1000.0
        self.waits: list[float] = []
        self.told: list[tuple[int, int, float, str]] = []
        self.meanwhile: list[Callable[[], object]] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let so much time pass, and have the next thing happen that is to happen meanwhile."""
        with self._lock:
            self.now += seconds
            self.waits.append(seconds)
            happening = self.meanwhile.pop(0) if self.meanwhile else None
        if happening:
            happening()

    def on_retry(self, number: int, of: int, seconds: float, why: str) -> None:
        self.told.append((number, of, seconds, why))


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """A server like ours."""
    with serving() as found:
        yield found


@pytest.fixture
def finra() -> Iterator[Exchange]:
    """A server that says no more than the guide has."""
    with serving(finra=True) as found:
        yield found


@pytest.fixture
def connect(waiting: Waiting) -> Iterator[Callable[..., Client]]:
    """Makes clients of a server, which wait on the test's clock."""
    made: list[Client] = []

    def connect(at: Exchange, user: str = FIRM, secret: str = SECRET, **options: Any) -> Client:
        server = Server(at.url, at.url + TOKEN_PATH)
        own: dict[str, Any] = {"sleep": waiting.sleep, "clock": waiting.clock}
        own |= {"on_retry": waiting.on_retry}
        made.append(
            Client(Session(server, user, secret, **{**own, "timeout_seconds": 10, **options}))
        )
        return made[-1]

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def firm(exchange: Exchange, connect: Callable[..., Client]) -> Client:
    """The firm at the server like ours."""
    return connect(exchange)


@pytest.fixture
def finra_firm(finra: Exchange, connect: Callable[..., Client]) -> Client:
    """The firm at the server like FINRA's."""
    return connect(finra)
