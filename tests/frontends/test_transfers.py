"""A file up and down in two steps: the offer from REST, the bytes through the pre-signed door."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from awscrt import checksums as crt
from raw_http import connect, read_to_end, read_until, serving
from world import Account, Caller, Processor, Served, World, access_log, place_and_name, xml

from transom.core.retention import SYSTEM
from transom.core.signed_urls import URL_LIFE
from transom.domain.entitlement import Entitlement, Level
from transom.domain.errors import ExchangeError, StorageFull, TooMany, Unavailable
from transom.frontends import intake
from transom.frontends.intake import Pace
from transom.frontends.s3.calls import Surroundings
from transom.frontends.s3.objects import SINGLE_PUT_BYTES
from transom.frontends.s3.routes import S3Door
from transom.frontends.shell import Shell
from transom.server.listeners import Listener, bind
from transom.server.program import bucket_of
from transom.server.system import SystemEntropy

OCTETS = {"Content-Type": "application/octet-stream"}
CONTENT = b"0123456789" * 1000
EXPIRY = [
    "Code",
    "Message",
    "X-Amz-Expires",
    "Expires",
    "ServerTime",
    "RequestId",
    "HostId",
]


@pytest.fixture(scope="module")
def application(shared: World) -> Processor:
    return shared.processor("app1")


@pytest.fixture(scope="module")
def published(application: Processor) -> bytes:
    """What 0001/app1/out/numbers.txt holds."""
    application.publish("0001/app1/out/numbers.txt", CONTENT)
    return CONTENT


def put(url: str, body: Any = b"content", **headers: str) -> requests.Response:
    return requests.put(url, body, headers=OCTETS | headers, timeout=30)


def fetch(url: str, method: str = "GET", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, url, headers=named, timeout=30)


def error_of(answer: requests.Response) -> dict[str, str]:
    root = xml(answer)
    assert root.tag == "Error"
    return {each.tag: each.text or "" for each in root}


def port_of(url: str) -> int:
    found = urlsplit(url).port
    assert found
    return found


def head_of(url: str, *headers: str, method: str = "PUT") -> bytes:
    """A request head for this URL, as a raw client writes it."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


# --- up ------------------------------------------------------------------------------------------


def test_an_upload_takes_two_steps_and_no_token_in_the_second(caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/two-steps.zip")
    assert caller.tracked(offer["trackingId"])["status"] == "Request Received"

    answer = put(offer["preSignedUrl"], b"two steps")

    assert (answer.status_code, answer.content) == (200, b"")
    record = caller.tracked(offer["trackingId"])
    assert record["status"] == "Received by FINRA"
    assert record["fileSize"] == 9
    assert record["sha256"] == hashlib.sha256(b"two steps").hexdigest()


def test_the_first_step_answers_with_id_url_end_and_links(caller: Caller, served: Served) -> None:
    offer = caller.request_upload("0001/app1/in/offer.zip")

    assert set(offer) == {"trackingId", "preSignedUrl", "expiresAt", "_links"}
    assert offer["preSignedUrl"].startswith(f"{served.s3}/bucket-filex/0001/app1/in/offer.zip?")
    assert offer["expiresAt"].endswith("Z")
    assert offer["_links"] == {
        "self": [{"href": f"{served.rest}/files/0001/app1/in/offer.zip"}],
        "parent": [{"href": f"{served.rest}/files/0001/app1/in"}],
        "tracking": [{"href": f"{served.rest}/tracking?id={offer['trackingId']}"}],
    }


def test_the_first_step_speaks_xml_when_asked(caller: Caller) -> None:
    answer = caller.ask(
        "PUT", "/files/0001/app1/in/offer.xml", headers={"Accept": "application/xml"}
    )

    root = xml(answer)
    assert [each.tag for each in root] == ["trackingId", "preSignedUrl", "expiresAt", "_links"]
    assert put(root.findtext("preSignedUrl") or "").status_code == 200


def test_the_archive_holds_what_was_sent(caller: Caller) -> None:
    tracking_id = caller.upload("0001/app1/in/archived.zip", b"archived")

    name = caller.tracked(tracking_id)["arcvFileName"]
    assert name.endswith("_archived.zip")
    for space in ("in_arcv", "in_arvcv"):  # the guide spells it both ways
        offer = caller.listing(f"0001/app1/{space}/{name}")
        assert fetch(offer["preSignedUrl"]).content == b"archived"


def test_the_guides_upload_sample_arrives_intact_without_its_envelope(caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/newFile.zip")
    content = b"PK\x03\x04" + bytes(range(256)) * 300

    answer = requests.put(
        offer["preSignedUrl"], headers=OCTETS, files={"newFile.zip": content}, timeout=30
    )

    assert answer.status_code == 200
    record = caller.tracked(offer["trackingId"])
    assert record["fileSize"] == len(content)
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["formUnwrapped"] is True
    assert record["rawSize"] > len(content)
    assert len(record["rawSha256"]) == 64


@pytest.mark.parametrize(
    ("content_type", "part"),
    [
        ("application/octet-stream", "other.zip"),
        ("text/plain", "framed.zip"),
    ],
)
def test_a_form_without_exact_proof_is_kept_as_sent(
    caller: Caller, content_type: str, part: str
) -> None:
    offer = caller.request_upload("0001/app1/in/framed.zip")
    form = requests.Request("PUT", offer["preSignedUrl"], files={part: b"x"}).prepare()
    assert isinstance(form.body, bytes)

    answer = put(offer["preSignedUrl"], form.body, **{"Content-Type": content_type})

    assert answer.status_code == 200
    record = caller.tracked(offer["trackingId"])
    assert record["sha256"] == hashlib.sha256(form.body).hexdigest()
    assert "formUnwrapped" not in record


def test_an_empty_file_is_a_file(caller: Caller) -> None:
    tracking_id = caller.upload("0001/app1/in/empty.txt", b"")

    assert caller.tracked(tracking_id)["fileSize"] == 0


def test_a_chunked_body_is_taken(caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/chunked.txt")

    answer = put(offer["preSignedUrl"], iter([b"one ", b"two ", b"three"]))

    assert answer.status_code == 200
    record = caller.tracked(offer["trackingId"])
    assert record["sha256"] == hashlib.sha256(b"one two three").hexdigest()


def test_a_second_put_is_refused_naming_the_tracking_id_and_alters_nothing(caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/once.txt")
    assert put(offer["preSignedUrl"], b"first").status_code == 200

    again = put(offer["preSignedUrl"], b"second")

    assert again.status_code == 409
    error = error_of(again)
    assert error["Code"] == "AlreadySubmitted"
    assert error["TrackingId"] == offer["trackingId"]
    assert offer["trackingId"] in error["Message"]
    digest = hashlib.sha256(b"first").hexdigest()
    assert caller.tracked(offer["trackingId"])["sha256"] == digest


def test_a_try_that_breaks_off_may_be_repeated(caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/broken.txt")
    with connect(port_of(offer["preSignedUrl"])) as client:
        client.sendall(head_of(offer["preSignedUrl"], "Content-Length: 1000") + b"half")

    assert put(offer["preSignedUrl"], b"whole").status_code == 200

    record = caller.tracked(offer["trackingId"])
    assert record["fileSize"] == 5


def test_an_upload_that_began_in_time_may_end_late(shared: World, caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/late-end.txt")
    url = offer["preSignedUrl"]

    with connect(port_of(url)) as client:
        client.sendall(head_of(url, "Content-Length: 8", "Expect: 100-continue"))
        assert read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        shared.clock.pass_time(URL_LIFE * 2)
        client.sendall(b"complete")
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")

    assert caller.tracked(offer["trackingId"])["status"] == "Received by FINRA"


@pytest.mark.parametrize(
    ("header", "digest"),
    [
        ("Content-MD5", hashlib.md5(CONTENT, usedforsecurity=False).digest()),
        ("x-amz-checksum-sha1", hashlib.sha1(CONTENT, usedforsecurity=False).digest()),
        ("x-amz-checksum-sha256", hashlib.sha256(CONTENT).digest()),
        ("x-amz-checksum-crc32", zlib.crc32(CONTENT).to_bytes(4)),
        ("x-amz-checksum-crc32c", crt.crc32c(CONTENT).to_bytes(4)),
        ("x-amz-checksum-crc64nvme", crt.crc64nvme(CONTENT).to_bytes(8)),
    ],
    ids=["md5", "sha1", "sha256", "crc32", "crc32c", "crc64nvme"],
)
def test_a_stated_digest_is_verified(caller: Caller, header: str, digest: bytes) -> None:
    offer = caller.request_upload("0001/app1/in/digest.bin")
    stated = {header: base64.b64encode(digest).decode()}

    wrong = put(offer["preSignedUrl"], CONTENT + b".", **stated)
    assert (wrong.status_code, error_of(wrong)["Code"]) == (400, "BadDigest")
    assert caller.tracked(offer["trackingId"])["status"] == "Request Received"

    right = put(offer["preSignedUrl"], CONTENT, **stated)
    assert right.status_code == 200


@pytest.mark.parametrize("value", ["not base64!", "AAAA", "", "\xe9\xe9\xe9\xe9"])
def test_a_digest_that_is_none_is_refused(caller: Caller, value: str) -> None:
    offer = caller.request_upload("0001/app1/in/no-digest.bin")

    answer = put(offer["preSignedUrl"], **{"Content-MD5": value})

    assert (answer.status_code, error_of(answer)["Code"]) == (400, "InvalidDigest")


@pytest.mark.parametrize(
    "header",
    ["x-amz-acl", "x-amz-tagging", "x-amz-storage-class", "x-amz-meta-a", "x-amz-checksum-md5"],
)
def test_an_amz_header_that_nobody_signed_is_refused(caller: Caller, header: str) -> None:
    offer = caller.request_upload("0001/app1/in/header.bin")

    answer = put(offer["preSignedUrl"], **{header: "public-read"})

    assert answer.status_code == 403
    error = error_of(answer)
    assert error["Code"] == "AccessDenied"
    assert header in error["Message"]
    assert caller.tracked(offer["trackingId"])["status"] == "Request Received"


def test_the_name_of_a_checksum_algorithm_may_come_unsigned(caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/algorithm.bin")

    answer = put(offer["preSignedUrl"], **{"x-amz-sdk-checksum-algorithm": "CRC32"})

    assert answer.status_code == 200


def test_what_is_longer_than_5_gib_is_refused_before_it_is_sent(caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/huge.bin")
    url = offer["preSignedUrl"]

    with connect(port_of(url)) as client:
        length = f"Content-Length: {SINGLE_PUT_BYTES + 1}"
        client.sendall(head_of(url, length, "Expect: 100-continue"))
        answer = read_to_end(client)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>EntityTooLarge</Code>" in answer


def test_exactly_5_gib_is_asked_for(caller: Caller) -> None:
    url = caller.request_upload("0001/app1/in/large.bin")["preSignedUrl"]

    with connect(port_of(url)) as client:
        client.sendall(head_of(url, f"Content-Length: {SINGLE_PUT_BYTES}", "Expect: 100-continue"))
        assert read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_body_without_a_length_is_refused(caller: Caller) -> None:
    url = caller.request_upload("0001/app1/in/lengthless.bin")["preSignedUrl"]

    with connect(port_of(url)) as client:
        client.sendall(head_of(url))
        answer = read_to_end(client)

    assert answer.startswith(b"HTTP/1.1 411 ")
    assert b"<Code>MissingContentLength</Code>" in answer


def test_a_body_is_pushed_to_the_disk_while_more_of_it_comes(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "FLUSH_EVERY", 64 << 10)
    content = bytes(range(256)) * (16 << 10)

    record = caller.tracked(caller.upload("0001/app1/in/flushed.bin", content))

    assert record["sha256"] == hashlib.sha256(content).hexdigest()


def test_who_sends_fast_enough_has_all_the_time_there_is(sqlite_world: World) -> None:
    account = sqlite_world.account()
    url, tracking_id = _offer(sqlite_world, account, "0001/app1/in/steady.bin")
    patient = Pace(seconds=-1, least_bytes=1)
    with _serving_s3(sqlite_world, patient) as port, connect(port) as client:
        client.sendall(head_of(url, "Content-Length: 12", "Expect: 100-continue"))
        assert read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"steady")
        client.sendall(b"steady")
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")

    assert sqlite_world.exchange.tracking.one(account.actor, tracking_id).is_received


def test_who_sends_too_slowly_is_told_and_nothing_is_kept(
    sqlite_world: World,
) -> None:
    account = sqlite_world.account()
    url, tracking_id = _offer(sqlite_world, account, "0001/app1/in/slow.bin")
    hasty = Pace(seconds=-1, least_bytes=1000)
    with _serving_s3(sqlite_world, hasty) as port, connect(port) as client:
        client.sendall(head_of(url, "Content-Length: 5000", "Expect: 100-continue"))
        assert read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"slow")
        answer = read_to_end(client)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>IncompleteBody</Code>" in answer
    assert b"too slow" in answer
    found = sqlite_world.exchange.tracking.one(account.actor, tracking_id)
    assert not found.is_received


def _offer(world: World, account: Account, path: str) -> tuple[str, str]:
    with world.serving() as served:
        offer = served.caller(account).request_upload(path)
    return offer["preSignedUrl"], offer["trackingId"]


@contextmanager
def _serving_s3(world: World, pace: Pace) -> Iterator[int]:
    program = world.program
    bucket = bucket_of(program.settings)
    app = S3Door(Surroundings(program.exchange, program.workers, bucket, pace), world.clock)
    door = program.s3._door  # type: ignore[attr-defined]
    with serving([Listener(bind("127.0.0.1", 0), Shell(app, door, SystemEntropy()))]) as found:
        yield found.port


# --- down ----------------------------------------------------------------------------------------


def test_a_download_takes_two_steps(caller: Caller, served: Served, published: bytes) -> None:
    offer = caller.listing("0001/app1/out/numbers.txt")

    assert set(offer) == {
        *("name", "type", "metadata", "sha256", "ends", "preSignedUrl", "expiresAt", "_links")
    }
    assert offer["preSignedUrl"].startswith(f"{served.s3}/bucket-filex/0001/app1/out/numbers.txt?")
    answer = fetch(offer["preSignedUrl"])
    assert answer.content == published
    digest = base64.b64encode(hashlib.sha256(published).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="numbers.txt"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_url_may_be_read_more_than_once_while_it_lives(caller: Caller, published: bytes) -> None:
    url = caller.listing("0001/app1/out/numbers.txt")["preSignedUrl"]

    assert fetch(url).content == fetch(url).content == published


def test_head_needs_a_url_of_its_own(caller: Caller, published: bytes) -> None:
    offer = caller.listing("0001/app1/out/numbers.txt")
    (head,) = offer["_links"]["head"]

    answer = fetch(head["href"], "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(published))
    assert answer.headers["ETag"] == fetch(offer["preSignedUrl"]).headers["ETag"]

    for url, method in ((offer["preSignedUrl"], "HEAD"), (head["href"], "GET")):
        refused = fetch(url, method)
        assert refused.status_code == 403
    assert error_of(refused)["Code"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("asked", "status", "wanted"),
    [
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=10-19", 206, slice(10, 20)),
        ("bytes=9990-", 206, slice(9990, 10000)),
        ("bytes=9990-99999999", 206, slice(9990, 10000)),
        ("bytes=-5", 206, slice(9995, 10000)),
        ("bytes=-999999", 206, slice(0, 10000)),
        ("bytes=0-4,6-9", 200, slice(0, 10000)),
        ("bytes=9-3", 200, slice(0, 10000)),
        ("bytes=-", 200, slice(0, 10000)),
        ("lines=1-2", 200, slice(0, 10000)),
        ("bytes=\u00b2-\u00b3", 200, slice(0, 10000)),
        ("bytes=" + "0-1," * 3000, 200, slice(0, 10000)),
    ],
)
def test_a_range_of_the_file(
    caller: Caller, published: bytes, asked: str, status: int, wanted: slice
) -> None:
    url = caller.listing("0001/app1/out/numbers.txt")["preSignedUrl"]

    answer = fetch(url, Range=asked)

    assert (answer.status_code, answer.content) == (status, published[wanted])
    if status == 206:
        first, last = wanted.start, wanted.stop - 1
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(published)}"


@pytest.mark.parametrize("asked", ["bytes=10000-", "bytes=10000-10001", "bytes=-0"])
def test_a_range_after_the_end_cannot_be_served(
    caller: Caller, published: bytes, asked: str
) -> None:
    url = caller.listing("0001/app1/out/numbers.txt")["preSignedUrl"]

    answer = fetch(url, Range=asked)

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(published)}"
    assert error_of(answer)["Code"] == "InvalidRange"


def test_a_range_of_another_version_gives_the_whole_file(caller: Caller, published: bytes) -> None:
    url = caller.listing("0001/app1/out/numbers.txt")["preSignedUrl"]
    tag = fetch(url).headers["ETag"]

    assert fetch(url, Range="bytes=0-1", If_Range=tag).content == published[:2]
    for other in ('"another-1"', "Fri, 20 Nov 2026 00:00:00 GMT", "W/" + tag):
        answer = fetch(url, Range="bytes=0-1", If_Range=other)
        assert (answer.status_code, answer.content) == (200, published)


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("If-Match", "{etag}", 200),
        ("If-Match", "*", 200),
        ("If-Match", '"a-1", {etag}', 200),
        ("If-Match", '"a-1"', 412),
        ("If-None-Match", "{etag}", 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"a-1"', 200),
        ("If-Modified-Since", "{date}", 304),
        ("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT", 200),
        ("If-Unmodified-Since", "{date}", 200),
        ("If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT", 412),
        ("If-Unmodified-Since", "yesterday", 200),
        ("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 +99999999999999", 200),
        ("If-Modified-Since", "Sat, 99 Foo 99999 99:99:99 GMT", 200),
    ],
)
@pytest.mark.usefixtures("published")
def test_preconditions_of_a_download(caller: Caller, header: str, value: str, status: int) -> None:
    url = caller.listing("0001/app1/out/numbers.txt")["preSignedUrl"]
    found = fetch(url).headers

    asked = value.format(etag=found["ETag"], date=found["Last-Modified"])
    answer = requests.get(url, headers={header: asked}, timeout=30)

    assert answer.status_code == status
    if status == 304:
        assert answer.content == b""
        assert answer.headers["ETag"] == found["ETag"]
    if status == 412:
        assert error_of(answer)["Code"] == "PreconditionFailed"


@pytest.mark.usefixtures("published")
def test_a_connection_outlives_what_is_not_modified(caller: Caller) -> None:
    url = caller.listing("0001/app1/out/numbers.txt")["preSignedUrl"]

    with connect(port_of(url)) as client:
        client.sendall(head_of(url, "If-None-Match: *", method="GET"))
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 304 ")
        client.sendall(head_of(url, "Range: bytes=0-2", "Connection: close", method="GET"))
        assert read_to_end(client).endswith(b"\r\n\r\n012")


def test_a_url_for_one_file_opens_no_other(shared: World, application: Processor) -> None:
    account = shared.account()
    listed = application.publish("0001/app1/out/one.txt", b"one")
    sign = shared.exchange.signed_urls.for_download
    place, other = place_and_name("0001/app1/out/other.txt")

    answer = fetch(sign(account.actor, place, other, listed.id).url)

    assert (answer.status_code, error_of(answer)["Code"]) == (403, "AccessDenied")


@pytest.mark.usefixtures("published")
def test_an_amz_header_on_a_download_is_refused(caller: Caller) -> None:
    url = caller.listing("0001/app1/out/numbers.txt")["preSignedUrl"]

    assert fetch(url, x_amz_checksum_sha256="AAAA").status_code == 403


def test_a_download_that_began_in_time_may_end_late(
    shared: World, caller: Caller, application: Processor
) -> None:
    application.publish("0001/app1/out/long.bin", bytes(8 << 20))
    url = caller.listing("0001/app1/out/long.bin")["preSignedUrl"]

    with requests.get(url, stream=True, timeout=30) as answer:
        taken = len(answer.raw.read(1000))
        shared.clock.pass_time(URL_LIFE * 2)
        taken += sum(len(block) for block in answer.iter_content(1 << 16))

    assert taken == 8 << 20
    assert fetch(url).status_code == 403


def test_nobody_reads_on_for_a_client_that_is_gone(caller: Caller, application: Processor) -> None:
    size = 96 << 20
    application.publish("0001/app1/out/left.bin", bytes(size))
    url = caller.listing("0001/app1/out/left.bin")["preSignedUrl"]

    with access_log() as lines:
        with connect(port_of(url)) as client:
            client.sendall(head_of(url, method="GET"))
            client.recv(1000)
            reset = struct.pack("ii", 1, 0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        line = lines.get(timeout=20)

    assert vars(line)["bytes_out"] < size


# --- URLs that are good no more, or never were ---------------------------------------------------


def test_an_expired_download_url_is_refused_as_faq_27_shows_it(
    shared: World, caller: Caller, published: bytes
) -> None:
    offer = caller.listing("0001/app1/out/numbers.txt")
    assert fetch(offer["preSignedUrl"]).content == published
    shared.clock.pass_time(URL_LIFE)

    answer = fetch(offer["preSignedUrl"])

    assert answer.status_code == 403
    assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<Error>')
    error = error_of(answer)
    assert list(error) == EXPIRY
    assert error["Code"] == "AccessDenied"
    assert error["Message"] == "Request has expired"
    assert error["X-Amz-Expires"] == "60"
    assert error["Expires"] == offer["expiresAt"].replace(".000Z", "Z")
    assert error["ServerTime"] >= error["Expires"]
    assert error["RequestId"] == answer.headers["x-amz-request-id"]
    assert len(base64.b64decode(error["HostId"])) == 32


def test_a_second_before_its_end_a_url_is_good(
    shared: World, caller: Caller, published: bytes
) -> None:
    url = caller.listing("0001/app1/out/numbers.txt")["preSignedUrl"]
    shared.clock.pass_time(URL_LIFE - timedelta(seconds=1))

    assert fetch(url).content == published


def test_an_expired_upload_url_is_refused_before_the_body_is_asked_for(
    shared: World, caller: Caller
) -> None:
    url = caller.request_upload("0001/app1/in/too-late.bin")["preSignedUrl"]
    shared.clock.pass_time(URL_LIFE)

    with connect(port_of(url)) as client:
        client.sendall(head_of(url, "Content-Length: 1000", "Expect: 100-continue"))
        answer = read_to_end(client)

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"100 Continue" not in answer
    assert b"connection: close" in answer
    assert b"<Message>Request has expired</Message>" in answer


def test_a_client_that_sends_at_once_sees_why_it_was_refused(shared: World, caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/too-late.bin")
    shared.clock.pass_time(URL_LIFE)

    answer = put(offer["preSignedUrl"], bytes(8 << 20))

    assert answer.status_code == 403
    assert list(error_of(answer)) == EXPIRY
    assert caller.tracked(offer["trackingId"])["status"] == "Request Received"


def test_curl_carries_a_file_there_and_back(
    caller: Caller, application: Processor, tmp_path: Path
) -> None:
    sent, got = tmp_path / "sent.bin", tmp_path / "got.bin"
    sent.write_bytes(bytes(range(256)) * 8192)  # 2 MiB: curl asks with Expect: 100-continue
    offer = caller.request_upload("0001/app1/in/curl.bin")
    application.publish("0001/app1/out/curl.bin", sent.read_bytes())
    down = caller.listing("0001/app1/out/curl.bin")["preSignedUrl"]

    _curl("--upload-file", str(sent), offer["preSignedUrl"])
    _curl("--output", str(got), "--range", "0-999999", down)
    _curl("--output", str(got), "--continue-at", "-", down)

    digest = hashlib.sha256(sent.read_bytes()).hexdigest()
    assert caller.tracked(offer["trackingId"])["sha256"] == digest
    assert hashlib.sha256(got.read_bytes()).hexdigest() == digest


def _curl(*arguments: str) -> None:
    subprocess.run(["curl", "--silent", "--show-error", "--fail", *arguments], check=True)


def _with(url: str, old: str, new: str) -> str:
    assert old in url
    return url.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "status", "code"),
    [
        ("/in/", "/out/", 403, "SignatureDoesNotMatch"),
        ("/0001/", "/0002/", 403, "SignatureDoesNotMatch"),
        ("altered.bin", "other.bin", 403, "SignatureDoesNotMatch"),
        ("X-Amz-Expires=60", "X-Amz-Expires=600", 403, "SignatureDoesNotMatch"),
        ("X-Amz-Expires=60", "X-Amz-Expires=6e1", 400, "AuthorizationQueryParametersError"),
        ("X-Amz-Date=2026", "X-Amz-Date=9999", 400, "AuthorizationQueryParametersError"),
        ("X-Amz-Date=2026", "X-Amz-Date=0000", 400, "AuthorizationQueryParametersError"),
        ("us-east-1", "us-east-2", 400, "AuthorizationQueryParametersError"),
        ("&X-Amz-Expires=60", "", 400, "AuthorizationQueryParametersError"),
        ("X-Amz-Expires=60", "X-Amz-Expires=60&x-amz-expires=600", 400, None),
        ("X-Transom-Submission=", "X-Transom-Submission=0", 403, "SignatureDoesNotMatch"),
        ("AWS4-HMAC-SHA256", "none", 400, "AuthorizationQueryParametersError"),
    ],
)
def test_an_altered_url_is_refused(
    caller: Caller, old: str, new: str, status: int, code: str | None
) -> None:
    url = caller.request_upload("0001/app1/in/altered.bin")["preSignedUrl"]

    answer = put(_with(url, old, new))

    assert answer.status_code == status
    assert error_of(answer)["Code"] == (code or "AuthorizationQueryParametersError")


@pytest.mark.parametrize("target", ["/", "/bucket-filex", "/bucket-filex/0001/app1/in/a.zip?a=b"])
def test_what_nobody_signed_is_refused(served: Served, target: str) -> None:
    answer = fetch(served.s3 + target)

    assert (answer.status_code, error_of(answer)["Code"]) == (403, "AccessDenied")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_url_is_good_for_the_method_it_was_signed_for(caller: Caller, method: str) -> None:
    url = caller.request_upload("0001/app1/in/method.bin")["preSignedUrl"]

    answer = fetch(url, method)

    assert (answer.status_code, error_of(answer)["Code"]) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS"])
def test_other_methods_are_refused_with_those_that_there_are(caller: Caller, method: str) -> None:
    url = caller.request_upload("0001/app1/in/method.bin")["preSignedUrl"]

    answer = fetch(url, method)

    assert (answer.status_code, error_of(answer)["Code"]) == (405, "MethodNotAllowed")
    assert answer.headers["Allow"] == "GET, HEAD, PUT, POST, DELETE"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unavailable("database"), 503, "ServiceUnavailable"),
        (StorageFull(), 507, "InsufficientStorage"),
        (TooMany("transfers", timedelta(seconds=7)), 503, "SlowDown"),
    ],
)
def test_who_may_come_again_is_told_when(
    shared: World,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    error: ExchangeError,
    status: int,
    code: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    offer = caller.request_upload("0001/app1/in/come-again.bin")
    with monkeypatch.context() as patch:
        patch.setattr(type(shared.exchange.bodies), "begin", fail)
        answer = put(offer["preSignedUrl"])

    assert (answer.status_code, error_of(answer)["Code"]) == (status, code)
    assert int(answer.headers["Retry-After"]) >= 1
    assert put(offer["preSignedUrl"]).status_code == 200


def test_a_url_dies_with_the_entitlement(sqlite_world: World) -> None:
    account = sqlite_world.account()
    processor = sqlite_world.processor("app1")
    with sqlite_world.serving() as served:
        caller = served.caller(account)
        processor.publish("0001/app1/out/a.txt")
        down = caller.listing("0001/app1/out/a.txt")["preSignedUrl"]
        up = caller.request_upload("0001/app1/in/a.txt")["preSignedUrl"]
        held = Entitlement(account.id, "0001", "app1", "", Level.BOTH)
        sqlite_world.exchange.administration.end_entitlement(SYSTEM, held)

        for answer in (fetch(down), put(up)):
            assert (answer.status_code, error_of(answer)["Code"]) == (403, "AccessDenied")


# --- repeating step 1 ----------------------------------------------------------------------------


def test_an_idempotency_key_gives_the_same_offer(caller: Caller) -> None:
    first = caller.request_upload("0001/app1/in/same.zip", **{"Idempotency-Key": "key-1"})
    again = caller.request_upload("0001/app1/in/same.zip", **{"Idempotency-Key": "key-1"})

    assert again == first


def test_an_idempotency_key_is_for_one_request(caller: Caller) -> None:
    headers = {"Idempotency-Key": "key-2"}
    caller.request_upload("0001/app1/in/one.zip", **headers)

    answer = caller.ask("PUT", "/files/0001/app1/in/two.zip", headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_parameter")


def test_an_idempotency_key_has_at_most_255_characters(caller: Caller) -> None:
    headers = {"Idempotency-Key": "k" * 256}

    answer = caller.ask("PUT", "/files/0001/app1/in/key.zip", headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_parameter")


# --- who may not ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/files/0001/app1/out/a.zip"),
        ("PUT", "/files/0001/app1/in_arcv/a.zip"),
        ("GET", "/files/0001/app1/in/a.zip"),
        ("PUT", "/files/0001/app2/in/a.zip"),
        ("GET", "/files/0002/app1/out/a.zip"),
        ("GET", "/files/0001/app1/nothing/a.zip"),
        ("PUT", "/files/7777/none/in/a.zip"),
    ],
)
def test_beyond_the_entitlement_there_is_one_answer(caller: Caller, method: str, path: str) -> None:
    answer = caller.ask(method, path)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
    error = answer.json()
    missing = caller.get("/files/9999").json()
    assert error | {"requestId": ""} == missing | {"requestId": ""}


def test_a_file_that_is_not_there_is_not_found(caller: Caller) -> None:
    answer = caller.get("/files/0001/app1/out/nothing.txt")

    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/files", "/files/0001", "/files/0001/app1", "/files/0001/app1/in", "/files/a/b/c/d/e"]
)
def test_nothing_can_be_put_at_a_level(caller: Caller, path: str) -> None:
    answer = caller.ask("PUT", path)

    assert (answer.status_code, answer.json()["error"]) == (403, "no_such_resource")
