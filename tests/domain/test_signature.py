"""Signature Version 4, held against the vectors that AWS publishes and against botocore."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import ExchangeError, GrantInvalid
from transom.domain.presigned import Presigned, Signer, presign, read_presigned, verify_presigned
from transom.domain.signature import (
    UNSIGNED_PAYLOAD,
    Credential,
    HeaderNotSigned,
    Headers,
    MalformedSignature,
    RawRequest,
    SignatureExpired,
    SignatureMismatch,
    SignatureNotYetValid,
    SignatureRefused,
    canonical_query,
    canonical_request,
    decoded_query,
    sign,
    signing_key,
)

REGION = "us-east-1"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
AWS_HOST = "examplebucket.s3.amazonaws.com"
SIGNED_AT = datetime(2013, 5, 24, tzinfo=UTC)
AWS = Signer("AKIAIOSFODNN7EXAMPLE", SECRET, REGION, f"https://{AWS_HOST}")
AWS_CREDENTIAL = Credential("AKIAIOSFODNN7EXAMPLE", "20130524", REGION, "s3")

OURS = Signer("grant-7f3a", "a secret", REGION, "https://files.example.org")
PATH = "/bucket/0001/crd/in/a filing (2).zip"
MINUTE = timedelta(seconds=60)
SECOND = timedelta(seconds=1)


def arrived(url: str, method: str, **headers: str) -> RawRequest:
    parts = urlsplit(url)
    lines = {name.replace("_", "-"): (value,) for name, value in headers.items()}
    return RawRequest(method, parts.path, parts.query, {"host": (parts.netloc,), **lines})


def verify(request: RawRequest, signer: Signer = OURS, now: datetime = SIGNED_AT) -> None:
    verify_presigned(read_presigned(request, signer.region), signer.secret, now)


def our_url(method: str = "PUT", query: tuple[tuple[str, str], ...] = ()) -> str:
    return presign(OURS, method, PATH, SIGNED_AT, MINUTE, query)


def put(**headers: str) -> Presigned:
    return read_presigned(arrived(our_url(), "PUT", **headers), REGION)


def signed_by(signer: Signer, request: RawRequest, signed_headers: str) -> Presigned:
    """A pre-signed request with more signed headers than presign() offers."""
    terms = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{signer.access_key_id}/20130524/{signer.region}/s3/aws4_request",
        "X-Amz-Date": "20130524T000000Z",
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": signed_headers,
    }
    unsigned = replace(request, query=urlencode(terms))
    canonical = canonical_request(unsigned, signed_headers.split(";"), UNSIGNED_PAYLOAD)
    credential = Credential(signer.access_key_id, "20130524", signer.region, "s3")
    signature = sign(canonical, credential, SIGNED_AT, signer.secret)
    query = f"{unsigned.query}&X-Amz-Signature={signature}"
    return read_presigned(replace(unsigned, query=query), signer.region)


# --- What AWS publishes -------------------------------------------------------------------------


def test_a_signing_key_is_the_one_that_aws_publishes() -> None:
    key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", REGION, "iam")

    assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"


def test_a_presigned_url_is_the_one_that_aws_publishes() -> None:
    url = presign(AWS, "GET", "/test.txt", SIGNED_AT, timedelta(days=1))

    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
WELCOME = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"


@pytest.mark.parametrize(
    ("method", "path", "query", "payload_hash", "headers", "signature"),
    [
        (
            "GET",
            "/test.txt",
            "",
            NOTHING,
            {"range": ("bytes=0-9",)},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            "",
            WELCOME,
            {
                "date": ("Fri, 24 May 2013 00:00:00 GMT",),
                "x-amz-storage-class": ("REDUCED_REDUNDANCY",),
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/",
            "lifecycle",
            NOTHING,
            {},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/",
            "prefix=J&max-keys=2",
            NOTHING,
            {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get object with range", "put object", "get bucket lifecycle", "list objects"],
)
def test_a_request_signed_in_its_headers_is_the_one_that_aws_publishes(
    method: str, path: str, query: str, payload_hash: str, headers: Headers, signature: str
) -> None:
    all_headers: Headers = {
        "host": (AWS_HOST,),
        "x-amz-content-sha256": (payload_hash,),
        "x-amz-date": ("20130524T000000Z",),
        **headers,
    }
    request = RawRequest(method, path, query, all_headers)

    canonical = canonical_request(request, sorted(all_headers), payload_hash)

    assert sign(canonical, AWS_CREDENTIAL, SIGNED_AT, SECRET) == signature


# --- What is signed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("/a/b", "/a/b"),
        ("/a%2fb", "/a/b"),
        ("/~-._", "/~-._"),
        ("/%7e%41", "/~A"),
        ("/a+b", "/a%2Bb"),
        ("/a//../b/./", "/a//../b/./"),
        ("/%252F", "/%252F"),
        ("/%c3%a9", "/%C3%A9"),
        ("/%ff", "/%FF"),
        ("/(a)*!'", "/%28a%29%2A%21%27"),
    ],
)
def test_a_path_is_decoded_once_and_encoded_the_s3_way(raw: str, canonical: str) -> None:
    request = RawRequest("GET", raw, "", {})

    assert canonical_request(request, (), UNSIGNED_PAYLOAD).split("\n")[1] == canonical


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("", ""),
        ("uploads", "uploads="),
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1", "a=1&a=2"),
        ("a=b=c/d", "a=b%3Dc%2Fd"),
        ("A=1&a=1&%2d=1&%C3%A9=1", "%C3%A9=1&-=1&A=1&a=1"),
        ("a=%7e%20%2B%252B", "a=~%20%2B%252B"),
        ("X-Amz-Signature=00&a=1", "a=1"),
    ],
)
def test_a_query_is_decoded_once_encoded_and_sorted(raw: str, canonical: str) -> None:
    assert canonical_query(raw) == canonical


@pytest.mark.parametrize(
    ("values", "canonical"),
    [
        (("a",), "a"),
        (("  a   b ",), "a b"),
        (("a\t b",), "a b"),
        (("a ", " b"), "a,b"),
        (("\u3000a\u00a0",), "\u3000a\u00a0"),
        ((), ""),
    ],
)
def test_a_header_is_trimmed_and_its_runs_of_spaces_collapsed(
    values: tuple[str, ...], canonical: str
) -> None:
    request = RawRequest("GET", "/", "", {"x": values})

    assert canonical_request(request, ("x",), "-").split("\n")[3] == f"x:{canonical}"


def test_header_bytes_that_are_not_utf8_are_signed_as_they_came() -> None:
    value = b"caf\xe9"
    request = RawRequest("GET", "/", "", {"x": (value.decode("utf-8", "surrogateescape"),)})
    canonical = canonical_request(request, ("x",), "-")

    assert sign(canonical, AWS_CREDENTIAL, SIGNED_AT, SECRET)
    assert hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).digest() == (
        hashlib.sha256(b"GET\n/\n\nx:" + value + b"\n\nx\n-").digest()
    )


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://files.example.org", "files.example.org"),
        ("https://Files.Example.ORG", "files.example.org"),
        ("https://files.example.org:443", "files.example.org"),
        ("http://files.example.org:80", "files.example.org"),
        ("http://files.example.org:443", "files.example.org:443"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_a_url_names_the_host_as_every_client_will_send_it(base_url: str, host: str) -> None:
    signer = replace(OURS, base_url=base_url)
    url = presign(signer, "GET", PATH, SIGNED_AT, MINUTE)

    assert urlsplit(url).netloc == host
    verify(arrived(url, "GET"))


def test_a_url_is_dated_in_utc_whatever_the_zone() -> None:
    eastern = SIGNED_AT.astimezone(timezone(timedelta(hours=-4)))

    assert presign(OURS, "PUT", PATH, eastern, MINUTE) == our_url()


@pytest.mark.parametrize("expires_in", [timedelta(0), timedelta(days=7, seconds=1)])
def test_a_url_lives_from_one_second_to_seven_days(expires_in: timedelta) -> None:
    with pytest.raises(ValueError, match=str(expires_in)):
        presign(OURS, "GET", PATH, SIGNED_AT, expires_in)


def test_a_path_that_would_run_into_the_host_is_not_signed() -> None:
    with pytest.raises(ValueError, match="evil"):
        presign(OURS, "GET", ".evil.example/", SIGNED_AT, MINUTE)


def test_secrets_and_signatures_do_not_show_when_printed() -> None:
    presigned = put(authorization="Bearer 123")

    assert OURS.secret not in repr(OURS)
    assert presigned.signature not in repr(presigned)
    assert "Bearer" not in repr(presigned)


# --- What is read -------------------------------------------------------------------------------


def test_a_presigned_request_says_who_when_how_long_and_what_else() -> None:
    url = our_url("GET", (("response-content-type", "a/b+c"), ("versionId", "")))

    presigned = read_presigned(arrived(url, "GET"), REGION)

    assert presigned.credential == Credential("grant-7f3a", "20130524", REGION, "s3")
    assert presigned.credential.scope == "20130524/us-east-1/s3/aws4_request"
    assert presigned.signed_at == SIGNED_AT
    assert presigned.expires_in == MINUTE
    assert presigned.expires_at == SIGNED_AT + MINUTE
    assert presigned.signed_headers == ("host",)
    assert presigned.extra == (("response-content-type", "a/b+c"), ("versionId", ""))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AKIA",
        "AKIA/20130524/us-east-1/s3",
        "AKIA/20130524/us-east-1/s3/aws4_request/",
        "AK/IA/20130524/us-east-1/s3/aws4_request",
        "AKIA/20130524/us-east-1/s3/aws5_request",
        "AKIA/2013052/us-east-1/s3/aws4_request",
        "AKIA/٢٠١٣٠٥٢٤/us-east-1/s3/aws4_request",
        "AKIA/20130524//s3/aws4_request",
        "/20130524/us-east-1/s3/aws4_request",
        "AKIA/20130524/us-east-1/s3/aws4_request\n",
        "A" * 129 + "/20130524/us-east-1/s3/aws4_request",
    ],
)
def test_a_credential_that_is_not_five_proper_parts_is_refused(text: str) -> None:
    with pytest.raises(MalformedSignature):
        Credential.parse(text)


def test_a_credential_prints_as_it_was_read() -> None:
    text = "AKIA/20130524/us-east-1/s3/aws4_request"

    assert str(Credential.parse(text)) == text


GOOD = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": "AKIA/20130524/us-east-1/s3/aws4_request",
    "X-Amz-Date": "20130524T000000Z",
    "X-Amz-Expires": "60",
    "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": "0" * 64,
}


def read_query(query: str) -> Presigned:
    return read_presigned(RawRequest("GET", "/", query, {}), REGION)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA1"),
        ("X-Amz-Algorithm", "aws4-hmac-sha256"),
        ("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"),
        ("X-Amz-Credential", "AKIA"),
        ("X-Amz-Credential", "AKIA/20130525/us-east-1/s3/aws4_request"),
        ("X-Amz-Credential", "AKIA/20130524/eu-west-1/s3/aws4_request"),
        ("X-Amz-Credential", "AKIA/20130524/us-east-1/sts/aws4_request"),
        ("X-Amz-Date", "2013-05-24T00:00:00Z"),
        ("X-Amz-Date", "20130524T000000"),
        ("X-Amz-Date", "20130524T000000+0000"),
        ("X-Amz-Date", "20130524T240000Z"),
        ("X-Amz-Date", "20130524T000060Z"),
        ("X-Amz-Expires", ""),
        ("X-Amz-Expires", "0"),
        ("X-Amz-Expires", "-1"),
        ("X-Amz-Expires", "060"),
        ("X-Amz-Expires", "6e1"),
        ("X-Amz-Expires", "60.0"),
        ("X-Amz-Expires", " 60"),
        ("X-Amz-Expires", "٦٠"),
        ("X-Amz-Expires", "604801"),
        ("X-Amz-Expires", "9" * 400),
        ("X-Amz-SignedHeaders", ""),
        ("X-Amz-SignedHeaders", "Host"),
        ("X-Amz-SignedHeaders", "host;"),
        ("X-Amz-SignedHeaders", "host;date"),
        ("X-Amz-SignedHeaders", "host;host"),
        ("X-Amz-SignedHeaders", "date"),
        ("X-Amz-SignedHeaders", "host;x y"),
        ("X-Amz-Signature", ""),
        ("X-Amz-Signature", "0" * 63),
        ("X-Amz-Signature", "A" * 64),
    ],
)
def test_a_parameter_out_of_its_form_is_refused_by_name(parameter: str, value: str) -> None:
    with pytest.raises(MalformedSignature) as refusal:
        read_query(urlencode({**GOOD, parameter: value}, quote_via=quote))

    assert refusal.value.parameter == parameter
    assert parameter in refusal.value.message


@pytest.mark.parametrize("day", ["20131324", "00000101", "99991231"])
def test_a_date_that_cannot_be_reckoned_with_is_refused(day: str) -> None:
    dated = {
        **GOOD,
        "X-Amz-Date": f"{day}T000000Z",
        "X-Amz-Credential": f"AKIA/{day}/us-east-1/s3/aws4_request",
    }

    with pytest.raises(MalformedSignature, match="X-Amz-Date is not an instant"):
        read_query(urlencode(dated))


@pytest.mark.parametrize("expires", ["1", "604800"])
def test_a_url_of_one_second_and_one_of_seven_days_are_read(expires: str) -> None:
    presigned = read_query(urlencode({**GOOD, "X-Amz-Expires": expires}))

    assert presigned.expires_in == timedelta(seconds=int(expires))


@pytest.mark.parametrize("parameter", GOOD)
def test_a_parameter_that_is_missing_is_named(parameter: str) -> None:
    rest = {name: value for name, value in GOOD.items() if name != parameter}

    with pytest.raises(MalformedSignature, match=f"{parameter} is missing"):
        read_query(urlencode(rest))


@pytest.mark.parametrize("parameter", GOOD)
def test_a_parameter_in_another_case_is_not_the_parameter(parameter: str) -> None:
    query = urlencode(GOOD).replace(parameter, parameter.lower())

    with pytest.raises(MalformedSignature, match=f"{parameter} is missing"):
        read_query(query)


@pytest.mark.parametrize("again", [*GOOD, *map(str.lower, GOOD), "prefix", "PREFIX", "pre%66ix"])
def test_a_parameter_given_twice_is_refused(again: str) -> None:
    value = GOOD.get(again, "a")

    with pytest.raises(MalformedSignature, match="names a parameter twice"):
        read_query(f"{urlencode(GOOD)}&prefix=a&{again}={value}")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("a=%", "percent escapes"),
        ("a=%4", "percent escapes"),
        ("a=%zz", "percent escapes"),
        ("a=é", "printable ASCII"),
        ("a=b c", "printable ASCII"),
        ("a=b\n", "printable ASCII"),
        ("a=b\x00", "printable ASCII"),
        ("a=%00", "control character"),
        ("a%0d%0Ab=1", "control character"),
        ("a=%7F", "control character"),
        ("a=%ff", "UTF-8"),
        ("a=%ed%a0%80", "UTF-8"),
        ("a=b+c", "%2B"),
        ("=a", "without a name"),
        ("", "without a name"),
        ("a=" + "b" * 8192, "longer than 8192"),
    ],
)
def test_a_query_that_could_be_read_in_two_ways_is_refused(broken: str, why: str) -> None:
    with pytest.raises(MalformedSignature, match=why) as refusal:
        read_query(f"{urlencode(GOOD)}&{broken}")

    assert refusal.value.parameter == "query"


def test_a_query_of_8192_characters_is_read() -> None:
    assert decoded_query("a=" + "b" * 8190) == (("a", "b" * 8190),)


def test_a_path_that_could_be_read_in_two_ways_is_refused() -> None:
    for path in ("/%", "/%g0", "/é", "/a b", "/a\n"):
        presigned = replace(put(), request=replace(put().request, path=path))

        with pytest.raises(MalformedSignature) as refusal:
            verify_presigned(presigned, OURS.secret, SIGNED_AT)

        assert refusal.value.parameter == "path"


# --- What is verified ---------------------------------------------------------------------------


def test_a_request_is_genuine_with_the_secret_that_signed_it_only() -> None:
    verify_presigned(put(), OURS.secret, SIGNED_AT)

    with pytest.raises(SignatureMismatch):
        verify_presigned(put(), "another secret", SIGNED_AT)


def test_no_character_of_a_url_can_be_changed() -> None:
    url = our_url("GET", (("response-content-type", "text/plain"), ("partNumber", "1")))
    start = url.index("/bucket")

    for at in range(start, len(url)):
        other = "0" if url[at] != "0" else "1"
        changed = url[:at] + other + url[at + 1 :]
        with pytest.raises(SignatureRefused):
            verify(arrived(changed, "GET"))


def test_equal_spellings_of_a_url_are_one_request() -> None:
    lower = our_url().replace("%2F", "%2f").replace("/0001/", "/%30001/")

    verify(arrived(lower, "PUT"))


def test_a_url_for_one_host_does_not_open_another() -> None:
    request = replace(arrived(our_url(), "PUT"), headers={"host": ("other.example.org",)})

    with pytest.raises(SignatureMismatch):
        verify(request)


@pytest.mark.parametrize("headers", [{}, {"host": ()}, {"Host": ("files.example.org",)}])
def test_a_request_without_a_header_that_was_signed_is_refused(headers: Headers) -> None:
    with pytest.raises(SignatureMismatch):
        verify(replace(arrived(our_url(), "PUT"), headers=headers))


def test_a_header_signed_as_empty_must_still_be_there() -> None:
    there = RawRequest("PUT", "/a", "", {"host": ("h",), "x-amz-acl": ("",)})
    signed = signed_by(OURS, there, "host;x-amz-acl")
    absent = replace(signed, request=replace(signed.request, headers={"host": ("h",)}))

    verify_presigned(signed, OURS.secret, SIGNED_AT)
    with pytest.raises(SignatureMismatch):
        verify_presigned(absent, OURS.secret, SIGNED_AT)


@pytest.mark.parametrize("header", ["x-amz-acl", "x-amz-checksum-crc32", "X-Amz-Acl"])
def test_an_amz_header_that_is_not_signed_is_refused(header: str) -> None:
    with pytest.raises(HeaderNotSigned) as refusal:
        verify_presigned(put(**{header: "public-read"}), OURS.secret, SIGNED_AT)

    assert refusal.value.header == header


def test_an_amz_header_that_the_door_allows_may_come_unsigned() -> None:
    allowed = frozenset({"x-amz-checksum-crc32"})

    verify_presigned(put(x_amz_checksum_crc32="AAAAAA=="), OURS.secret, SIGNED_AT, allowed)
    with pytest.raises(HeaderNotSigned, match="x-amz-acl"):
        verify_presigned(
            put(x_amz_checksum_crc32="AAAAAA==", x_amz_acl="private"),
            OURS.secret,
            SIGNED_AT,
            allowed,
        )


def test_a_header_that_is_not_amazons_may_come_unsigned() -> None:
    verify_presigned(put(content_md5="AAAAAAAAAAAAAAAAAAAAAA=="), OURS.secret, SIGNED_AT)


def test_an_amz_header_that_is_signed_passes_unchanged_and_no_other_way() -> None:
    request = RawRequest("PUT", "/a", "", {"host": ("h",), "x-amz-acl": ("private",)})
    signed = signed_by(OURS, request, "host;x-amz-acl")
    opened = {**request.headers, "x-amz-acl": ("public-read",)}

    verify_presigned(signed, OURS.secret, SIGNED_AT)
    with pytest.raises(SignatureMismatch):
        verify_presigned(
            replace(signed, request=replace(signed.request, headers=opened)),
            OURS.secret,
            SIGNED_AT,
        )


def test_a_url_is_good_until_its_last_second_is_over() -> None:
    verify_presigned(put(), OURS.secret, SIGNED_AT + MINUTE - timedelta(microseconds=1))

    with pytest.raises(SignatureExpired) as refusal:
        verify_presigned(put(), OURS.secret, SIGNED_AT + MINUTE)

    assert refusal.value.expires_in == MINUTE
    assert refusal.value.expired_at == SIGNED_AT + MINUTE
    assert "60 s, until 2013-05-24T00:01:00Z" in refusal.value.message


def test_a_signer_may_be_fifteen_minutes_ahead_and_no_more() -> None:
    verify_presigned(put(), OURS.secret, SIGNED_AT - timedelta(minutes=15))

    with pytest.raises(SignatureNotYetValid) as refusal:
        verify_presigned(put(), OURS.secret, SIGNED_AT - timedelta(minutes=15, microseconds=1))

    assert refusal.value.signed_at == SIGNED_AT


@pytest.mark.parametrize("now", [SIGNED_AT + 2 * MINUTE, SIGNED_AT - timedelta(hours=1)])
def test_who_cannot_sign_learns_nothing_of_clocks_headers_and_ends(now: datetime) -> None:
    with pytest.raises(SignatureMismatch):
        verify_presigned(put(x_amz_acl="private"), "another secret", now)


def test_every_refusal_is_an_invalid_grant_with_a_code_and_a_sentence_of_its_own() -> None:
    refusals: list[ExchangeError] = [
        SignatureRefused("No."),
        MalformedSignature("X-Amz-Date", "is missing"),
        SignatureMismatch(),
        HeaderNotSigned("x-amz-acl"),
        SignatureNotYetValid(SIGNED_AT),
        SignatureExpired(MINUTE, SIGNED_AT),
    ]

    assert [refusal.code for refusal in refusals] == [
        "signature_refused",
        "signature_malformed",
        "signature_mismatch",
        "header_not_signed",
        "signature_not_yet_valid",
        "signature_expired",
    ]
    assert all(isinstance(refusal, GrantInvalid) for refusal in refusals)
    assert len({refusal.message for refusal in refusals}) == len(refusals)
    assert not any("token" in refusal.message for refusal in refusals)


# --- What botocore does -------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
paths = texts.map(lambda text: f"/{text}")
methods = st.sampled_from(["GET", "PUT", "HEAD", "POST", "DELETE"])
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
instants = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 -- hypothesis wants naive bounds
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda instant: instant.replace(microsecond=0))
lives = st.integers(1, 604800).map(lambda seconds: timedelta(seconds=seconds))
signers = st.builds(
    Signer,
    access_key_id=st.from_regex(r"[A-Z0-9]{16,32}", fullmatch=True),
    secret=secrets,
    region=st.sampled_from(["us-east-1", "eu-central-1", "here"]),
    base_url=st.sampled_from(["https://files.example.org", "http://127.0.0.1:9000"]),
)
queries = st.lists(
    st.tuples(texts.filter(lambda name: name and not name.lower().startswith("x-amz-")), texts),
    max_size=4,
    unique_by=lambda pair: pair[0].lower(),
).map(tuple)


def at_instant(request: AWSRequest, signed_at: datetime) -> AWSRequest:
    """The request, dated: botocore's add_auth() would read the clock."""
    request.context["timestamp"] = f"{signed_at:%Y%m%dT%H%M%SZ}"
    return request


def botocore_signature(auth: Any, request: AWSRequest) -> str:
    """What add_auth() does after dating the request, up to writing the signature into it."""
    auth._modify_request_before_signing(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    signature: str = auth.signature(text, request)
    return signature


def botocore_presign(
    signer: Signer,
    method: str,
    path: str,
    signed_at: datetime,
    expires_in: timedelta,
    query: tuple[tuple[str, str], ...],
) -> str:
    seconds = expires_in // SECOND
    keys = Credentials(signer.access_key_id, signer.secret)
    auth = S3SigV4QueryAuth(keys, "s3", signer.region, expires=seconds)
    url = signer.base_url + quote(path, safe="/~")
    request = at_instant(AWSRequest(method, url, params=dict(query)), signed_at)
    signature = botocore_signature(auth, request)  # first: it writes the terms into request.url
    return f"{request.url}&X-Amz-Signature={signature}"


presigned_requests = {
    "signer": signers,
    "method": methods,
    "path": paths,
    "signed_at": instants,
    "expires_in": lives,
    "query": queries,
}


@given(**presigned_requests)
def test_we_and_botocore_presign_the_same_url(**request: Any) -> None:
    ours, theirs = urlsplit(presign(**request)), urlsplit(botocore_presign(**request))

    assert ours[:3] == theirs[:3]
    assert dict(parse_qsl(ours.query, keep_blank_values=True, strict_parsing=True)) == dict(
        parse_qsl(theirs.query, keep_blank_values=True, strict_parsing=True)
    )


@given(**presigned_requests)
def test_what_botocore_presigns_we_verify(**request: Any) -> None:
    url = botocore_presign(**request)

    presigned = read_presigned(arrived(url, request["method"]), request["signer"].region)
    verify_presigned(presigned, request["signer"].secret, request["signed_at"])

    assert presigned.extra == request["query"]


@given(signer=signers, method=methods, path=paths, signed_at=instants, query=queries, value=texts)
def test_what_botocore_signs_in_headers_has_our_canonical_request(
    *,
    signer: Signer,
    method: str,
    path: str,
    signed_at: datetime,
    query: tuple[tuple[str, str], ...],
    value: str,
) -> None:
    url = f"{signer.base_url}{quote(path)}?{urlencode(query, quote_via=quote, safe='')}"
    host = urlsplit(url).netloc
    header = " ".join(value.split())  # botocore also takes away white space beyond ASCII
    request = at_instant(AWSRequest(method, url, {"Host": host, "X-Amz-Meta": header}), signed_at)
    keys = Credentials(signer.access_key_id, signer.secret)
    theirs = botocore_signature(S3SigV4Auth(keys, "s3", signer.region), request)

    headers = {name.lower(): (text,) for name, text in request.headers.items()}
    raw = RawRequest(method, urlsplit(url).path, urlsplit(url).query, headers)
    canonical = canonical_request(raw, sorted(headers), headers["x-amz-content-sha256"][0])
    credential = Credential(signer.access_key_id, f"{signed_at:%Y%m%d}", signer.region, "s3")

    assert sign(canonical, credential, signed_at, signer.secret) == theirs


@given(request=st.fixed_dictionaries(presigned_requests), data=st.data())
def test_no_part_of_what_was_signed_can_be_changed(
    request: dict[str, Any], data: st.DataObject
) -> None:
    url = presign(**request)
    parts = urlsplit(url)
    pairs = decoded_query(parts.query)
    pieces = [
        request["method"],
        request["path"],
        parts.netloc,
        *(text for pair in pairs for text in pair),
    ]
    which = data.draw(st.sampled_from([at for at, piece in enumerate(pieces) if piece]))
    pieces[which] = data.draw(one_character_changed(pieces[which]))

    method, path, host, *names_and_values = pieces
    query = urlencode(
        list(zip(names_and_values[::2], names_and_values[1::2], strict=True)), quote_via=quote
    )
    with pytest.raises(SignatureRefused):
        verify(
            RawRequest(method, quote(path), query, {"host": (host,)}),
            request["signer"],
            request["signed_at"],
        )


@st.composite
def one_character_changed(draw: st.DrawFn, text: str) -> str:
    at = draw(st.integers(0, len(text) - 1))
    other = draw(
        st.characters(min_codepoint=33, max_codepoint=126).filter(lambda char: char != text[at])
    )
    return text[:at] + other + text[at + 1 :]
