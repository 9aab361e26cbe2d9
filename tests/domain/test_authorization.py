"""Requests signed in a header, held against the vectors that AWS publishes and against botocore."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signed import Keys, Sent, signed

from transom.domain.authorization import (
    ClockSkewed,
    MalformedAuthorization,
    SignatureUnsupported,
    read_authorization,
    require_in_time,
)
from transom.domain.errors import BadParameter, ExchangeError, NotSupported
from transom.domain.signature import (
    Claim,
    HeaderNotSigned,
    RawRequest,
    SignatureMismatch,
    require_amz_headers_signed,
    require_genuine,
)

REGION = "us-east-1"
AT = datetime(2013, 5, 24, tzinfo=UTC)
AWS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
WELCOME = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"


def read(request: RawRequest | Sent) -> Claim:
    raw = request.arrived() if isinstance(request, Sent) else request
    return read_authorization(raw, REGION)


def verify(request: RawRequest | Sent, secret: str = AWS.secret) -> Claim:
    claim = read(request)
    require_genuine(claim, secret)
    require_amz_headers_signed(claim)
    return claim


GOOD = signed(Sent(headers={"x-amz-meta-a": "b"}), AWS, AT)


def authorization(**parts: str) -> str:
    """The good header with some parts changed, or left out where empty."""
    _, _, rest = GOOD.headers["authorization"].partition(" ")
    values = dict(each.split("=", 1) for each in rest.split(", ")) | parts
    return "AWS4-HMAC-SHA256 " + ", ".join(f"{k}={v}" for k, v in values.items() if v)


# --- What AWS publishes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "signature"),
    [
        (
            *("GET", "/test.txt", ""),
            {"range": "bytes=0-9", "x-amz-content-sha256": NOTHING},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            *("PUT", "/test$file.text", ""),
            {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
                "x-amz-content-sha256": WELCOME,
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            *("GET", "/", "lifecycle"),
            {"x-amz-content-sha256": NOTHING},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            *("GET", "/", "max-keys=2&prefix=J"),
            {"x-amz-content-sha256": NOTHING},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_a_request_that_aws_publishes_verifies(
    method: str, path: str, query: str, headers: dict[str, str], signature: str
) -> None:
    names = ";".join(sorted(["host", "x-amz-date", *headers]))
    header = (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={names},Signature={signature}"
    )
    all_headers = {**headers, "x-amz-date": "20130524T000000Z", "authorization": header}
    request = Sent(method, path, query, all_headers, host="examplebucket.s3.amazonaws.com")

    claim = verify(request)

    assert claim.credential.access_key_id == "AKIAIOSFODNN7EXAMPLE"
    assert claim.signed_at == AT
    assert claim.payload_hash == headers["x-amz-content-sha256"]


# --- What botocore signs ------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
words = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
requests = st.builds(
    Sent,
    method=st.sampled_from(["GET", "PUT", "HEAD", "POST", "DELETE"]),
    path=texts.map(lambda text: quote(f"/filex/{text}", safe="/~")),
    query=st.dictionaries(words, texts, max_size=4).map(
        lambda pairs: "&".join(f"{k}={quote(v, safe='-_.~')}" for k, v in pairs.items())
    ),
    headers=st.dictionaries(words.map(lambda word: f"x-amz-meta-{word}"), values, max_size=3),
    body=st.binary(max_size=40),
)


@given(request=requests, secret=values.filter(bool))
def test_what_botocore_signs_we_verify(request: Sent, secret: str) -> None:
    keys = replace(AWS, secret=secret, token="a session/token+=")

    claim = verify(signed(request, keys, AT), secret)

    assert list(claim.extra) == parse_qsl(request.query, keep_blank_values=True)


@given(request=requests, at=st.integers(0, 400))
def test_a_signature_with_one_character_changed_is_refused(request: Sent, at: int) -> None:
    good = signed(request, AWS, AT)
    header = good.headers["authorization"]
    start = header.index("Signature=") + len("Signature=")
    place = start + at % 64
    other = "0" if header[place] != "0" else "1"

    with pytest.raises(SignatureMismatch):
        verify(good.having(authorization=header[:place] + other + header[place + 1 :]))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/filex/0001/app1/out/b.txt"},
        {"query": "acl"},
        {"host": "elsewhere.example"},
        {"headers": GOOD.headers | {"x-amz-meta-a": "c"}},
        {"headers": GOOD.headers | {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}},
        {"headers": GOOD.headers | {"x-amz-date": "20130524T000001Z"}},
    ],
)
def test_a_request_that_was_altered_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(SignatureMismatch):
        verify(replace(GOOD, **change))


def test_a_signed_header_that_was_taken_away_is_missed() -> None:
    empty = signed(Sent(headers={"x-amz-meta-a": ""}), AWS, AT)

    with pytest.raises(SignatureMismatch):
        verify(empty.without("x-amz-meta-a"))


@pytest.mark.parametrize("name", ["x-amz-acl", "x-amz-copy-source", "x-amz-security-token"])
def test_an_amz_header_that_was_slipped_in_is_refused(name: str) -> None:
    with pytest.raises(HeaderNotSigned, match=name):
        verify(replace(GOOD, headers=GOOD.headers | {name: "x"}))


# --- What cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 ",
        "AWS4-HMAC-SHA256 Credential",
        "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=",
        authorization(Credential=""),
        authorization(SignedHeaders=""),
        authorization(Signature=""),
        authorization(Signature="0" * 63),
        authorization(Signature="A" * 64),
        authorization(SignedHeaders="x-amz-date"),
        authorization(SignedHeaders="x-amz-date;host"),
        authorization(SignedHeaders="Host;x-amz-date"),
        authorization(Credential="AKIA/20130524/us-east-1/s3"),
        authorization(Credential="AKIA/20130523/us-east-1/s3/aws4_request"),
        authorization(Credential="AKIA/20130524/us-east-1/sts/aws4_request"),
        authorization(Extra="1"),
        authorization() + ", Signature=" + "0" * 64,
        authorization() + ",",
    ],
)
def test_a_half_formed_authorization_is_refused(header: str) -> None:
    with pytest.raises(MalformedAuthorization):
        read(GOOD.having(authorization=header))


@pytest.mark.parametrize(
    "header", ["AWS AKIA:c2lnbmF0dXJl", "Bearer token", "Basic YTpi", "aws4-hmac-sha256 a=b", ""]
)
def test_another_way_to_sign_is_refused_with_the_one_to_use(header: str) -> None:
    with pytest.raises(SignatureUnsupported, match="AWS4-HMAC-SHA256"):
        read(GOOD.having(authorization=header))


def test_a_signature_by_elliptic_curves_is_not_supported() -> None:
    with pytest.raises(NotSupported):
        read(GOOD.having(authorization=authorization().replace("HMAC", "ECDSA-P256")))


def test_a_request_for_another_region_is_told_the_right_one() -> None:
    with pytest.raises(MalformedAuthorization) as refusal:
        read(signed(Sent(), replace(AWS, region="eu-west-1"), AT))

    assert refusal.value.region == REGION


@pytest.mark.parametrize(
    "name", ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-meta-a"]
)
def test_a_header_of_the_signature_that_comes_twice_is_refused(name: str) -> None:
    raw = GOOD.arrived()
    twice = {**raw.headers, name: (*raw.headers[name], *raw.headers[name])}

    with pytest.raises(MalformedAuthorization, match=name):
        read(replace(raw, headers=twice))


@pytest.mark.parametrize("date", [None, "", "Fri, 24 May 2013 00:00:00 GMT", "20130524T240000Z"])
def test_a_date_that_is_missing_or_no_instant_is_refused(date: str | None) -> None:
    without = GOOD.without("x-amz-date")

    with pytest.raises(MalformedAuthorization, match=r"(?i)-date"):
        read(without if date is None else without.having(x_amz_date=date))


@pytest.mark.parametrize("query", ["a=1&a=2", "a=1&A=2", "a=%zz", "a+b", "=1"])
def test_a_query_that_can_be_read_in_two_ways_is_refused(query: str) -> None:
    with pytest.raises(MalformedAuthorization, match="query"):
        read(replace(GOOD, query=query))


@pytest.mark.parametrize("value", [None, "", "0" * 63, "unsigned", "UNSIGNED_PAYLOAD", "AAAAAA\n"])
def test_a_request_that_does_not_say_what_of_its_body_is_signed_is_refused(
    value: str | None,
) -> None:
    without = GOOD.without("x-amz-content-sha256")

    with pytest.raises(BadParameter, match="x-amz-content-sha256"):
        read(without if value is None else without.having(x_amz_content_sha256=value))


junk = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(
    header=junk | junk.map(lambda text: f"AWS4-HMAC-SHA256 {text}"),
    date=junk | st.just("20130524T000000Z"),
    word=junk | st.just("UNSIGNED-PAYLOAD"),
    query=junk,
)
def test_whatever_is_sent_is_read_or_refused(header: str, date: str, word: str, query: str) -> None:
    request = replace(GOOD, query=query).having(
        authorization=header, x_amz_date=date, x_amz_content_sha256=word
    )

    with pytest.raises(ExchangeError):
        verify(request)


@pytest.mark.parametrize("minutes", [-15, 0, 15])
def test_a_clock_may_be_fifteen_minutes_off(minutes: int) -> None:
    require_in_time(read(GOOD), AT + timedelta(minutes=minutes))


@pytest.mark.parametrize("seconds", [-901, 901])
def test_a_clock_may_be_no_more_than_that_off(seconds: int) -> None:
    with pytest.raises(ClockSkewed) as refusal:
        require_in_time(read(GOOD), AT + timedelta(seconds=seconds))

    assert refusal.value.signed_at == AT
