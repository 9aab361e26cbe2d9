"""One count for all doors: whoever is shut out at one is shut out at the others."""

# ruff: noqa: F811 - a fixture is imported

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest
import requests
from folk import PASSWORD, enrolled
from frontends.sftp.conftest import host_keys  # noqa: F401 - a fixture
from frontends.sftp.driver import Door, connected, door
from world import Account, Served, World

from transom.domain.errors import BadCredentials, LockedOut
from transom.domain.people import Visit

HERE = Visit("127.0.0.1", "Firefox")


def by_sftp(at: Door, account: Account, password: str) -> bool:
    """Whether this password opens SFTP."""

    async def main() -> bool:
        try:
            async with connected(at, account, password=password):
                return True
        except asyncssh.PermissionDenied:
            return False

    return asyncio.run(main())


def by_token(served: Served, account: Account, password: str) -> bool:
    """Whether this password gets a token."""
    url = f"{served.rest}/fip/rest/ews/oauth2/access_token?grant_type=client_credentials"
    return requests.post(url, auth=(account.name, password), timeout=20).status_code == 200


def at_portal(world: World, name: str, password: str) -> str:
    """What the portal says to a password."""
    with pytest.raises((BadCredentials, LockedOut)) as refused:
        world.exchange.people.sign_in.begin(HERE, name, password)
    return refused.value.code


def test_wrong_passwords_at_all_doors_add_up_and_close_every_one(
    world: World, host_keys: Path
) -> None:
    account = world.account()
    with world.serving() as served, door(world, host_keys) as at:
        guesses: list[Callable[[], object]] = [
            lambda: by_sftp(at, account, "wrong"),
            lambda: by_token(served, account, "wrong"),
            lambda: at_portal(world, account.name, "wrong"),
        ]
        for guess in (*guesses, *guesses[:2]):
            guess()

        assert not by_sftp(at, account, account.secret)
        assert not by_token(served, account, account.secret)
        assert at_portal(world, account.name, account.secret) == "locked_out"


def test_a_persons_password_opens_no_file_door_and_guesses_there_pause_the_portal(
    sqlite_world: World, host_keys: Path
) -> None:
    maria = enrolled(sqlite_world)
    person = Account(sqlite_world, "", maria.email, PASSWORD)
    with sqlite_world.serving() as served, door(sqlite_world, host_keys) as at:
        assert not by_sftp(at, person, PASSWORD)
        assert not by_token(served, person, PASSWORD)
        for _ in range(3):
            assert not by_sftp(at, person, "wrong")

    assert at_portal(sqlite_world, maria.email, PASSWORD) == "locked_out"
