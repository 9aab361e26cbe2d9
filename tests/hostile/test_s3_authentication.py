"""What hostile clients send to the S3 door: S3's own code, and nothing kept.

Everything goes over the wire as it stands here; botocore signs it (tests/signed.py), and then it is
altered.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from http.client import HTTPConnection
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from raw_http import connect, read_until
from signed import Chunked, Keys, Sent, presigned, signed
from world import Account, Served, World, made

from transom.core.sealed_grants import TOKEN_LIFE
from transom.domain.names import OrgId

CONTENT = b"a filing" * 2_000
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("s3")
    with made(directory / "world", f"sqlite:///{directory / 'transom.db'}") as world:
        yield world


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    with world.serving() as served:
        yield served


@pytest.fixture(scope="module")
def account(world: World) -> Account:
    return world.account("0001", "both", "app1")


@dataclass(frozen=True)
class Answer:
    """Status, and S3's error document; "" where there is none."""

    status: int
    body: bytes

    def element(self, name: str) -> str:
        found = ET.fromstring(self.body) if self.body else None  # noqa: S314 - our own
        return "" if found is None else found.findtext(name, "")

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.element("Code")


@dataclass(frozen=True)
class Attacker:
    """An account's keys in bad hands."""

    world: World
    host: str
    keys: Keys

    def put(self, name: str = "a.txt", body: bytes = CONTENT, **headers: str) -> Sent:
        """An upload that would succeed."""
        path = f"/bucket-filex/0001/app1/in/{name}"
        return Sent("PUT", path, body=body, host=self.host).having(**headers)

    def sign(self, request: Sent, keys: Keys | None = None) -> Sent:
        return signed(request, keys or self.keys, self.world.clock.wall())

    def send(self, request: Sent, *twice: str) -> Answer:
        """Exactly this, with some headers given twice."""
        with closing(HTTPConnection(self.host, timeout=20)) as connection:
            target = request.path + (f"?{request.query}" if request.query else "")
            connection.putrequest(request.method, target, skip_accept_encoding=True)
            headers = {"content-length": str(len(request.body)), **request.headers}
            for name, value in headers.items():
                for _ in range(2 if name in twice else 1):
                    connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())

    def refused(self, request: Sent, *twice: str) -> tuple[int, str]:
        return self.send(request, *twice).refusal


@pytest.fixture
def attacker(world: World, served: Served, account: Account) -> Iterator[Attacker]:
    """Whoever uses this must leave nothing behind."""
    token = world.exchange.transfer_tokens.grant(account.actor, OrgId("0001"), "app1")
    keys = Keys(token.access_key_id, token.secret, token.session_token)
    found = Attacker(world, urlsplit(served.s3).netloc, keys)
    before = kept(world, account)
    yield found
    assert kept(world, account) == before


def kept(world: World, account: Account) -> list[object]:
    """Everything of a file that lasts: names that are shown, blobs, and bytes on their way."""
    blobs = world.tools.blobs
    shown = [name for place in ("in", "in_arcv") for name in account.names(f"0001/app1/{place}")]
    stored = [each.key for staged in (False, True) for each in blobs.keys(staged=staged)]
    return [shown, sorted(stored)]


# --- Who signs ----------------------------------------------------------------------------------


def test_the_upload_that_all_others_alter_succeeds(world: World, served: Served) -> None:
    account = world.account("0001", "both", "app1")
    token = world.exchange.transfer_tokens.grant(account.actor, OrgId("0001"), "app1")
    keys = Keys(token.access_key_id, token.secret, token.session_token)
    attacker = Attacker(world, urlsplit(served.s3).netloc, keys)

    assert attacker.send(attacker.sign(attacker.put("good.txt"))).status == 200
    assert any(name.endswith("_good.txt") for name in account.names("0001/app1/in_arcv"))


def test_who_does_not_sign_is_refused(attacker: Attacker) -> None:
    assert attacker.refused(attacker.put()) == (403, "AccessDenied")
    assert attacker.refused(replace(attacker.put(), method="GET", body=b"")) == (
        403,
        "AccessDenied",
    )
    assert attacker.refused(Sent(path="/", host=attacker.host)) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        ("AWS AKIAIOSFODNN7EXAMPLE:bWQuzAV0TAw6LM4KKOp5ZQ4NZO0=", (400, "InvalidRequest")),
        ("Bearer trt_x", (400, "InvalidRequest")),
        ("Basic YTpi", (400, "InvalidRequest")),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", (501, "NotImplemented")),
        ("AWS4-HMAC-SHA256", (400, "AuthorizationHeaderMalformed")),
        ("AWS4-HMAC-SHA256 Credential=a/b/c", (400, "AuthorizationHeaderMalformed")),
        ("AWS4-HMAC-SHA256 " + "x" * 30_000, (400, "AuthorizationHeaderMalformed")),
    ],
)
def test_a_half_formed_or_dead_way_to_sign_is_refused(
    attacker: Attacker, header: str, refusal: tuple[int, str]
) -> None:
    request = attacker.sign(attacker.put()).having(authorization=header)

    assert attacker.refused(request) == refusal


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("AWSAccessKeyId=a&Expires=9999999999&Signature=x", (400, "InvalidRequest")),
        ("X-Amz-Signature=x", (400, "AuthorizationQueryParametersError")),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", (400, "AuthorizationQueryParametersError")),
        ("X-Amz-Credential=TRSM", (400, "AuthorizationQueryParametersError")),
    ],
)
def test_a_half_formed_or_dead_query_is_refused(
    attacker: Attacker, query: str, refusal: tuple[int, str]
) -> None:
    assert attacker.refused(replace(attacker.put(), query=query)) == refusal


def test_two_ways_to_sign_at_once_are_refused(attacker: Attacker) -> None:
    request = attacker.sign(attacker.put())

    assert attacker.refused(replace(request, query="X-Amz-Signature=x")) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "name", ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"]
)
def test_a_header_of_the_signature_that_comes_twice_is_refused(
    attacker: Attacker, name: str
) -> None:
    refusal = attacker.refused(attacker.sign(attacker.put()), name)

    assert refusal == (400, "AuthorizationHeaderMalformed")


def test_keys_that_are_not_whole_are_refused_each_in_its_way(attacker: Attacker) -> None:
    keys, token = attacker.keys, str(attacker.keys.token)
    at = len(token) // 2
    altered = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    refusals = {
        replace(keys, secret="x" * 40): (403, "SignatureDoesNotMatch"),
        replace(keys, token=None): (403, "InvalidAccessKeyId"),
        replace(keys, access_key_id="AKIAIOSFODNN7EXAMPLE"): (403, "InvalidAccessKeyId"),
        replace(keys, access_key_id="ASIA" + "A" * 16): (400, "InvalidToken"),
        replace(keys, token=altered): (400, "InvalidToken"),
        replace(keys, token="x"): (400, "InvalidToken"),
        replace(keys, region="eu-west-1"): (400, "AuthorizationHeaderMalformed"),
    }
    for wrong, refusal in refusals.items():
        assert attacker.refused(attacker.sign(attacker.put(), wrong)) == refusal


def test_a_request_for_another_region_is_told_the_right_one(attacker: Attacker) -> None:
    wrong = attacker.sign(attacker.put(), replace(attacker.keys, region="eu-west-1"))

    assert attacker.send(wrong).element("Region") == "us-east-1"


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_off_is_told(attacker: Attacker, minutes: int) -> None:
    at = attacker.world.clock.wall() + timedelta(minutes=minutes)

    refusal = attacker.refused(signed(attacker.put(), attacker.keys, at))

    assert refusal == (403, "RequestTimeTooSkewed")


def test_keys_whose_hour_is_over_are_refused(attacker: Attacker) -> None:
    attacker.world.clock.pass_time(TOKEN_LIFE)

    assert attacker.refused(attacker.sign(attacker.put())) == (400, "ExpiredToken")


def test_a_url_whose_time_is_over_is_refused_as_the_guide_shows_it(attacker: Attacker) -> None:
    at = attacker.world.clock.wall() - timedelta(seconds=61)

    answer = attacker.send(presigned(attacker.put(body=b""), attacker.keys, at, 60))

    assert answer.refusal == (403, "AccessDenied")
    assert answer.element("Message") == "Request has expired"
    assert answer.element("X-Amz-Expires") == "60"
    assert all(answer.element(name) for name in ("Expires", "ServerTime", "RequestId", "HostId"))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"path": "/bucket-filex/0001/app1/in/b.txt"},
        {"path": "/bucket-filex/0001/app1/in/../in/a.txt"},
        {"query": "uploads"},
    ],
)
def test_a_request_that_was_altered_is_refused(attacker: Attacker, change: dict[str, str]) -> None:
    altered = replace(attacker.sign(attacker.put()), **change)  # type: ignore[arg-type]

    assert attacker.refused(altered) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    "header", ["x-amz-acl", "x-amz-copy-source", "x-amz-grant-read", "x-amz-checksum-crc32"]
)
def test_an_amz_header_that_was_slipped_in_is_refused(attacker: Attacker, header: str) -> None:
    request = attacker.sign(attacker.put())
    slipped = replace(request, headers={**request.headers, header: "AAAAAA=="})

    assert attacker.refused(slipped) == (403, "AccessDenied")


@pytest.mark.parametrize(
    "path", ["0002/app1/in", "0001/app2/in", "0001/app1/out", "0001/app1/in_arcv", "9/x/in"]
)
def test_a_place_that_is_not_granted_is_refused_whether_it_is_there_or_not(
    attacker: Attacker, path: str
) -> None:
    request = replace(attacker.put(), path=f"/bucket-filex/{path}/a.txt")

    assert attacker.refused(attacker.sign(request)) == (403, "AccessDenied")


def test_a_refusal_of_head_has_no_body(attacker: Attacker) -> None:
    request = replace(attacker.put(), method="HEAD", body=b"")

    assert attacker.send(request) == Answer(403, b"")


# --- What is signed of the body -----------------------------------------------------------------


def crc32(content: bytes) -> str:
    return f"x-amz-checksum-crc32:{base64.b64encode(zlib.crc32(content).to_bytes(4)).decode()}"


def test_a_body_that_is_not_the_one_signed_is_refused(attacker: Attacker) -> None:
    request = attacker.sign(attacker.put())

    refusal = attacker.refused(replace(request, body=CONTENT[:-1] + b"!"))

    assert refusal == (400, "XAmzContentSHA256Mismatch")


def test_a_digest_that_differs_and_one_that_is_none_are_told_apart(attacker: Attacker) -> None:
    for headers, refusal in (
        ({"content_md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, (400, "BadDigest")),
        ({"x_amz_checksum_crc32": "AAAAAA=="}, (400, "BadDigest")),
        ({"content_md5": "?"}, (400, "InvalidDigest")),
        ({"x_amz_checksum_crc32": "AAAA"}, (400, "InvalidDigest")),
        ({"x_amz_checksum_other": "AAAA"}, (400, "InvalidArgument")),
        ({"x_amz_content_sha256": "signed"}, (400, "InvalidArgument")),
        (
            {"x_amz_content_sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"},
            (501, "NotImplemented"),
        ),
    ):
        assert attacker.refused(attacker.sign(attacker.put(**headers))) == refusal, headers


GOOD = Chunked(CONTENT, [9_000], trailer=crc32(CONTENT))


@pytest.mark.parametrize(
    ("wire", "refusal"),
    [
        (GOOD.plain()[:-2], (400, "IncompleteBody")),
        (GOOD.plain()[:5_000], (400, "IncompleteBody")),
        (GOOD.plain() + b"more", (400, "IncompleteBody")),
        (GOOD.plain().replace(b"2328\r\n", b"zz\r\n", 1), (400, "IncompleteBody")),
        (b"ffffffffffffffff\r\n" + CONTENT, (400, "IncompleteBody")),
        (b"1" * 3_000, (400, "IncompleteBody")),
        (b"1\r\na\r\n1\r\na\r\n", (403, "InvalidChunkSizeError")),
        (replace(GOOD, trailer="").plain(), (400, "MalformedTrailerError")),
        (replace(GOOD, trailer=crc32(b"")).plain(), (400, "BadDigest")),
        (CONTENT, (400, "IncompleteBody")),
    ],
)
def test_chunks_that_are_framed_badly_are_refused(
    attacker: Attacker, wire: bytes, refusal: tuple[int, str]
) -> None:
    request = attacker.sign(GOOD.announced(attacker.put()))

    assert attacker.refused(replace(request, body=wire)) == refusal


def test_what_is_announced_of_chunks_must_be_whole_and_true(attacker: Attacker) -> None:
    announced = GOOD.announced(attacker.put())
    for request, refusal in (
        (announced.without("x-amz-decoded-content-length"), (411, "MissingContentLength")),
        (announced.having(x_amz_decoded_content_length="1"), (400, "IncompleteBody")),
        (announced.having(x_amz_decoded_content_length="16001"), (400, "IncompleteBody")),
        (announced.having(x_amz_decoded_content_length="x"), (400, "InvalidArgument")),
        (announced.without("x-amz-trailer"), (400, "MalformedTrailerError")),
        (announced.having(x_amz_trailer="x-amz-meta-a"), (400, "MalformedTrailerError")),
    ):
        sent = replace(attacker.sign(request), body=GOOD.plain())
        assert attacker.refused(sent) == refusal, request.headers


def test_signed_chunks_that_were_altered_moved_or_left_out_are_refused(attacker: Attacker) -> None:
    body = Chunked(CONTENT, [8_192], SIGNED)
    request = attacker.sign(body.announced(attacker.put()))
    wire = body.signed(request, attacker.keys)
    second = wire.index(b"1e80;")
    last = wire.index(b"\r\n0;") + 2
    for altered in (
        wire.replace(b"a filing", b"a FILING", 1),
        wire[second:last] + wire[:second] + wire[last:],
        wire[second:],
        body.signed(request, replace(attacker.keys, secret="another")),
    ):
        refusal = attacker.refused(replace(request, body=altered))
        assert refusal == (403, "SignatureDoesNotMatch")


# --- 100 Continue -------------------------------------------------------------------------------


def head(request: Sent, size: int) -> bytes:
    headers = {"host": request.host, **request.headers}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {size}", "expect: 100-continue"]
    return "\r\n".join([f"PUT {request.path} HTTP/1.1", *lines, "", ""]).encode()


def port_of(attacker: Attacker) -> int:
    return int(attacker.host.rpartition(":")[2])


@pytest.mark.parametrize("refused_for", ["signature", "place", "length"])
def test_a_body_that_will_be_refused_is_never_asked_for(
    attacker: Attacker, refused_for: str
) -> None:
    good = attacker.put()
    request, size = {
        "signature": (attacker.sign(good, replace(attacker.keys, secret="x")), len(CONTENT)),
        "place": (attacker.sign(replace(good, path="/bucket-filex/0002/app1/in/a")), len(CONTENT)),
        "length": (attacker.sign(good), (5 << 30) + 1),
    }[refused_for]

    with connect(port_of(attacker)) as client:
        client.sendall(head(request, size))
        answer = read_until(client, b"</Error>")

    assert answer.startswith(b"HTTP/1.1 40")
    assert b"100 Continue" not in answer
    assert b"connection: close" in answer.lower()


def test_a_body_that_may_come_is_asked_for_first(attacker: Attacker) -> None:
    with connect(port_of(attacker)) as client:
        client.sendall(head(attacker.sign(attacker.put()), len(CONTENT)))
        asked = read_until(client, b"\r\n\r\n")
        client.sendall(CONTENT[:-1] + b"!")
        answer = read_until(client, b"</Error>")

    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"XAmzContentSHA256Mismatch" in answer
