"""A served world by the machine's clock, and a firm in it, for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from frontends.s3.firm import Firm, LiveClock
from world import Account, Served, World, made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An exchange that the tests of a file share: each takes file names of its own."""
    directory = tmp_path_factory.mktemp("s3")
    url = f"sqlite:///{directory / 'transom.db'}"
    with made(directory / "world", url, LiveClock()) as world:
        yield world


@pytest.fixture(scope="module")
def account(shared: World) -> Account:
    """An account of firm 0001 that may submit and download in app1."""
    return shared.account("0001", "both", "app1")


@pytest.fixture(scope="module")
def firm(account: Account, served: Served) -> Firm:
    return Firm.of(account, served)


@pytest.fixture(scope="module")
def s3(firm: Firm) -> Any:
    """boto3 with the firm's keys."""
    return firm.client()
