"""One set of host keys for all tests, and a served door for each file of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from frontends.sftp.driver import Door, door
from world import Account, World

from transom.server.host_keys import HostKeyDirectory


@pytest.fixture(scope="session")
def host_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = HostKeyDirectory(tmp_path_factory.mktemp("ssh"))
    directory.ensure()
    return directory.root


@pytest.fixture(scope="module")
def at(shared: World, host_keys: Path) -> Iterator[Door]:
    with door(shared, host_keys) as found:
        yield found


@pytest.fixture
def account(shared: World) -> Account:
    """A fresh account of firm 0001 that may submit and download in app1."""
    return shared.account("0001", "both", "app1")
