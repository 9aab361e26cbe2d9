"""Who gets in, with what, how often, and in which words they are told that they do not."""

from __future__ import annotations

import asyncio
import re
import socket
import stat
import time
from pathlib import Path

import asyncssh
import pytest
from frontends.sftp.driver import Door, connected, door, raw, session
from world import Account, World

from transom.core.retention import SYSTEM
from transom.domain.identity import PublicKey
from transom.frontends.sftp.door import Terms, Timing
from transom.frontends.sftp.penalties import Penalties, Prices
from transom.frontends.sftp.policies import CURRENT, GUIDE_2022, POLICIES, prepare_group_exchange
from transom.server.failures import BadHostKeys
from transom.server.host_keys import HostKeyDirectory


def enters(at: Door, account: Account, **options: object) -> Exception | None:
    """Why this login failed, or None."""

    async def main() -> None:
        async with raw(at, account, **options):
            pass

    try:
        asyncio.run(main())
    except (asyncssh.Error, OSError) as failure:
        return failure
    return None


def test_the_banner_tells_no_version(at: Door) -> None:
    with socket.create_connection(("127.0.0.1", at.port), timeout=10) as client:
        assert client.recv(100) == b"SSH-2.0-Transom\r\n"


def test_a_password_opens_the_account_and_a_wrong_one_does_not(at: Door, account: Account) -> None:
    assert enters(at, account) is None
    assert isinstance(enters(at, account, password="wrong"), asyncssh.PermissionDenied)


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_a_key_opens_the_account_until_it_is_ended(
    at: Door, account: Account, shared: World, algorithm: str
) -> None:
    key = asyncssh.generate_private_key(algorithm)
    public = PublicKey.parse(key.export_public_key().decode())
    admin = shared.exchange.administration
    offered = {"client_keys": [key], "password": "wrong", "preferred_auth": ["publickey"]}

    assert enters(at, account, **offered) is not None
    admin.add_key(SYSTEM, account.name, public, "laptop", None)
    assert enters(at, account, **offered) is None
    admin.end_key(SYSTEM, account.name, public.fingerprint)
    assert enters(at, account, **offered) is not None


def test_attempts_on_one_connection_are_capped(at: Door, account: Account) -> None:
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(30)]

    failure = enters(at, account, client_keys=keys, password="wrong", preferred_auth=["publickey"])

    assert "Too many attempts" in str(failure)


class _Told(asyncssh.SSHClient):
    """Hears why it is disconnected."""

    def __init__(self, told: asyncio.Future[str]) -> None:
        self._told = told

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._told.done():
            self._told.set_result(str(exc))


def test_too_many_connections_are_told_with_the_limit(sqlite_world: World, host_keys: Path) -> None:
    account = sqlite_world.account()

    async def story(at: Door) -> None:
        open_ = [connected(at, account) for _ in range(10)]
        for each in open_:
            await session(await each.__aenter__())
        told = asyncio.get_running_loop().create_future()
        async with connected(at, account, client_factory=lambda: _Told(told)):
            assert re.search(r"Too many connections: the limit of .* is 10", await told)
        for each in open_:
            await each.__aexit__(None, None, None)

    with door(sqlite_world, host_keys) as at:
        asyncio.run(story(at))
        until = time.monotonic() + 10
        while (failure := enters(at, account)) is not None:
            assert time.monotonic() < until, failure
            time.sleep(0.05)


def test_who_leaves_while_being_counted_in_takes_no_connection_with_it(
    sqlite_world: World, host_keys: Path
) -> None:
    account = sqlite_world.account()

    async def leaves_at_once(at: Door) -> None:
        async with connected(at, account):
            pass

    with door(sqlite_world, host_keys) as at:
        for _ in range(12):  # of whom 10 may be there at once
            asyncio.run(leaves_at_once(at))
        until = time.monotonic() + 10
        while (failure := enters(at, account)) is not None:
            assert time.monotonic() < until, failure
            time.sleep(0.05)


def test_who_does_not_sign_in_is_cut_after_the_grace(sqlite_world: World, host_keys: Path) -> None:
    with (
        door(sqlite_world, host_keys, Terms(Timing(grace_seconds=0.2))) as at,
        socket.create_connection(("127.0.0.1", at.port), timeout=10) as client,
    ):
        while client.recv(4096):
            pass


def test_of_those_who_did_not_sign_in_the_oldest_goes_when_one_comes_too_many(
    sqlite_world: World, host_keys: Path
) -> None:
    account = sqlite_world.account()
    with door(sqlite_world, host_keys, Terms(unproven=3)) as at:
        held = [socket.create_connection(("127.0.0.1", at.port), timeout=10) for _ in range(5)]
        assert enters(at, account) is None
        with pytest.raises(ConnectionError):
            while held[0].recv(4096):
                pass
            raise ConnectionError
        for each in held:
            each.close()


def test_a_penalty_grows_and_releases() -> None:
    penalties = Penalties(Prices(forgiven=5, most=20))

    penalties.add("a", 4, now=0)
    assert not penalties.refuses("a", 1)
    penalties.add("a", 4, now=1)
    assert penalties.refuses("a", 2)
    assert not penalties.refuses("b", 2)
    for _ in range(100):
        penalties.add("a", 4, now=2)
    assert penalties.refuses("a", 21.9)
    assert not penalties.refuses("a", 22)
    assert not penalties.refuses("a", 22)


def test_a_penalized_source_is_told_so_and_let_in_again(
    sqlite_world: World, host_keys: Path
) -> None:
    account = sqlite_world.account()
    prices = Prices(wrong_password=1, forgiven=0.5, most=1)
    with door(sqlite_world, host_keys, Terms(prices=prices)) as at:
        assert enters(at, account, password="wrong") is not None
        with socket.create_connection(("127.0.0.1", at.port), timeout=10) as client:
            assert b"Try again in some minutes" in client.recv(1000)
        until = time.monotonic() + 10
        while enters(at, account) is not None:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_each_login_is_audited_with_its_algorithms(
    at: Door, account: Account, shared: World
) -> None:
    assert (
        enters(
            at,
            account,
            encryption_algs="aes128-gcm@openssh.com",
            server_host_key_algs="ssh-ed25519",
        )
        is None
    )

    (entry,) = [each for each in shared.audited("session.opened") if each.object == account.name]
    assert "aes128-gcm@openssh.com" in entry.detail
    assert "ssh-ed25519" in entry.detail
    assert "mlkem768x25519-sha256" in entry.detail


WEAK = re.compile(r"sha1|cbc|chacha|arcfour|3des|md5|group1-|ssh-rsa$|ssh-dss")


def test_the_current_policy_holds_nothing_weak() -> None:
    lists = (*CURRENT.key_exchanges, *CURRENT.ciphers, *CURRENT.macs)

    assert not [each for each in lists if WEAK.search(each)]
    assert not [each for each in (*CURRENT.host_keys, *CURRENT.signatures) if WEAK.search(each)]


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("name", POLICIES)
def test_every_algorithm_of_a_policy_can_be_used(
    sqlite_world: World, host_keys: Path, name: str
) -> None:
    policy = POLICIES[name]
    account = sqlite_world.account()
    with door(sqlite_world, host_keys, policy=name) as at:
        for cipher in policy.ciphers:
            assert enters(at, account, encryption_algs=[cipher]) is None
        for kex in policy.key_exchanges:
            assert enters(at, account, kex_algs=[kex]) is None
        for mac in policy.macs:
            chosen = {"encryption_algs": ["aes128-ctr"], "mac_algs": [mac]}
            assert enters(at, account, **chosen) is None
        for host_key in policy.host_keys:
            assert enters(at, account, server_host_key_algs=[host_key]) is None


@pytest.mark.parametrize(
    "options",
    [
        {"encryption_algs": ["chacha20-poly1305@openssh.com"]},
        {"encryption_algs": ["aes128-cbc"]},
        {"kex_algs": ["diffie-hellman-group14-sha1"]},
        {"mac_algs": ["hmac-sha1"], "encryption_algs": ["aes128-ctr"]},
        {"server_host_key_algs": ["ssh-rsa"]},
    ],
)
def test_what_the_policy_does_not_name_is_refused(
    at: Door, account: Account, options: dict[str, object]
) -> None:
    refusals = (asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost)  # whichever is told first
    assert isinstance(enters(at, account, **options), refusals)


def test_group_exchange_never_gives_a_small_group() -> None:
    from asyncssh import kex_dh  # noqa: PLC0415

    prepare_group_exchange()
    prepare_group_exchange()

    assert min(prime.bit_length() for _, _, prime in kex_dh._dh_gex_groups) >= 2048
    assert kex_dh._group1_p.bit_length() >= 2048
    assert "diffie-hellman-group14-sha1" in GUIDE_2022.key_exchanges


def test_host_keys_are_made_once_private_and_rotated_with_an_overlap(tmp_path: Path) -> None:
    directory = HostKeyDirectory(tmp_path / "ssh")
    directory.ensure()
    first = [each.line for each in directory.every()]
    directory.ensure()

    assert [each.line for each in directory.every()] == first
    assert [line.split()[0] for line in first] == ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
    assert {stat.S_IMODE(each.file.stat().st_mode) for each in directory.every()} == {0o600}
    with pytest.raises(BadHostKeys, match="No rotation"):
        directory.finish_rotation()
    directory.begin_rotation()
    both = directory.every()
    assert [each.line for each in both[:3]] == first
    assert all(each.is_next for each in both[3:])
    with pytest.raises(BadHostKeys, match="under way"):
        directory.begin_rotation()
    directory.finish_rotation()
    assert [each.line for each in directory.every()] == [each.line for each in both[3:]]


def test_host_keys_that_others_can_read_are_refused(host_keys: Path, tmp_path: Path) -> None:
    file = tmp_path / "ssh_host_ed25519_key"
    file.write_bytes((host_keys / file.name).read_bytes())
    file.chmod(0o644)

    with pytest.raises(BadHostKeys, match="0600"):
        HostKeyDirectory(tmp_path).every()
    file.chmod(0o600)
    with pytest.raises(BadHostKeys, match="no host key"):
        HostKeyDirectory(tmp_path).every()
    file.write_text("no key")
    with pytest.raises(BadHostKeys, match="no private key"):
        HostKeyDirectory(tmp_path).every()
