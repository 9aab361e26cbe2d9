"""Downloads: whole or by range, by those who may, and never bytes that were not received."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from core.faults import files_in
from world import Account, World, place_and_name

from transom.domain.errors import NotEntitled, NotFound, StorageFull, Unavailable
from transom.domain.listing import Listing
from transom.domain.names import FileName, Place

OUT = "0001/app1/out/result.txt"


def found(firm: Account, path: str = OUT) -> Listing:
    place, name = place_and_name(path)
    return firm.world.exchange.downloads.find(firm.actor, place, name)


def read(firm: Account, listing: Listing, start: int = 0, length: int | None = None) -> bytes:
    opened = firm.world.exchange.downloads.open(firm.actor, listing, start, length)
    try:
        assert opened.listing == listing
        return opened.reader.read(1 << 20)
    finally:
        opened.reader.close()


def test_a_result_is_downloaded_and_the_download_is_audited(world: World) -> None:
    firm, app = world.account(), world.processor()
    app.publish(OUT, b"0123456789")

    listing = found(firm)

    assert read(firm, listing) == b"0123456789"
    assert (listing.size, str(listing.place), listing.name) == (10, "0001/app1/out", "result.txt")
    (entry,) = world.audited("download.started")
    assert (entry.principal_id, entry.object) == (firm.id, OUT)
    assert json.loads(entry.detail) == {"start": 0, "length": None}


@pytest.mark.parametrize(
    ("start", "length", "content"),
    [(0, 4, b"0123"), (6, None, b"6789"), (2, 3, b"234"), (10, 5, b"")],
)
def test_a_range_is_downloaded(
    sqlite_world: World, start: int, length: int | None, content: bytes
) -> None:
    firm, app = sqlite_world.account(), sqlite_world.processor()
    app.publish(OUT, b"0123456789")

    assert read(firm, found(firm), start, length) == content


def test_of_several_files_of_one_name_the_newest_is_found(world: World) -> None:
    firm, app = world.account(), world.processor()
    for content in (b"old", b"new"):
        app.publish(OUT, content)
        world.clock.pass_time(timedelta(seconds=1))

    assert read(firm, found(firm)) == b"new"


def test_a_file_that_was_found_is_read_as_it_was_though_a_newer_one_comes(world: World) -> None:
    firm, app = world.account(), world.processor()
    app.publish(OUT, b"old")
    listing = found(firm)
    world.clock.pass_time(timedelta(seconds=1))
    app.publish(OUT, b"new")

    by_id = world.exchange.downloads.listed(firm.actor, listing.place, listing.id)

    assert by_id == listing
    assert read(firm, by_id) == b"old"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("0001/app1/in/filing.zip", id="inbound content is nobody's"),
        pytest.param("0001/app2/out/result.txt", id="another application"),
        pytest.param("0002/app1/out/result.txt", id="another organization"),
        pytest.param("0001/app1/nowhere/result.txt", id="no such place"),
    ],
)
def test_without_the_right_to_download_there_all_is_refused_alike(world: World, path: str) -> None:
    firm, app = world.account(), world.processor()
    firm.submit("0001/app1/in/filing.zip")
    app.publish(OUT)
    place, _ = place_and_name(path)
    listing = found(firm)

    with pytest.raises(NotEntitled):
        found(firm, path)
    with pytest.raises(NotEntitled):
        world.exchange.downloads.listed(firm.actor, place, listing.id)


def test_a_submit_account_downloads_nothing(world: World) -> None:
    firm, sender = world.account(), world.account(may="submit")
    sent = sender.submit("0001/app1/in/filing.zip")
    listing = found(firm, f"0001/app1/in_arcv/{sent.archive_name}")

    with pytest.raises(NotEntitled):
        found(sender, f"0001/app1/in_arcv/{sent.archive_name}")
    with pytest.raises(NotEntitled):
        world.exchange.downloads.open(sender.actor, listing)


def test_what_is_not_there_is_not_found(world: World) -> None:
    firm, app = world.account(), world.processor()
    app.publish(OUT)
    downloads, listing = world.exchange.downloads, found(firm)
    archive = Place.parse("0001/app1/in_arcv")

    with pytest.raises(NotFound):
        downloads.find(firm.actor, listing.place, FileName("other.txt"))
    with pytest.raises(NotFound):
        downloads.listed(firm.actor, listing.place, "no such id")
    with pytest.raises(NotFound):  # it is listed, but not there
        downloads.listed(firm.actor, archive, listing.id)


def test_a_file_that_has_ended_is_gone_by_name_and_by_id(world: World) -> None:
    firm, app = world.account(), world.processor()
    app.publish(OUT)
    listing = found(firm)
    world.clock.pass_time(timedelta(days=31))

    with pytest.raises(NotFound):
        found(firm)
    with pytest.raises(NotFound):
        world.exchange.downloads.listed(firm.actor, listing.place, listing.id)


def test_bytes_that_have_vanished_are_an_error_of_ours_not_of_the_client(world: World) -> None:
    firm, app = world.account(), world.processor()
    app.publish(OUT)
    (path,) = files_in(world, "blobs").values()
    path.unlink()

    with pytest.raises(Unavailable):
        read(firm, found(firm))


def test_a_full_disk_stops_no_download_and_the_log_keeps_the_entry(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    firm, app = world.account(), world.processor()
    app.publish(OUT, b"result")
    listing = found(firm)

    def full(_database: object) -> None:
        raise StorageFull

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(type(world.database), "transaction", full)
        opened = world.exchange.downloads.open(firm.actor, listing)

    assert opened.reader.read(100) == b"result"
    opened.reader.close()
    assert firm.id in caplog.records[-1].entry  # type: ignore[attr-defined]
