"""The client and the real exchange, both its doors, on loopback."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from client.conftest import Waiting
from world import Account, Served, World

from transom.client import Client
from transom.client.errors import (
    NotEntitled,
    NotSignedIn,
    NotThere,
    RefusedByRule,
)

PLACE = "0001/app1/in"


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    with world.serving() as served:
        yield served


@pytest.fixture
def account(world: World) -> Account:
    return world.account("0001", "both", "app1")


@pytest.fixture
def firm(served: Served, account: Account, waiting: Waiting) -> Iterator[Client]:
    options = {"sleep": waiting.sleep, "clock": waiting.clock}
    with Client.connect(served.rest, account.name, account.secret, **options) as client:  # type: ignore[misc]
        yield client


def test_a_file_goes_there_and_back(world: World, firm: Client, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "filing.bin").write_bytes(content)
    sent = firm.put(tmp_path / "filing.bin", PLACE)
    assert sent.verified
    assert sent.sha256 == hashlib.sha256(content).hexdigest()

    found = firm.submission(sent.tracking_id)
    assert (found.state, found.size, found.sha256, found.place) == (
        "received",
        len(content),
        sent.sha256,
        PLACE,
    )
    (lease,) = world.processor("app1").claim()
    assert lease.submission.tracking_id == sent.tracking_id

    fetched = firm.get(f"0001/app1/in_arcv/{found.archive_name}", tmp_path / "back.bin")
    assert fetched.verified
    assert (tmp_path / "back.bin").read_bytes() == content


@pytest.mark.parametrize("name", ["a!b@c,d&e-f='g_h.i:j", "x" * 237, "plain.txt"])
def test_every_legal_name_goes_there_and_back(
    world: World, firm: Client, tmp_path: Path, name: str
) -> None:
    firm.put(io.BytesIO(b"content"), PLACE, name)
    (archived,) = (each for each in firm.folder("0001/app1/in_arcv").entries if each.is_file)
    assert archived.name.endswith(f"_{name}")
    assert archived.size == 7
    assert archived.modified == world.clock.now()
    target = firm.get(f"0001/app1/in_arcv/{archived.name}", tmp_path).path
    assert target is not None
    assert target.read_bytes() == b"content"


def test_folders_are_walked_from_the_root(firm: Client) -> None:
    assert [each.name for each in firm.folder().entries] == ["0001"]
    assert [each.name for each in firm.folder("0001").entries] == ["app1"]
    places = {each.name: each.writable for each in firm.folder("0001/app1").entries}
    assert places == {"in": True, "in_arcv": False, "out": False}


def test_refusals_are_told_apart(firm: Client, tmp_path: Path) -> None:
    with pytest.raises(NotEntitled) as caught:
        firm.folder("0002")
    assert caught.value.request_id
    with pytest.raises(NotThere):
        firm.get("0001/app1/out/none.txt", tmp_path)
    with pytest.raises(NotThere):
        firm.submission("7c1e0b52-9a44-4c1d-8f0e-61b7d20c93aa")
    with pytest.raises(RefusedByRule) as refused:
        firm.put(io.BytesIO(b""), PLACE, "draft#2.xml")
    assert refused.value.code == "bad_name"
    with pytest.raises(NotEntitled):
        firm.put(io.BytesIO(b""), "0001/app1/out", "a.txt")


def test_a_wrong_secret_is_not_signed_in(served: Served, account: Account) -> None:
    with (
        Client.connect(served.rest, account.name, "wrong") as stranger,
        pytest.raises(NotSignedIn, match="User name or password is not right"),
    ):
        stranger.folder()


def test_a_token_that_is_over_is_renewed(world: World, firm: Client) -> None:
    firm.folder()
    world.clock.pass_time(timedelta(hours=13))
    assert firm.folder().entries


def test_a_url_that_was_over_before_it_was_used_is_replaced(
    world: World, firm: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, late = firm.session.call, iter([timedelta(seconds=61)])

    def slowly(method: str, path: str, **options: Any) -> Any:
        found = ask(method, path, **options)
        for period in late:
            world.clock.pass_time(period)
        return found

    monkeypatch.setattr(firm.session, "call", slowly)
    sent = firm.put(io.BytesIO(b"x" * 1000), PLACE, "late.txt")
    states = {each.tracking_id: each.state for each in firm.submissions()}
    assert len(states) == 2
    assert states.pop(sent.tracking_id) == "received"
    assert list(states.values()) == ["requested"]


def test_many_files_at_once(firm: Client) -> None:
    def put(number: int) -> str:
        content = str(number).encode() * 100_000
        return firm.put(io.BytesIO(content), PLACE, f"{number}.txt").tracking_id

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(put, range(12)))
    assert {each.tracking_id for each in firm.submissions()} == ids
    assert all(each.is_received for each in firm.submissions(application="app1"))
    assert [each.file_name for each in firm.submissions(file_name="3.txt")] == ["3.txt"]
    assert list(firm.submissions(state="accepted")) == []
    assert list(firm.submissions(application="app2")) == []


def test_a_state_that_does_not_exist_is_refused(firm: Client) -> None:
    with pytest.raises(RefusedByRule):
        list(firm.submissions(state="nonsense"))


def test_a_part_that_was_kept_is_gone_on_with(world: World, firm: Client, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    world.processor("app1").publish("0001/app1/out/result.bin", content)

    class Stopped(Exception):
        pass

    def stop(done: int, _size: int | None) -> None:
        if done:
            raise Stopped

    with pytest.raises(Stopped):
        firm.get("0001/app1/out/result.bin", tmp_path, progress=stop)
    kept = (tmp_path / ".result.bin.transom-part").stat().st_size
    assert 0 < kept < len(content)
    first: list[int] = []
    assert firm.get(
        "0001/app1/out/result.bin", tmp_path, progress=lambda done, _: first.append(done)
    ).verified
    assert first[0] == kept
    assert (tmp_path / "result.bin").read_bytes() == content
