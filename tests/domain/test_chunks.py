"""The chain of signatures over a body in chunks, held against what AWS publishes."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from transom.domain.authorization import read_authorization
from transom.domain.chunks import Chain, Chunking, chunking_of
from transom.domain.errors import BadParameter, NotSupported
from transom.domain.signature import Claim, RawRequest, SignatureMismatch, require_genuine

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
FULL, LAST = (hashlib.sha256(b"a" * size).hexdigest() for size in (65536, 1024))
NOTHING = hashlib.sha256().hexdigest()
TRAILER = hashlib.sha256(b"x-amz-checksum-crc32c:sOO8/Q==\n").hexdigest()

PLAIN = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
BEFORE_TRAILER = (
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
)
TRAILER_SIGNATURE = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


def published(chunking: Chunking, signature: str, **more: str) -> Claim:
    """The request that AWS publishes for a chunking, verified."""
    headers = {
        "content-encoding": "aws-chunked",
        "host": "s3.amazonaws.com",
        "x-amz-content-sha256": chunking,
        "x-amz-date": "20130524T000000Z",
        "x-amz-decoded-content-length": "66560",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={';'.join(sorted(headers))},Signature={signature}"
    )
    lines = {name: (value,) for name, value in headers.items()}
    lines["authorization"] = (authorization,)
    request = RawRequest("PUT", "/examplebucket/chunkObject.txt", "", lines)
    claim = read_authorization(request, "us-east-1")
    require_genuine(claim, SECRET)
    return claim


@pytest.fixture
def plain() -> Claim:
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    return published(Chunking.SIGNED, seed, content_length="66824")


@pytest.fixture
def with_trailer() -> Claim:
    seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    return published(Chunking.SIGNED_TRAILER, seed, x_amz_trailer="x-amz-checksum-crc32c")


def test_the_chunks_that_aws_publishes_verify(plain: Claim) -> None:
    chain = Chain(plain, SECRET)

    for digest, signature in zip((FULL, LAST, NOTHING), PLAIN, strict=True):
        chain.require_chunk(digest, signature)


def test_the_chunks_and_the_trailer_that_aws_publishes_verify(with_trailer: Claim) -> None:
    chain = Chain(with_trailer, SECRET)

    for digest, signature in zip((FULL, LAST, NOTHING), BEFORE_TRAILER, strict=True):
        chain.require_chunk(digest, signature)
    chain.require_trailer(TRAILER, TRAILER_SIGNATURE)


@pytest.mark.parametrize(
    ("digest", "signature"),
    [(LAST, PLAIN[0]), (FULL, PLAIN[1]), (LAST, PLAIN[1]), (NOTHING, PLAIN[2]), (FULL, "")],
)
def test_a_chunk_that_was_altered_left_out_or_moved_is_refused(
    plain: Claim, digest: str, signature: str
) -> None:
    with pytest.raises(SignatureMismatch):
        Chain(plain, SECRET).require_chunk(digest, signature)


def test_a_chunk_of_another_request_is_refused(plain: Claim, with_trailer: Claim) -> None:
    for claim in (with_trailer, replace(plain, signature="0" * 64)):
        with pytest.raises(SignatureMismatch):
            Chain(claim, SECRET).require_chunk(FULL, PLAIN[0])


def test_a_trailer_that_was_altered_is_refused(with_trailer: Claim) -> None:
    chain = Chain(with_trailer, SECRET)
    for digest, signature in zip((FULL, LAST, NOTHING), BEFORE_TRAILER, strict=True):
        chain.require_chunk(digest, signature)

    with pytest.raises(SignatureMismatch):
        chain.require_trailer(
            hashlib.sha256(b"x-amz-checksum-crc32c:AAAAAA==\n").hexdigest(), TRAILER_SIGNATURE
        )


def test_a_signed_word_says_how_the_body_is_framed() -> None:
    assert chunking_of("UNSIGNED-PAYLOAD") is None
    assert chunking_of(NOTHING) is None
    assert [chunking_of(each) for each in Chunking] == list(Chunking)
    assert [each for each in Chunking if each.is_signed] == [
        Chunking.SIGNED,
        Chunking.SIGNED_TRAILER,
    ]
    assert [each for each in Chunking if not each.has_trailer] == [Chunking.SIGNED]


def test_chunks_signed_with_elliptic_curves_are_not_supported() -> None:
    with pytest.raises(NotSupported):
        chunking_of("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")


@pytest.mark.parametrize("word", ["STREAMING-UNSIGNED-PAYLOAD", "SIGNED-PAYLOAD", NOTHING.upper()])
def test_a_word_that_nobody_knows_is_refused(word: str) -> None:
    with pytest.raises(BadParameter):
        chunking_of(word)
