"""A file up, through a network and a server that fail in every way: never two submissions."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from client.conftest import Waiting
from client.lying_server import (
    EXPIRED,
    Exchange,
    Handler,
    Lie,
    after_doing,
    answer,
    cut_body,
    lose_all,
    lose_answer,
    serving,
    xml,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transom.client import Client, Sent, errors
from transom.client.errors import ClientError, NotComplete, RefusedByRule, Uncertain, Unreachable

PLACE = "0001/app1/in"
CONTENT = bytes(range(256)) * 64
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LARGE = 12 << 20  # more than the kernel takes for a server that does not read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trades.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(1 << 10) * (LARGE >> 10))
    return path


def only(exchange: Exchange) -> bytes:
    """What was received, once."""
    (submission,) = exchange.received
    (body,) = submission.bodies
    return body


# --- what goes well ------------------------------------------------------------------------------


def test_a_file_is_received_as_it_is_and_its_digest_verified(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    steps: list[tuple[int, int | None]] = []
    sent = firm.put(file, PLACE, progress=lambda done, size: steps.append((done, size)))
    assert only(exchange) == CONTENT
    assert (sent.name, sent.place, sent.size, sent.sha256) == (
        "trades.csv",
        PLACE,
        len(CONTENT),
        SHA256,
    )
    assert sent.verified
    assert sent.tracking_id in exchange.submissions
    assert steps == [(0, len(CONTENT)), (len(CONTENT), len(CONTENT))]


def test_the_signed_url_is_sent_length_and_type_and_no_token(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    firm.put(file, PLACE)
    (put,) = exchange.at("put")
    assert put.headers["content-length"] == str(len(CONTENT))
    assert put.headers["content-type"] == "application/octet-stream"
    assert "authorization" not in put.headers
    assert "transfer-encoding" not in put.headers


def test_each_upload_has_an_idempotency_key_of_its_own(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    firm.put(file, PLACE)
    firm.put(file, PLACE)
    first, second = (each.headers["idempotency-key"] for each in exchange.at("offer"))
    assert first != second
    assert len(exchange.received) == 2


@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "one byte"])
def test_small_files_are_files(exchange: Exchange, firm: Client, content: bytes) -> None:
    assert firm.put(io.BytesIO(content), PLACE, "small.txt").size == len(content)
    assert only(exchange) == content


def test_a_stream_is_sent_from_where_it_stands(exchange: Exchange, firm: Client) -> None:
    stream = io.BytesIO(b"header\nbody")
    stream.seek(7)
    firm.put(stream, PLACE, "body.txt")
    assert only(exchange) == b"body"


def test_a_pipe_is_sent_whole_and_can_be_sent_again(exchange: Exchange, firm: Client) -> None:
    exchange.lie("put", xml(503, "SlowDown"))
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        os.write(writing, CONTENT)
        os.close(writing)
        firm.put(stream, PLACE, "piped.bin")
    assert only(exchange) == CONTENT


def test_a_stream_needs_a_name(firm: Client) -> None:
    with pytest.raises(RefusedByRule) as refused:
        firm.put(io.BytesIO(b""), PLACE)
    assert refused.value.code == "bad_name"


@pytest.mark.parametrize("name", ["..", "a/b", "."])
def test_a_name_that_is_a_path_is_refused_here(
    exchange: Exchange, firm: Client, file: Path, name: str
) -> None:
    with pytest.raises(RefusedByRule):
        firm.put(file, PLACE, name)
    assert exchange.seen == []


def test_names_reach_the_server_as_they_are(exchange: Exchange, firm: Client, file: Path) -> None:
    name = "a!b@c,d&e-f='g_h.i:j ü%20#"
    firm.put(file, PLACE, name)
    assert exchange.received[0].name == name


def test_a_source_that_is_not_there_is_an_error_of_the_system(firm: Client) -> None:
    with pytest.raises(FileNotFoundError):
        firm.put("not there", PLACE)


# --- is it the same? -----------------------------------------------------------------------------


def test_another_digest_in_the_answer_is_not_complete_and_tells_what_tracking_says(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    def lie(handler: Handler) -> None:
        handler.take_body()
        submission = handler.server.submissions[handler.was.path.rpartition("/")[2]]
        submission.bodies.append(b"something else")
        handler.reply(200, b"", **handler.digest(b"something else"))

    exchange.lie("put", lie)
    with pytest.raises(NotComplete) as caught:
        firm.put(file, PLACE)
    assert caught.value.code == "digest_mismatch"
    assert "received, 14 bytes" in caught.value.message
    assert caught.value.tracking_id in exchange.submissions
    assert len(exchange.at("put")) == 1


def test_another_digest_with_tracking_out_of_reach_is_not_complete_either(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    def lie(handler: Handler) -> None:
        handler.take_body()
        handler.reply(200, **handler.digest(b"something else"))

    exchange.lie("put", lie)
    exchange.lie("tracking", answer(500))
    with pytest.raises(NotComplete, match="Tracking cannot be asked"):
        firm.put(file, PLACE)


def test_without_a_digest_in_the_answer_tracking_is_compared(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    exchange.says_digest = False
    assert firm.put(file, PLACE).verified
    assert len(exchange.at("tracking")) == 1


def test_where_nobody_tells_a_digest_nothing_is_verified(
    finra: Exchange, finra_firm: Client, file: Path
) -> None:
    sent = finra_firm.put(file, PLACE)
    assert not sent.verified
    assert sent.sha256 == SHA256
    assert only(finra) == CONTENT


def test_where_tracking_cannot_be_asked_after_success_it_is_a_success_unverified(
    finra: Exchange, finra_firm: Client, file: Path
) -> None:
    finra.lie("tracking", answer(500))
    assert not finra_firm.put(file, PLACE).verified


def test_a_size_that_differs_is_noticed_without_any_digest(
    finra: Exchange, finra_firm: Client, file: Path
) -> None:
    def lie(handler: Handler) -> None:
        handler.take_body()
        submission = handler.server.submissions[handler.was.path.rpartition("/")[2]]
        submission.bodies.append(CONTENT[:-1])
        handler.reply(200)

    finra.lie("put", lie)
    with pytest.raises(NotComplete):
        finra_firm.put(file, PLACE)


def test_a_form_that_the_server_took_off_is_the_same_file(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    def lie(handler: Handler) -> None:
        handler.take_body()
        handler.server.submissions[handler.was.path.rpartition("/")[2]].bodies.append(b"inner")
        handler.reply(200, b"", **handler.digest(b"inner"))

    def told(handler: Handler) -> None:
        handler.take_body()
        (submission,) = handler.server.submissions.values()
        record = handler._record(submission)
        record |= {"rawSha256": SHA256, "rawSize": len(CONTENT)}
        handler._json([record])

    exchange.lie("put", lie)
    exchange.lie("tracking", told)
    assert firm.put(file, PLACE).verified


# --- the file changes ----------------------------------------------------------------------------


def _grow(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def _shrink(path: Path) -> None:
    os.truncate(path, LARGE // 2)


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [_grow, _shrink, _touch])
def test_a_file_that_changes_while_it_is_sent_is_never_submitted(
    exchange: Exchange, firm: Client, large: Path, change: Callable[[Path], None]
) -> None:
    changes = [change]

    def progress(done: int, _size: int | None) -> None:
        if done and changes:
            changes.pop()(large)

    with pytest.raises(NotComplete) as caught:
        firm.put(large, PLACE, progress=progress)
    assert caught.value.code == "source_changed"
    assert "large.bin changed while it was being sent." in caught.value.message
    assert exchange.received == []


def test_a_stream_that_changes_between_two_tries_is_never_submitted_as_another(
    exchange: Exchange, firm: Client, waiting: Waiting
) -> None:
    stream = io.BytesIO(CONTENT)
    exchange.lie("put", xml(503, "SlowDown"))
    waiting.meanwhile.append(lambda: stream.getbuffer().__setitem__(0, 99))
    with pytest.raises(NotComplete) as caught:
        firm.put(stream, PLACE, "trades.csv")
    assert caught.value.code == "source_changed"
    assert exchange.received == []


def test_a_source_that_cannot_be_read_on_is_not_complete(exchange: Exchange, firm: Client) -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(NotComplete, match="could not be read"):
        firm.put(Broken(CONTENT), PLACE, "trades.csv")
    assert exchange.received == []


# --- it breaks off, and cannot have been received ------------------------------------------------


def test_an_upload_cut_half_way_is_sent_again_to_the_same_url(
    exchange: Exchange, firm: Client, large: Path, waiting: Waiting
) -> None:
    exchange.lie("put", cut_body(100_000), cut_body(1 << 20))
    sent = firm.put(large, PLACE)
    assert only(exchange) == large.read_bytes()
    assert sent.verified
    assert len(exchange.submissions) == 1
    assert exchange.at("tracking") == []
    assert [told[:2] for told in waiting.told] == [(2, 5), (3, 5)]


def test_an_upload_that_is_cut_each_time_tells_how_far_it_came(
    exchange: Exchange, firm: Client, large: Path
) -> None:
    exchange.lie("put", *[cut_body(100_000)] * 5)
    with pytest.raises(NotComplete) as caught:
        firm.put(large, PLACE)
    assert caught.value.message.startswith("The upload stopped at ")
    assert "Nothing was submitted. Send it again." in caught.value.message
    assert caught.value.exit_code == 7
    assert caught.value.tracking_id
    assert exchange.received == []


def test_when_the_url_is_over_after_a_cut_a_new_one_is_asked_for(
    exchange: Exchange, firm: Client, large: Path, waiting: Waiting
) -> None:
    exchange.lie("put", cut_body(100_000))
    waiting.meanwhile.append(lambda: waiting.sleep(60))
    firm.put(large, PLACE)
    assert len(exchange.submissions) == 2
    assert only(exchange) == large.read_bytes()


def test_an_expired_url_is_replaced(exchange: Exchange, firm: Client, file: Path) -> None:
    exchange.lie("put", answer(403, EXPIRED, "application/xml"))
    firm.put(file, PLACE)
    assert only(exchange) == CONTENT
    assert len(exchange.submissions) == 2


def test_urls_that_are_always_expired_end_in_an_error_of_that_name(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    exchange.lie("put", *[answer(403, EXPIRED, "application/xml")] * 5)
    with pytest.raises(errors.LinkExpired, match="Links work for 60 seconds"):
        firm.put(file, PLACE)
    assert exchange.received == []


@pytest.mark.parametrize("code", ["SlowDown", "InsufficientStorage"])
def test_a_server_that_is_busy_or_full_is_asked_again_when_it_says(
    exchange: Exchange, firm: Client, file: Path, waiting: Waiting, code: str
) -> None:
    exchange.lie("put", xml(503, code, "Later.", Retry_After="7"))
    firm.put(file, PLACE)
    assert 7 <= waiting.waits[0] < 8
    assert only(exchange) == CONTENT


def test_a_server_that_stays_busy_is_busy_in_the_end(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    exchange.lie("put", *[xml(503, "SlowDown", "Slow down.")] * 5)
    with pytest.raises(errors.Busy, match=r"Slow down\."):
        firm.put(file, PLACE)


def test_a_server_that_is_not_there_is_unreachable(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    exchange.lie("offer", *[lose_answer] * 5)
    with pytest.raises(Unreachable) as caught:
        firm.put(file, PLACE)
    assert caught.value.message == (
        "No answer from 127.0.0.1 after 5 tries. Nothing was submitted. Check the network and the "
        "status page, then run the same command again."
    )
    assert caught.value.exit_code == 8
    assert len(exchange.submissions) == 1  # one key, one submission, without bytes


def test_a_door_for_bytes_that_nobody_is_at_is_unreachable(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    with serving() as gone:
        url = f"{gone.url}/signed/t-1"
    body = f'{{"trackingId": "t-1", "preSignedUrl": "{url}"}}'
    exchange.lie("offer", *[answer(200, body)] * 5)
    with pytest.raises(Unreachable, match="after 5 tries") as caught:
        firm.put(file, PLACE)
    assert caught.value.tracking_id == "t-1"
    assert exchange.at("tracking") == []


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", errors.NotEntitled),
        (403, "SignatureDoesNotMatch", errors.ServerFault),
        (400, "EntityTooLarge", RefusedByRule),
        (400, "BadDigest", NotComplete),
        (404, "NoSuchKey", errors.NotThere),
        (501, "NotImplemented", RefusedByRule),
        (418, "Teapot", RefusedByRule),
        (403, "", errors.NotEntitled),
    ],
)
def test_a_refusal_is_final(
    exchange: Exchange,
    firm: Client,
    file: Path,
    status: int,
    code: str,
    kind: type[ClientError],
) -> None:
    exchange.lie("put", xml(status, code, "The reason."))
    with pytest.raises(kind) as caught:
        firm.put(file, PLACE)
    assert caught.value.message == "The reason."
    assert caught.value.tracking_id in exchange.submissions
    assert len(exchange.at("put")) == 1


# --- it may have been received -------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        lose_answer,
        after_doing(500),
        after_doing(502, "<html>", "text/html"),
        after_doing(503, "<Error><Code>ServiceUnavailable</Code></Error>", "application/xml"),
        after_doing(504),
    ],
    ids=["lost", "500", "502", "503", "504"],
)
def test_an_answer_that_was_lost_after_the_commit_is_found_in_tracking(
    exchange: Exchange, firm: Client, file: Path, lie: Lie
) -> None:
    exchange.lie("put", lie)
    sent = firm.put(file, PLACE)
    assert only(exchange) == CONTENT
    assert sent.verified
    assert len(exchange.at("put")) == 1


@pytest.mark.parametrize("lie", [lose_all, answer(500), answer(502)], ids=["lost", "500", "502"])
def test_all_sent_and_nothing_kept_is_sent_again_to_the_same_url_once_tracking_was_asked(
    exchange: Exchange, firm: Client, file: Path, waiting: Waiting, lie: Lie
) -> None:
    exchange.lie("put", lie)
    firm.put(file, PLACE)
    assert only(exchange) == CONTENT
    assert len(exchange.submissions) == 1
    assert sum(waiting.waits) >= 3  # it is given time to finish what it may still be at


def test_an_empty_file_may_have_been_received_too(exchange: Exchange, firm: Client) -> None:
    exchange.lie("put", lose_answer)
    firm.put(io.BytesIO(b""), PLACE, "empty.txt")
    assert only(exchange) == b""
    assert len(exchange.at("put")) == 1


def test_tracking_that_learns_of_it_late_is_waited_for(
    exchange: Exchange, firm: Client, file: Path, waiting: Waiting
) -> None:
    exchange.lie("put", lose_all)
    commit = lambda: next(iter(exchange.submissions.values())).bodies.append(CONTENT)  # noqa: E731
    waiting.meanwhile += [lambda: None, commit]
    assert firm.put(file, PLACE).verified
    assert len(exchange.at("put")) == 1


def test_a_second_body_is_refused_by_the_server_and_that_is_a_success(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    record = {"status": "Request Received", "submissionTime": "2022-11-01T12:00:00.000-05:00"}

    def stale(handler: Handler) -> None:
        handler.take_body()
        (submission,) = handler.server.submissions.values()
        handler._json([record | {"trackingId": submission.id, "state": "requested"}])

    exchange.lie("put", lose_answer)
    exchange.lie("tracking", *[stale] * 5)
    firm.put(file, PLACE)
    assert [each.whole for each in exchange.at("put")] == [True, True]
    assert only(exchange) == CONTENT


def test_when_the_url_is_over_and_tracking_does_not_tell_it_is_uncertain(
    exchange: Exchange, firm: Client, file: Path, waiting: Waiting
) -> None:
    exchange.lie("put", lose_all)
    waiting.meanwhile.append(lambda: waiting.sleep(60))
    with pytest.raises(Uncertain) as caught:
        firm.put(file, PLACE)
    assert caught.value.tracking_id in exchange.submissions
    assert caught.value.tracking_id in caught.value.message
    assert caught.value.exit_code == 14
    assert len(exchange.submissions) == 1
    assert len(exchange.at("put")) == 1


def test_how_long_tracking_is_asked_can_be_said(
    finra: Exchange, finra_firm: Client, file: Path, waiting: Waiting
) -> None:
    finra.lie("put", lose_all)
    finra.lie("tracking", *[answer(404)] * 100)
    with pytest.raises(Uncertain):
        finra_firm.put(file, PLACE, settle_seconds=10)
    assert 10 <= sum(waiting.waits) < 16
    assert len(finra.at("put")) == 1


@pytest.mark.parametrize(
    "lies",
    [[answer(500)], [answer(200, "<html>")], [answer(429)] * 5, [answer(200, "[{}]")]],
    ids=["500", "html", "429", "nonsense"],
)
def test_when_tracking_cannot_be_asked_it_is_uncertain(
    exchange: Exchange, firm: Client, file: Path, lies: list[Lie]
) -> None:
    exchange.lie("put", lose_answer)
    exchange.lie("tracking", *lies)
    with pytest.raises(Uncertain):
        firm.put(file, PLACE)
    assert len(exchange.at("put")) == 1


def test_tries_that_run_out_after_all_bytes_went_are_uncertain(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    exchange.lie("put", *[lose_all] * 9)
    with pytest.raises(Uncertain):
        firm.put(file, PLACE, settle_seconds=5)
    assert len(exchange.at("put")) == 5
    assert len(exchange.submissions) == 1


def test_a_server_that_is_away_for_hours_after_all_bytes_went_leaves_it_uncertain(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    exchange.lie("put", xml(503, "ServiceUnavailable", Retry_After="7200"))
    with pytest.raises(Uncertain):
        firm.put(file, PLACE)
    assert len(exchange.at("put")) == 1


def test_a_url_that_is_over_by_the_time_of_the_second_try_is_not_replaced(
    exchange: Exchange, firm: Client, file: Path, waiting: Waiting
) -> None:
    def late() -> None:
        next(iter(exchange.submissions.values())).bodies.append(CONTENT)
        waiting.now += 60

    exchange.lie("put", lose_all)
    waiting.meanwhile += [*[lambda: None] * 4, late]  # four looks at tracking, then the pause
    assert firm.put(file, PLACE).verified
    assert only(exchange) == CONTENT
    assert len(exchange.submissions) == 1


def test_a_submission_that_was_abandoned_is_begun_anew(
    exchange: Exchange, firm: Client, file: Path, waiting: Waiting
) -> None:
    def abandon() -> None:
        next(iter(exchange.submissions.values())).state = "abandoned"

    exchange.lie("put", lose_all)
    waiting.meanwhile.append(abandon)
    sent = firm.put(file, PLACE)
    assert len(exchange.submissions) == 2
    assert exchange.received[0].id == sent.tracking_id


@pytest.mark.parametrize(
    "then",
    [xml(403, "AccessDenied", "Access Denied"), answer(403, EXPIRED, "application/xml")],
    ids=["refused", "expired"],
)
def test_a_refusal_after_a_try_that_may_have_been_received_leaves_it_uncertain(
    exchange: Exchange, firm: Client, file: Path, then: Lie
) -> None:
    exchange.lie("put", lose_all, then)
    with pytest.raises(Uncertain):
        firm.put(file, PLACE)
    assert len(exchange.submissions) == 1


def test_a_file_that_changed_after_a_try_that_may_have_been_received_leaves_it_uncertain(
    exchange: Exchange, firm: Client, file: Path, waiting: Waiting
) -> None:
    exchange.lie("put", lose_all)
    waiting.meanwhile.append(lambda: _grow(file))
    with pytest.raises(Uncertain):
        firm.put(file, PLACE)
    assert exchange.received == []


def test_another_content_found_in_tracking_is_not_complete(
    exchange: Exchange, firm: Client, file: Path
) -> None:
    def lie(handler: Handler) -> None:
        handler.take_body()
        (submission,) = handler.server.submissions.values()
        submission.bodies.append(CONTENT[:-1] + b"?")
        handler.cut()

    exchange.lie("put", lie)
    with pytest.raises(NotComplete, match="Tracking says: received, 16384 bytes"):
        firm.put(file, PLACE)


def test_success_before_everything_was_sent_is_no_success(
    exchange: Exchange, firm: Client, large: Path
) -> None:
    def lie(handler: Handler) -> None:
        handler.take_body(1000)
        handler.reply(200, b"")
        handler.wfile.flush()
        handler.take_body(1 << 20)  # so that the answer is read before the connection ends
        handler.cut()

    exchange.lie("put", *[lie] * 5)
    with pytest.raises((Uncertain, NotComplete)):
        firm.put(large, PLACE, settle_seconds=1)
    assert exchange.received == []


# --- whatever happens ----------------------------------------------------------------------------

_ENDS: list[Lie] = [
    lose_answer,
    lose_all,
    after_doing(500),
    after_doing(503),
    answer(500),
    answer(502, "<html>", "text/html"),
    answer(403, EXPIRED, "application/xml"),
    xml(503, "SlowDown"),
    xml(503, "ServiceUnavailable"),
    xml(403, "AccessDenied"),
]


@pytest.mark.parametrize("kind", ["ours", "finra"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(st.sampled_from(_ENDS), st.integers(0, LARGE).map(cut_body)),
        max_size=7,
    ),
    st.lists(st.sampled_from([answer(500), answer(404), answer(429), lose_answer]), max_size=6),
    st.integers(0, 70),
)
def test_cut_anywhere_there_are_never_two_submissions(
    connect: Callable[..., Client],
    waiting: Waiting,
    kind: str,
    puts: list[Lie],
    trackings: list[Lie],
    pause: int,
) -> None:
    content = CONTENT * 40
    with serving(finra=kind == "finra") as exchange:
        exchange.lie("put", *puts)
        exchange.lie("tracking", *trackings)
        waiting.meanwhile[:] = [lambda: setattr(waiting, "now", waiting.now + pause)]
        with connect(exchange) as firm:
            ended: ClientError | Sent
            try:
                ended = firm.put(io.BytesIO(content), PLACE, "trades.csv")
            except ClientError as error:
                ended = error
        received = {each.id: each.bodies[0] for each in exchange.received}
    if isinstance(ended, Sent):
        assert received == {ended.tracking_id: content}
    elif isinstance(ended, Uncertain):
        assert received in ({}, {ended.tracking_id: content})
    else:
        assert received == {}
