"""Content is read as it comes, goes on where the line was cut, and is verified at its end."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from connector.gateway_server import GatewayServer, busy, cut, lost, refused, says
from connector.workers import QUICK, running, until, worker_of

from transom.client.errors import NotComplete, NotSignedIn, NotThere, ServerFault, Unreachable
from transom.connector import (
    Answer,
    ContentDamaged,
    Job,
    Pace,
    PublishedOtherwise,
    Retry,
    accepted,
)
from transom.connector import content as content_module
from transom.connector import job as job_module

CONTENT = random.Random(4530).randbytes(300_000)  # noqa: S311 - any bytes will do


def in_a_job(server: GatewayServer, does: Callable[[Job], object], **facts: str) -> object:
    """What something gives, or raises, when it is done with a job for CONTENT."""
    came: list[object] = []

    def take(job: Job) -> Answer:
        if not came:
            try:
                came.append(does(job))
            except Exception as error:  # noqa: BLE001 - handed to the test
                came.append(error)
        return accepted()

    server.offer(content=CONTENT, name="x.xml", **facts)
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    return came[0]


def read(job: Job) -> bytes:
    with job.open() as content:
        return content.read()


def test_a_line_that_is_cut_again_and_again_goes_on_where_it_stopped(server: GatewayServer) -> None:
    server.script("content", cut(1000), cut(0), busy(), cut(100_000), cut(150_000))
    assert in_a_job(server, read) == CONTENT
    assert server.named("content") == [
        "",
        "bytes=1000-",
        "bytes=1000-",
        "bytes=1000-",
        "bytes=101000-",
        "bytes=251000-",
    ]


def test_a_line_that_never_brings_anything_ends_in_its_error(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_module, "CUTS_IN_A_ROW", 3)
    server.script("content", cut(10), *[cut(0)] * 3)
    assert isinstance(in_a_job(server, read), NotComplete | Unreachable)
    assert len(server.named("content")) == 3


def test_content_is_read_in_small_parts_by_line_and_from_its_middle_too(
    server: GatewayServer,
) -> None:
    def lines(job: Job) -> int:
        assert job.open().readable()
        with job.open() as content:
            assert content.read(10) == CONTENT[:10]
            return 1 + sum(len(line) for line in content)

    assert in_a_job(server, lines) == len(CONTENT) - 9


@pytest.mark.parametrize("step", [read, lambda job: job.save(Path("never.xml"))])
def test_bytes_that_are_not_those_that_were_received_are_told_at_the_end(
    server: GatewayServer,
    step: Callable[[Job], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    error = in_a_job(server, step, sha256="0" * 64)
    assert isinstance(error, ContentDamaged)
    assert "SHA-256 differs" in str(error)
    assert list(tmp_path.iterdir()) == []


def test_more_bytes_than_were_received_are_told_at_once(server: GatewayServer) -> None:
    def longer(job: Job) -> bytes:
        server.submissions[job.tracking_id].content += b"more"
        return read(job)

    error = in_a_job(server, longer)
    assert isinstance(error, ContentDamaged)
    assert "longer" in str(error)


def test_a_server_that_knows_no_ranges_is_at_fault(server: GatewayServer) -> None:
    server.script("content", cut(1000), refused(200, "whole"))
    error = in_a_job(server, read)
    assert isinstance(error, ServerFault)


def test_an_empty_file_is_read_to_its_end_without_a_request(server: GatewayServer) -> None:
    came: list[bytes] = []

    def take(job: Job) -> Answer:
        came.append(read(job))
        return accepted()

    server.offer(content=b"")
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert came == [b""]


def test_saved_content_is_a_whole_file_under_its_name(
    server: GatewayServer, tmp_path: Path
) -> None:
    server.script("content", cut(1234))
    target = tmp_path / "kept.xml"
    assert in_a_job(server, lambda job: job.save(str(target))) == target
    assert target.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [target]


class Stream(io.RawIOBase):
    """A stream that can only be read on, such as a pipe."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._source = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._source.readinto(buffer)


def test_bytes_files_and_streams_are_published(server: GatewayServer, tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(CONTENT)

    def publish(job: Job) -> list[tuple[str, str, int]]:
        rewound = io.BytesIO(b"skipped" + CONTENT)
        rewound.seek(7)
        made = [
            *job.publish("out", "bytes", CONTENT),
            *job.publish("out", "path", path),
            *job.publish("out", "stream", Stream(CONTENT)),  # type: ignore[arg-type]
            *job.publish("out", "rest", rewound),
            *job.publish("out", "two", b"", orgs=["0002", "0001"], about=""),
        ]
        return [(each.place, each.name, each.size) for each in made]

    size = len(CONTENT)
    assert in_a_job(server, publish) == [
        ("0001/r4530/out", "bytes", size),
        ("0001/r4530/out", "path", size),
        ("0001/r4530/out", "stream", size),
        ("0001/r4530/out", "rest", size),
        ("0002/r4530/out", "two", 0),
        ("0001/r4530/out", "two", 0),
    ]
    assert {name: len(data) for name, data in server.published.items()} == {
        **{f"0001/r4530/out/{name}": size for name in ("bytes", "path", "stream", "rest")},
        "0001/r4530/out/two": 0,
        "0002/r4530/out/two": 0,
    }
    queries = [call["query"] for call in server.named("publish")]
    assert queries[0] == {"org": ["0001"], "about": ["00000000-0000-4000-8000-000000000001"]}
    assert queries[-1] == {"org": ["0002", "0001"]}


def test_a_name_with_every_legal_character_arrives_as_it_is(server: GatewayServer) -> None:
    name = "a:!@,&-='_.xml"
    in_a_job(server, lambda job: job.publish("out", name, b"x"))
    assert list(server.published) == [f"0001/r4530/out/{name}"]


def test_a_lost_answer_to_a_publication_publishes_nothing_twice(server: GatewayServer) -> None:
    server.script("publish", lost(), busy(), refused(400, "digest_mismatch"))
    in_a_job(server, lambda job: job.publish("out", "x", CONTENT))
    calls = server.named("publish")
    assert len(calls) == 4
    assert len({call["key"] for call in calls}) == 1
    assert {call["content"] for call in calls} == {CONTENT}


def test_a_publication_that_never_gets_through_ends_in_its_error(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "PUBLISH_TRIES", 3)
    server.script("publish", *[busy()] * 3)
    error = in_a_job(server, lambda job: job.publish("out", "x", b"x"))
    assert isinstance(error, Unreachable)
    assert len(server.named("publish")) == 3


def test_a_refused_publication_is_not_tried_again(server: GatewayServer) -> None:
    server.script("publish", refused(404, "not_found"))
    error = in_a_job(server, lambda job: job.publish("nowhere", "x", b"x"))
    assert isinstance(error, NotThere)
    assert len(server.named("publish")) == 1


def test_a_token_that_ran_out_is_renewed_for_a_publication(server: GatewayServer) -> None:
    server.script("publish", refused(401, "invalid_token"))
    in_a_job(server, lambda job: job.publish("out", "x", b"x"))
    assert server.published == {"0001/r4530/out/x": b"x"}
    assert len(server.named("token")) == 2


def test_a_sign_in_that_is_refused_for_good_ends_a_publication(server: GatewayServer) -> None:
    raised: list[Exception] = []

    def take(job: Job) -> Answer:
        server.script("publish", refused(401, "invalid_token"))
        server.script("token", *[refused(400, "invalid_client")] * 99)
        try:
            job.publish("out", "x", b"x")
        except NotSignedIn as error:
            raised.append(error)
        return accepted()

    server.offer()
    with running(worker_of(server, take, Pace(wait_seconds=1, grace_seconds=0))):
        until(lambda: raised)
    assert server.published == {}


def test_a_second_run_publishes_under_the_same_keys_and_other_content_is_told(
    server: GatewayServer,
) -> None:
    raised: list[Exception] = []

    def take(job: Job) -> Answer:
        job.publish("out", "same", b"same")
        try:
            job.publish("out", "other", str(job.attempt).encode())
        except PublishedOtherwise as error:
            raised.append(error)
            return accepted()
        raise Retry(0)

    server.offer()
    with running(worker_of(server, take, QUICK)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert "Publish the same in every run" in str(raised[0])
    assert server.published == {"0001/r4530/out/same": b"same", "0001/r4530/out/other": b"1"}


def test_an_answer_to_a_publication_that_makes_no_sense_is_the_servers_fault(
    server: GatewayServer,
) -> None:
    server.script("publish", says({"files": [{"org": "0001"}]}))
    error = in_a_job(server, lambda job: job.publish("out", "x", b"x"))
    assert isinstance(error, ServerFault)
