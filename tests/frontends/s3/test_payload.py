"""Bodies at the S3 door: taken apart however they arrive, and never whole unless they are true."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from awscrt import checksums as crt
from hypothesis import given, settings
from hypothesis import strategies as st
from signed import Chunked, Keys, Sent, signed
from starlette.types import Message

from transom.core.checksums import SIZES, Algorithm
from transom.domain.authorization import read_authorization
from transom.domain.chunks import Chain
from transom.domain.errors import (
    BadParameter,
    DigestMismatch,
    ExchangeError,
    NotSupported,
    PayloadMismatch,
)
from transom.domain.signature import SignatureMismatch
from transom.frontends.s3.chunks import (
    LEAST_CHUNK,
    ChunkTooSmall,
    ContentIncomplete,
    TrailerMalformed,
)
from transom.frontends.s3.payload import (
    Content,
    DecodedLengthMissing,
    InvalidDigest,
    Payload,
    read_payload,
)

AT = datetime(2026, 11, 20, tzinfo=UTC)
KEYS = Keys("ASIAMFRGGZDFMZTWQ2LK", "a secret")
PUT = Sent("PUT", "/filex/0001/app1/in/a.txt")
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = f"{SIGNED}-TRAILER"
CONTENT = random.Random(5).randbytes(40_000)  # noqa: S311 - any bytes will do


def digests_of(content: bytes) -> dict[Algorithm, bytes]:
    return {
        Algorithm.MD5: hashlib.md5(content, usedforsecurity=False).digest(),
        Algorithm.SHA1: hashlib.sha1(content, usedforsecurity=False).digest(),
        Algorithm.SHA256: hashlib.sha256(content).digest(),
        Algorithm.CRC32: zlib.crc32(content).to_bytes(4),
        Algorithm.CRC32C: crt.crc32c(content).to_bytes(4),
        Algorithm.CRC64NVME: crt.crc64nvme(content).to_bytes(8),
    }


def in_base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def crc32_line(content: bytes = CONTENT) -> str:
    return f"x-amz-checksum-crc32:{in_base64(zlib.crc32(content).to_bytes(4))}"


def payload_of(request: Sent) -> Payload:
    claim = read_authorization(request.arrived(), KEYS.region)
    return read_payload(request.arrived(), claim.payload_hash, Chain(claim, KEYS.secret))


def taken(payload: Payload, pieces: Iterable[bytes]) -> tuple[bytes, Content]:
    """What comes of a body that arrives in pieces, as Intake would keep it."""
    waiting: Iterator[bytes] = iter(pieces)

    async def receive() -> Message:
        piece = next(waiting, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def everything() -> tuple[bytes, Content]:
        content, body = Content(receive, payload), b""
        while True:
            message = await content()
            body += message["body"]
            if not message["more_body"]:
                return body, content

    return asyncio.run(everything())


def cut(wire: bytes, cuts: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(each % (len(wire) + 1) for each in cuts), len(wire)]
    return [wire[start:end] for start, end in pairwise(ends)]


# --- Plain bodies -------------------------------------------------------------------------------


def test_a_body_whose_hash_was_signed_is_taken_when_it_is_that_body() -> None:
    payload = payload_of(signed(replace(PUT, body=CONTENT), KEYS, AT))

    assert taken(payload, [CONTENT[:7], CONTENT[7:]])[0] == CONTENT
    for other in (b"", CONTENT[:-1], CONTENT + b"x", b"x" + CONTENT[1:]):
        with pytest.raises(PayloadMismatch):
            taken(payload, [other])


def test_whoever_compares_the_hash_himself_gets_the_body_as_it_comes() -> None:
    payload = payload_of(signed(replace(PUT, body=CONTENT), KEYS, AT))

    assert taken(payload.without_sha256(), [b"other"])[0] == b"other"
    assert payload.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_body_of_which_nothing_was_signed_is_taken_as_it_comes() -> None:
    payload = payload_of(signed(PUT.having(x_amz_content_sha256="UNSIGNED-PAYLOAD"), KEYS, AT))

    assert taken(payload, [CONTENT])[0] == CONTENT


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_digest_in_a_header_is_verified_and_told(algorithm: Algorithm) -> None:
    name = "content_md5" if algorithm is Algorithm.MD5 else f"x_amz_checksum_{algorithm}"
    digest = digests_of(CONTENT)[algorithm]
    unsigned = PUT.having(x_amz_content_sha256="UNSIGNED-PAYLOAD", **{name: in_base64(digest)})
    payload = payload_of(signed(unsigned, KEYS, AT))

    assert taken(payload, [CONTENT])[1].digests == {algorithm: digest}
    with pytest.raises(DigestMismatch):
        taken(payload, [CONTENT[:-1]])


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("value", ["", "?", "AA", "AAAA", "é", in_base64(b"x" * 33)])
def test_a_digest_that_is_none_is_refused_before_the_body(algorithm: Algorithm, value: str) -> None:
    name = "content-md5" if algorithm is Algorithm.MD5 else f"x-amz-checksum-{algorithm}"
    raw = PUT.arrived()

    for values in ((value,), (in_base64(b"x" * SIZES[algorithm]),) * 2):
        with pytest.raises(InvalidDigest):
            read_payload(replace(raw, headers={**raw.headers, name: values}), "UNSIGNED-PAYLOAD")


def test_a_checksum_that_we_do_not_have_is_refused() -> None:
    with pytest.raises(BadParameter):
        read_payload(PUT.having(x_amz_checksum_xxhash64="AAAA").arrived(), "UNSIGNED-PAYLOAD")


def test_what_only_speaks_about_checksums_is_none() -> None:
    request = PUT.having(x_amz_checksum_algorithm="CRC32", x_amz_checksum_type="FULL_OBJECT")

    assert not read_payload(request.arrived(), "UNSIGNED-PAYLOAD").stated


def test_the_checksum_of_a_post_is_the_whole_object_s() -> None:
    request = replace(PUT, method="POST").having(x_amz_checksum_crc32="AAAAAA==")

    assert not read_payload(request.arrived(), "UNSIGNED-PAYLOAD").stated


def test_a_body_says_how_long_it_is_or_not() -> None:
    unsigned = PUT.having(x_amz_content_sha256="UNSIGNED-PAYLOAD")

    assert read_payload(PUT.arrived(), "UNSIGNED-PAYLOAD").length is None
    assert (
        read_payload(unsigned.having(content_length="7").arrived(), "UNSIGNED-PAYLOAD").length == 7
    )


def test_a_client_that_goes_away_is_told_of() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    content = Content(receive, payload_of(signed(PUT, KEYS, AT)))

    assert asyncio.run(content()) == {"type": "http.disconnect"}  # type: ignore[arg-type]


# --- Chunks -------------------------------------------------------------------------------------

sizes = st.lists(st.integers(LEAST_CHUNK, 12_000), max_size=3)
cuts = st.lists(st.integers(0, 50_000), max_size=12)
algorithms = st.sampled_from([each for each in Algorithm if each is not Algorithm.MD5])


@given(length=st.integers(0, 40_000), sizes=sizes, cuts=cuts, algorithm=algorithms)
@settings(max_examples=60)
def test_unsigned_chunks_with_a_trailer_come_out_however_they_are_cut(
    length: int, sizes: list[int], cuts: list[int], algorithm: Algorithm
) -> None:
    content = CONTENT[:length]
    digest = digests_of(content)[algorithm]
    body = Chunked(content, sizes, trailer=f"x-amz-checksum-{algorithm}:{in_base64(digest)}")
    payload = payload_of(signed(body.announced(PUT), KEYS, AT))

    came, reader = taken(payload, cut(body.plain(), cuts))

    assert came == content
    assert reader.digests == {algorithm: digest}
    assert payload.length == length


@given(length=st.integers(0, 40_000), sizes=sizes, cuts=cuts, has_trailer=st.booleans())
@settings(max_examples=60)
def test_signed_chunks_come_out_however_they_are_cut(
    *, length: int, sizes: list[int], cuts: list[int], has_trailer: bool
) -> None:
    content = CONTENT[:length]
    trailer, word = (crc32_line(content), SIGNED_TRAILER) if has_trailer else ("", SIGNED)
    body = Chunked(content, sizes, word, trailer)
    request = signed(body.announced(PUT), KEYS, AT)

    came, reader = taken(payload_of(request), cut(body.signed(request, KEYS), cuts))

    assert came == content
    assert bool(reader.digests) == has_trailer


@given(at=st.integers(0, 50_000), bit=st.integers(0, 7), has_trailer=st.booleans())
@settings(max_examples=80)
def test_signed_chunks_with_one_bit_changed_never_come_out_whole(
    *, at: int, bit: int, has_trailer: bool
) -> None:
    trailer, word = (crc32_line(), SIGNED_TRAILER) if has_trailer else ("", SIGNED)
    body = Chunked(CONTENT, [20_000], word, trailer)
    request = signed(body.announced(PUT), KEYS, AT)
    wire = bytearray(body.signed(request, KEYS))
    place = at % len(wire) if at % 2 else len(wire) - 1 - at % 400  # often in the lines at the end
    wire[place] ^= 1 << bit
    try:
        came, _ = taken(payload_of(request), [bytes(wire)])
    except ExchangeError:
        return
    # A hexadecimal digit, and the name of a trailer, may be written in either case.
    assert came == CONTENT
    assert bytes(wire).lower() == body.signed(request, KEYS).lower()


def test_the_chunks_of_one_request_do_not_fit_another() -> None:
    body = Chunked(CONTENT, [20_000], SIGNED)
    one = signed(body.announced(PUT), KEYS, AT)
    other = signed(body.announced(replace(PUT, path="/filex/0001/app1/in/b.txt")), KEYS, AT)

    with pytest.raises(SignatureMismatch):
        taken(payload_of(other), [body.signed(one, KEYS)])


UNSIGNED = Chunked(CONTENT, [20_000], trailer=crc32_line())
WIRE = UNSIGNED.plain()
SMALL = Chunked(b"hello", trailer=crc32_line(b"hello"))
LINE = SMALL.trailer.encode()


@pytest.mark.parametrize(
    ("wire", "refusal"),
    [
        (b"", ContentIncomplete),
        (b"5\r\nhello\r\n", ContentIncomplete),
        (b"5\r\nhello\r\n0\r\n", ContentIncomplete),
        (b"5\r\nhello\r\n0\r\n" + LINE + b"\r\n", ContentIncomplete),
        (b"5\r\nhello\r\n0\r\n" + LINE + b"\r\n\r\nX", ContentIncomplete),
        (b"5\r\nhello\r\n0\r\n\r\n", TrailerMalformed),
        (b"5\r\nhello\r\n0\r\n" + LINE + b"\r\n" + LINE + b"\r\n\r\n", TrailerMalformed),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-sha1:AAAA\r\n\r\n", TrailerMalformed),
        (b"5\r\nhello\r\n0\r\nno header\r\n\r\n", TrailerMalformed),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:A\nB\r\n\r\n", TrailerMalformed),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:?\r\n\r\n", InvalidDigest),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAAAA\r\n\r\n", InvalidDigest),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", DigestMismatch),
        (b"5\r\nhellO\r\n0\r\n" + LINE + b"\r\n\r\n", DigestMismatch),
        (b"4\r\nhell\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b"6\r\nhello!\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b"5\r\nhello!\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b"5\r\nhello\r\n1\r\n!\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b"5\nhello\n0\n" + LINE + b"\n\n", ContentIncomplete),
        (b"0x5\r\nhello\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b"+5\r\nhello\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b"-5\r\nhello\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b" 5\r\nhello\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b"5;a=b\r\nhello\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b"\r\n5\r\nhello\r\n0\r\n" + LINE + b"\r\n\r\n", ContentIncomplete),
        (b"f" * 17 + b"\r\nhello", ContentIncomplete),
        (b"ffffffffffffffff\r\nhello", ContentIncomplete),
        (b"5" * 2000, ContentIncomplete),
        (b"5\r\nhello\r\n0\r\n" + b"x" * 2000, ContentIncomplete),
        (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n" + LINE + b"\r\n\r\n", ChunkTooSmall),
    ],
)
def test_chunks_that_are_framed_badly_are_refused(
    wire: bytes, refusal: type[ExchangeError]
) -> None:
    payload = payload_of(signed(SMALL.announced(PUT), KEYS, AT))

    for pieces in ([wire], [wire[at : at + 1] for at in range(len(wire))]):
        with pytest.raises(refusal):
            taken(payload, pieces)


tokens = st.sampled_from(
    [b"0", b"5", b"ff", b"\r\n", b"\n", b"hello", b":", b";chunk-signature=", b"0" * 64, LINE, b""]
)


@given(parts=st.lists(tokens | st.binary(max_size=6), max_size=12), is_signed=st.booleans())
def test_whatever_is_sent_as_chunks_is_taken_apart_or_refused(
    *, parts: list[bytes], is_signed: bool
) -> None:
    body = replace(SMALL, word=SIGNED_TRAILER) if is_signed else SMALL
    try:
        came, _ = taken(payload_of(signed(body.announced(PUT), KEYS, AT)), parts)
    except ExchangeError:
        return
    assert (came, is_signed) == (b"hello", False)


@pytest.mark.parametrize("end", range(0, len(WIRE), 997))
def test_chunks_that_break_off_anywhere_are_refused(end: int) -> None:
    with pytest.raises(ContentIncomplete):
        taken(payload_of(signed(UNSIGNED.announced(PUT), KEYS, AT)), [WIRE[:end]])


@pytest.mark.parametrize("length", ["39999", "40001", "0"])
def test_chunks_that_come_to_another_length_are_refused(length: str) -> None:
    announced = UNSIGNED.announced(PUT).having(x_amz_decoded_content_length=length)

    with pytest.raises(ContentIncomplete):
        taken(payload_of(signed(announced, KEYS, AT)), [WIRE])


def test_unsigned_chunks_where_signed_ones_were_announced_are_refused() -> None:
    for word, trailer in ((SIGNED, ""), (SIGNED_TRAILER, crc32_line())):
        body = Chunked(CONTENT, [], word, trailer)
        with pytest.raises(ContentIncomplete):
            taken(payload_of(signed(body.announced(PUT), KEYS, AT)), [body.plain()])


def test_a_trailer_without_its_signature_is_refused() -> None:
    body = Chunked(CONTENT, [], SIGNED_TRAILER, crc32_line())
    request = signed(body.announced(PUT), KEYS, AT)
    wire = body.signed(request, KEYS)
    start = wire.index(b"x-amz-trailer-signature")

    with pytest.raises(TrailerMalformed):
        taken(payload_of(request), [wire[:start] + b"\r\n"])
    with pytest.raises(TrailerMalformed):
        taken(payload_of(request), [wire[:start] + b"x-amz-other:" + wire[start + 24 :]])


# --- What is announced --------------------------------------------------------------------------


def announcing(word: str = UNSIGNED.word, **headers: str) -> Payload:
    made = UNSIGNED.announced(PUT).having(**headers)
    kept = made.without(*(name for name, value in made.headers.items() if not value))
    return read_payload(kept.arrived(), word)


def test_chunks_must_say_how_long_they_are_once_decoded() -> None:
    with pytest.raises(DecodedLengthMissing):
        announcing(x_amz_decoded_content_length="")


@pytest.mark.parametrize("length", ["x", "-1", "1.0", "0x10", "٣", "1" * 16, " 7"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    with pytest.raises(BadParameter):
        announcing(x_amz_decoded_content_length=length)


@pytest.mark.parametrize(
    "trailer", ["", "x-amz-meta-a", "x-amz-checksum-crc32,x-amz-checksum-sha1", "content-md5"]
)
def test_a_trailer_that_is_no_checksum_is_refused(trailer: str) -> None:
    with pytest.raises((TrailerMalformed, BadParameter)):
        announcing(x_amz_trailer=trailer)


@pytest.mark.parametrize("word", ["UNSIGNED-PAYLOAD", SIGNED, "0" * 64])
def test_a_trailer_that_cannot_come_is_refused(word: str) -> None:
    with pytest.raises(TrailerMalformed):
        announcing(word)


def test_signed_chunks_are_never_read_without_their_chain() -> None:
    body = Chunked(CONTENT, word=SIGNED)

    with pytest.raises(ValueError, match=SIGNED):
        read_payload(body.announced(PUT).arrived(), SIGNED)


def test_a_way_to_send_a_body_that_we_do_not_have_is_refused() -> None:
    with pytest.raises(NotSupported):
        announcing("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER")
    with pytest.raises(BadParameter):
        announcing("STREAMING-PAYLOAD")


def test_memory_does_not_grow_with_a_chunk() -> None:
    size = 1 << 40
    payload = payload_of(
        signed(
            Chunked(b"")
            .announced(PUT)
            .having(x_amz_decoded_content_length=str(size), x_amz_trailer="x-amz-checksum-crc32"),
            KEYS,
            AT,
        )
    )
    sent = iter([b"%x\r\n" % size, *([b"x" * 65_536] * 100)])

    async def receive() -> Message:
        return {"type": "http.request", "body": next(sent), "more_body": True}

    async def largest() -> int:
        content = Content(receive, payload)
        return max([len((await content())["body"]) for _ in range(101)])

    assert asyncio.run(largest()) == 65_536
