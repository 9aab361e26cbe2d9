"""A file down, through a network and a server that fail in every way: the whole file or none."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from client.conftest import Waiting
from client.lying_server import (
    EXPIRED,
    Exchange,
    Handler,
    Published,
    answer,
    behave,
    cut_answer,
    lose_all,
    serving,
    xml,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transom.client import Client, errors
from transom.client.errors import (
    LocalStorageFull,
    NotComplete,
    NotThere,
    RefusedByRule,
    ServerFault,
    Unreachable,
)
from transom.client.local_files import PartFile, local_name

PATH = "0001/app1/out/result.txt"
CONTENT = os.urandom(1 << 18)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def published(exchange: Exchange, finra: Exchange) -> None:
    exchange.files[PATH] = Published(CONTENT)
    finra.files[PATH] = Published(CONTENT)


def parts(directory: Path) -> list[str]:
    """What a download left beside its target."""
    return sorted(each.name for each in directory.iterdir() if "transom-part" in each.name)


def ranges(exchange: Exchange) -> list[str]:
    """From where the bytes were asked for, each time."""
    return [each.headers.get("range", "") for each in exchange.at("get")]


# --- what goes well ------------------------------------------------------------------------------


def test_a_file_is_fetched_whole_and_verified_and_nothing_else_is_left(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    target = tmp_path / "result.txt"
    steps: list[tuple[int, int | None]] = []
    fetched = firm.get(PATH, target, progress=lambda done, size: steps.append((done, size)))
    assert target.read_bytes() == CONTENT
    assert (fetched.name, fetched.size, fetched.sha256) == ("result.txt", len(CONTENT), SHA256)
    assert fetched.verified
    assert fetched.path == target
    assert steps[0] == (0, len(CONTENT))
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert [each.name for each in tmp_path.iterdir()] == ["result.txt"]
    (get,) = exchange.at("get")
    assert "authorization" not in get.headers


def test_a_directory_gets_a_file_of_the_same_name(firm: Client, tmp_path: Path) -> None:
    assert firm.get(PATH, tmp_path).path == tmp_path / "result.txt"


def test_a_stream_gets_the_bytes_and_stays_open(firm: Client) -> None:
    stream = io.BytesIO()
    fetched = firm.get(PATH, stream)
    assert stream.getvalue() == CONTENT
    assert fetched.path is None
    assert fetched.verified


def test_a_device_is_written_to_and_not_replaced(firm: Client) -> None:
    assert firm.get(PATH, os.devnull).path is None
    assert not Path(os.devnull).is_file()


def test_an_empty_file_is_a_file(exchange: Exchange, firm: Client, tmp_path: Path) -> None:
    exchange.files[PATH] = Published(b"")
    firm.get(PATH, tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_target_is_replaced_only_by_the_whole_file(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    target = tmp_path / "result.txt"
    target.write_bytes(b"older")
    exchange.lie("get", *[cut_answer(0)] * 5)
    with pytest.raises(Unreachable):
        firm.get(PATH, target)
    assert target.read_bytes() == b"older"
    firm.get(PATH, target)
    assert target.read_bytes() == CONTENT


def test_a_file_name_of_255_bytes_has_room_for_its_part(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    name = "x" * 255
    exchange.files[f"0001/app1/out/{name}"] = Published(CONTENT)
    exchange.lie("get", cut_answer(1000))
    assert firm.get(f"0001/app1/out/{name}", tmp_path).path == tmp_path / name


def test_without_any_digest_nothing_is_verified(
    finra: Exchange, finra_firm: Client, tmp_path: Path
) -> None:
    fetched = finra_firm.get(PATH, tmp_path)
    assert not fetched.verified
    assert (tmp_path / "result.txt").read_bytes() == CONTENT
    assert len(finra.at("get")) == 1


def test_what_is_not_there_leaves_nothing_here(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    exchange.lie("listing", answer(404, '{"error": "not_found", "error_message": "No file."}'))
    with pytest.raises(NotThere, match=r"No file\."):
        firm.get(PATH, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_cannot_be_fetched(firm: Client, tmp_path: Path) -> None:
    with pytest.raises(ServerFault, match="Is it a file"):
        firm.get("0001/app1/out", tmp_path / "out")


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "a\\b", "a/b", "a\nb", "a\x00b", "\x1b[2J"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(RefusedByRule):
        local_name(name, windows=False)


@pytest.mark.parametrize(
    "name", ["C:evil.txt", "con", "NUL.txt", "com1.tar.gz", "aux .txt", "x.", "x ", "a:stream"]
)
def test_a_name_that_means_something_else_to_windows_is_refused_there(name: str) -> None:
    assert local_name(name, windows=False) == name
    with pytest.raises(RefusedByRule):
        local_name(name, windows=True)


def test_no_server_path_escapes_the_directory(firm: Client, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    for path in ("0001/app1/out/..", "0001/app1/out/a\\..\\b"):
        with pytest.raises(RefusedByRule):
            firm.get(path, inside)
    assert [each.name for each in tmp_path.iterdir()] == ["inside"]
    assert list(inside.iterdir()) == []


# --- it breaks off -------------------------------------------------------------------------------


def test_a_download_that_is_cut_goes_on_where_it_stopped(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    exchange.lie("get", cut_answer(1000), cut_answer(0), cut_answer(99_000))
    assert firm.get(PATH, tmp_path).verified
    assert (tmp_path / "result.txt").read_bytes() == CONTENT
    assert ranges(exchange) == ["", "bytes=1000-", "bytes=1000-", "bytes=100000-"]
    etag = exchange.files[PATH].etag
    assert [each.headers.get("if-range") for each in exchange.at("get")] == [None, *[etag] * 3]


def test_progress_is_rewarded_with_more_tries(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    exchange.lie("get", *[cut_answer(1000)] * 20)
    firm.get(PATH, tmp_path)
    assert (tmp_path / "result.txt").read_bytes() == CONTENT


def test_five_tries_without_progress_are_enough_and_what_came_is_kept(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    exchange.lie("get", cut_answer(1000), *[lose_all] * 4)
    with pytest.raises(Unreachable):
        firm.get(PATH, tmp_path)
    assert len(exchange.at("get")) == 5
    assert (tmp_path / ".result.txt.transom-part").read_bytes() == CONTENT[:1000]


def test_a_later_run_goes_on_with_what_was_kept(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    exchange.lie("get", cut_answer(1000), *[lose_all] * 4)
    with pytest.raises(Unreachable):
        firm.get(PATH, tmp_path)
    before = len(exchange.at("get"))
    assert firm.get(PATH, tmp_path).verified
    assert ranges(exchange)[before:] == ["bytes=1000-"]
    assert (tmp_path / "result.txt").read_bytes() == CONTENT
    assert parts(tmp_path) == []


def test_a_part_that_is_whole_already_is_only_verified(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    with PartFile(tmp_path / "result.txt") as part:
        _note(part, sha256=SHA256)
        part.part.write_bytes(CONTENT)
    assert firm.get(PATH, tmp_path).verified
    assert exchange.at("get") == []


def _note(part: PartFile, **changes: object) -> None:
    known = {"path": PATH, "size": len(CONTENT), "sha256": SHA256, "etag": ""} | changes
    part.note.write_text(json.dumps(known))


@pytest.mark.parametrize(
    "note",
    [
        '{"path": "0001/app1/out/other.txt"',
        "{}",
        json.dumps({"path": PATH, "size": 5, "sha256": SHA256, "etag": ""}),
        json.dumps({"path": PATH, "size": len(CONTENT), "sha256": "0" * 64, "etag": ""}),
        json.dumps({"path": "0001/other", "size": len(CONTENT), "sha256": SHA256, "etag": ""}),
    ],
)
def test_a_part_of_something_else_is_thrown_away(
    exchange: Exchange, firm: Client, tmp_path: Path, note: str
) -> None:
    with PartFile(tmp_path / "result.txt") as part:
        part.part.write_bytes(b"of something else")
        part.note.write_text(note)
    firm.get(PATH, tmp_path)
    assert ranges(exchange) == [""]
    assert (tmp_path / "result.txt").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    with PartFile(tmp_path / "result.txt") as part:
        part.part.write_bytes(CONTENT + b"?")
        _note(part)
    firm.get(PATH, tmp_path)
    assert ranges(exchange) == [""]


def test_a_part_that_was_damaged_is_fetched_once_more_from_the_start(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    with PartFile(tmp_path / "result.txt") as part:
        part.part.write_bytes(b"?" * 1000)
        _note(part)
    assert firm.get(PATH, tmp_path).verified
    assert ranges(exchange) == ["bytes=1000-", ""]
    assert (tmp_path / "result.txt").read_bytes() == CONTENT


def test_without_a_digest_or_an_entity_tag_nothing_is_gone_on_with(
    finra: Exchange, finra_firm: Client, tmp_path: Path
) -> None:
    with PartFile(tmp_path / "result.txt") as part:
        part.part.write_bytes(b"?" * 1000)
        _note(part, sha256=None, size=None)
    finra_firm.get(PATH, tmp_path)
    assert ranges(finra) == [""]


def test_without_a_digest_the_entity_tag_vouches_for_what_was_kept(
    finra: Exchange, finra_firm: Client, tmp_path: Path
) -> None:
    finra.lie("get", cut_answer(1000), *[lose_all] * 4)
    with pytest.raises(Unreachable):
        finra_firm.get(PATH, tmp_path)
    finra.files[PATH] = Published(b"newer" * 1000)
    finra_firm.get(PATH, tmp_path)
    assert (tmp_path / "result.txt").read_bytes() == b"newer" * 1000
    assert finra.at("get")[-1].headers["if-range"]


def test_a_url_whose_minute_is_over_is_replaced_before_going_on(
    exchange: Exchange, firm: Client, tmp_path: Path, waiting: Waiting
) -> None:
    exchange.lie("get", cut_answer(1000))
    waiting.meanwhile.append(lambda: waiting.sleep(60))
    firm.get(PATH, tmp_path)
    assert len(exchange.at("listing")) == 2
    assert ranges(exchange) == ["", "bytes=1000-"]


def test_an_expired_url_is_replaced(exchange: Exchange, firm: Client, tmp_path: Path) -> None:
    exchange.lie("get", answer(403, EXPIRED, "application/xml"))
    firm.get(PATH, tmp_path)
    assert len(exchange.at("listing")) == 2


def test_urls_that_are_always_expired_end_in_an_error_of_that_name(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    exchange.lie("get", *[answer(403, EXPIRED, "application/xml")] * 5)
    with pytest.raises(errors.LinkExpired):
        firm.get(PATH, tmp_path)


def test_a_newer_file_of_the_name_is_fetched_from_its_start(
    exchange: Exchange, firm: Client, tmp_path: Path, waiting: Waiting
) -> None:
    def publish() -> None:
        exchange.files[PATH] = Published(b"newer" * 1000)
        waiting.sleep(60)

    exchange.lie("get", cut_answer(1000))
    waiting.meanwhile.append(publish)
    firm.get(PATH, tmp_path)
    assert (tmp_path / "result.txt").read_bytes() == b"newer" * 1000
    assert ranges(exchange) == ["", ""]


def test_a_newer_file_in_the_middle_of_a_stream_is_not_complete(
    exchange: Exchange, firm: Client, waiting: Waiting
) -> None:
    def publish() -> None:
        exchange.files[PATH] = Published(b"newer" * 1000)
        waiting.sleep(60)

    exchange.lie("get", cut_answer(1000))
    waiting.meanwhile.append(publish)
    with pytest.raises(NotComplete) as caught:
        firm.get(PATH, io.BytesIO())
    assert caught.value.code == "changed_meanwhile"


def test_a_stream_goes_on_where_it_was_cut(exchange: Exchange, firm: Client) -> None:
    stream = io.BytesIO()
    exchange.lie("get", cut_answer(1000), cut_answer(2000))
    firm.get(PATH, stream)
    assert stream.getvalue() == CONTENT
    assert ranges(exchange) == ["", "bytes=1000-", "bytes=3000-"]


def test_a_server_without_ranges_starts_a_file_over_and_skips_in_a_stream(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    exchange.honours_ranges = False
    stream = io.BytesIO()
    for target in (stream, tmp_path / "result.txt"):
        exchange.lie("get", cut_answer(100_000))
        assert firm.get(PATH, target).verified
    assert stream.getvalue() == (tmp_path / "result.txt").read_bytes() == CONTENT


def test_a_server_that_cannot_say_it_is_the_same_file_ends_a_stream(
    finra: Exchange, finra_firm: Client
) -> None:
    def other(handler: Handler) -> None:
        handler.take_body()
        handler.reply(200, b"other" * 1000, "application/octet-stream", ETag='W/"weak"')

    finra.lie("get", cut_answer(1000), other)
    with pytest.raises(NotComplete) as caught:
        finra_firm.get(PATH, io.BytesIO())
    assert caught.value.code == "changed_meanwhile"


def _partial(start: int, total: int, **headers: str) -> Callable[[Handler], None]:
    def lie(handler: Handler) -> None:
        handler.take_body()
        told = {"Content_Range": f"bytes {start}-{total - 1}/{total}"} | headers
        handler.reply(206, CONTENT[start:total], "application/octet-stream", **told)

    return lie


def test_a_range_that_was_not_asked_for_is_the_servers_fault(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    exchange.lie("get", cut_answer(1000), _partial(2000, len(CONTENT)))
    with pytest.raises(ServerFault, match="another part"):
        firm.get(PATH, tmp_path)


@pytest.mark.parametrize(
    "lie",
    [
        _partial(1000, 5000),
        _partial(1000, len(CONTENT), ETag='"another"'),
        xml(416, "InvalidRange"),
    ],
    ids=["size", "tag", "416"],
)
def test_what_turns_out_to_be_another_file_is_fetched_from_the_start(
    exchange: Exchange, firm: Client, tmp_path: Path, lie: Callable[[Handler], None]
) -> None:
    exchange.lie("get", cut_answer(1000), lie)
    assert firm.get(PATH, tmp_path).verified
    assert (tmp_path / "result.txt").read_bytes() == CONTENT
    assert ranges(exchange) == ["", "bytes=1000-", ""]


def test_a_server_that_sends_too_much_is_stopped(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    def lie(handler: Handler) -> None:
        handler.take_body()
        handler.reply(200, CONTENT + b"more", "application/octet-stream")

    exchange.lie("get", lie)
    with pytest.raises(ServerFault, match="more than the file has"):
        firm.get(PATH, tmp_path)
    assert not (tmp_path / "result.txt").exists()


def test_a_short_answer_without_an_error_of_the_network_is_noticed(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    def lie(handler: Handler) -> None:
        handler.take_body()
        handler.reply(200, CONTENT[:500], "application/octet-stream")

    exchange.lie("get", lie)
    firm.get(PATH, tmp_path)
    assert (tmp_path / "result.txt").read_bytes() == CONTENT
    assert ranges(exchange) == ["", "bytes=500-"]


def test_a_busy_server_is_waited_for(
    exchange: Exchange, firm: Client, tmp_path: Path, waiting: Waiting
) -> None:
    exchange.lie("get", xml(503, "SlowDown", Retry_After="9"))
    firm.get(PATH, tmp_path)
    assert 9 <= waiting.waits[0] < 10


def test_a_refusal_is_final(exchange: Exchange, firm: Client, tmp_path: Path) -> None:
    exchange.lie("get", xml(404, "NoSuchKey", "It ended."))
    with pytest.raises(NotThere, match=r"It ended\."):
        firm.get(PATH, tmp_path)
    assert parts(tmp_path) == []


# --- is it the same? -----------------------------------------------------------------------------


def test_a_wrong_digest_is_tried_once_more_and_then_nothing_is_kept(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    exchange.files[PATH] = Published(CONTENT, promised=CONTENT[:-1] + b"?")
    with pytest.raises(NotComplete) as caught:
        firm.get(PATH, tmp_path)
    assert caught.value.code == "digest_mismatch"
    assert len(exchange.at("get")) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_digest_the_first_time_is_mended(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    def flipped(handler: Handler) -> None:
        handler.take_body()
        handler.reply(200, CONTENT[:-1] + b"?", "application/octet-stream")

    exchange.lie("get", flipped)
    assert firm.get(PATH, tmp_path).verified
    assert (tmp_path / "result.txt").read_bytes() == CONTENT


def test_a_wrong_digest_in_a_stream_is_told(exchange: Exchange, firm: Client) -> None:
    exchange.files[PATH] = Published(CONTENT, promised=CONTENT[:-1] + b"?")
    with pytest.raises(NotComplete):
        firm.get(PATH, io.BytesIO())
    assert len(exchange.at("get")) == 1


def test_the_digest_of_the_answer_counts_where_step_1_has_none(
    finra: Exchange, finra_firm: Client, tmp_path: Path
) -> None:
    finra.says_digest = True
    assert finra_firm.get(PATH, tmp_path).verified


# --- no room -------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_told(firm: Client) -> None:
    with pytest.raises(LocalStorageFull) as caught:
        firm.get(PATH, "/dev/full")
    assert caught.value.exit_code == 7


class Filling(io.BytesIO):
    """A stream with room for so many bytes."""

    def __init__(self, room: int, error: int = errno.ENOSPC) -> None:
        super().__init__()
        self._room = room
        self._error = error

    def write(self, data: object) -> int:
        taken = min(self._room, 1000)
        self._room -= taken
        if taken == 0:
            raise OSError(self._error, os.strerror(self._error))
        return super().write(memoryview(data)[:taken])  # type: ignore[arg-type]


def test_a_stream_that_takes_less_than_it_is_given_gets_all_the_same(firm: Client) -> None:
    stream = Filling(1 << 20)
    firm.get(PATH, stream)
    assert stream.getvalue() == CONTENT


def test_another_error_of_a_stream_passes(firm: Client) -> None:
    with pytest.raises(BrokenPipeError):
        firm.get(PATH, Filling(0, errno.EPIPE))


def test_with_a_full_disk_the_part_is_kept_and_gone_on_with(
    exchange: Exchange, firm: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk with room for a thousand bytes: what os.write would say, the part's stream says."""
    opened = os.fdopen

    class Full:
        def __init__(self, fd: int) -> None:
            self._real = opened(fd, "r+b", buffering=0)
            self._room = 1000

        def write(self, data: memoryview) -> int:
            if self._room == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            taken = self._real.write(data[: self._room])
            self._room -= taken
            return taken

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", lambda fd, *_, **__: Full(fd))
        with pytest.raises(LocalStorageFull):
            firm.get(PATH, tmp_path)
    assert (tmp_path / ".result.txt.transom-part").read_bytes() == CONTENT[:1000]
    firm.get(PATH, tmp_path)
    assert ranges(exchange)[-1] == "bytes=1000-"
    assert (tmp_path / "result.txt").read_bytes() == CONTENT


def test_a_part_that_somebody_else_wrote_to_is_not_put_in_place(
    firm: Client, tmp_path: Path
) -> None:
    def meddle(done: int, size: int | None) -> None:
        if done == size:
            with (tmp_path / ".result.txt.transom-part").open("ab") as other:
                other.write(b"?")

    with pytest.raises(NotComplete) as caught:
        firm.get(PATH, tmp_path, progress=meddle)
    assert caught.value.code == "part_changed"
    assert not (tmp_path / "result.txt").exists()


def test_a_part_is_never_written_through_a_link(firm: Client, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (tmp_path / ".result.txt.transom-part").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        firm.get(PATH, tmp_path)
    assert victim.read_bytes() == b"untouched"


# --- whatever happens ----------------------------------------------------------------------------


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.integers(0, 6000).map(cut_answer),
            st.sampled_from(
                [lose_all, behave, xml(503, "SlowDown"), answer(403, EXPIRED, "application/xml")]
            ),
        ),
        max_size=8,
    ),
    st.booleans(),
    st.integers(0, 70),
)
def test_cut_anywhere_it_is_the_whole_file_or_none(
    tmp_path_factory: pytest.TempPathFactory,
    connect: Callable[..., Client],
    waiting: Waiting,
    lies: list[Callable[[Handler], None]],
    honours: bool,
    pause: int,
) -> None:
    content = CONTENT[:5000]
    target = tmp_path_factory.mktemp("fetched") / "result.txt"
    with serving() as exchange:
        exchange.files[PATH] = Published(content)
        exchange.honours_ranges = honours
        exchange.lie("get", *lies)
        waiting.meanwhile[:] = [lambda: setattr(waiting, "now", waiting.now + pause)]
        with connect(exchange) as firm:
            told = ""
            try:
                firm.get(PATH, target)
            except errors.ClientError as error:
                told = error.code
            assert target.exists() == (not told)
            exchange.lies.clear()
            firm.get(PATH, target)  # whatever was kept, the next run makes it whole
    assert target.read_bytes() == content
