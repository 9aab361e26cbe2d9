"""The exact proof that a body is a form around one file: what requests sends, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.framing import (
    MAX_HEADER_BYTES,
    Opening,
    may_be_framed,
    read_opening,
)

NAME = "newFile.zip"
BOUNDARY = b"0123456789abcdef0123456789ABCDEF"
PART = b'Content-Disposition: form-data; name="newFile.zip"; filename="newFile.zip"'
START = b"--" + BOUNDARY + b"\r\n" + PART + b"\r\n\r\n"
URL = "https://files.example.org/bucket/0001/app1/in/newFile.zip"


def sent_by_requests(content: bytes, key: str = NAME, file_name: str = NAME) -> bytes:
    """The body of the guide's upload sample (section 5.4.5), as requests makes it."""
    request = requests.Request(
        "PUT",
        URL,
        headers={"Content-Type": "application/octet-stream"},
        files={key: (file_name, content)},
    ).prepare()
    assert isinstance(request.body, bytes)
    return request.body


# --- what is recognised --------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\r\n", b"--", b"\r\n--\r\n--" * 9])
def test_what_requests_really_sends_is_recognised(content: bytes) -> None:
    body = sent_by_requests(content)

    opening = read_opening(body, NAME)

    assert opening is not None
    assert body[opening.length :] == content + opening.closing


@given(st.binary(), st.from_regex(r"[A-Za-z0-9:!@,&\-='_.]{1,237}", fullmatch=True))
def test_it_is_recognised_under_every_legal_name(content: bytes, name: str) -> None:
    opening = read_opening(sent_by_requests(content, name, name), name)

    assert opening is not None
    assert opening.length < MAX_HEADER_BYTES


@pytest.mark.parametrize(("key", "file_name"), [(NAME, "other.zip"), ("file", NAME)])
def test_either_the_part_or_its_file_has_the_name_in_the_url(key: str, file_name: str) -> None:
    assert read_opening(sent_by_requests(b"content", key, file_name), NAME) is not None


@pytest.mark.parametrize(
    "start",
    [
        START,
        START + b"content",
        START.replace(b"Content-Disposition", b"content-disposition"),
        START.replace(b"0123456789abcdef0123456789ABCDEF", b"f" * 32),
        START.replace(b'; filename="newFile.zip"', b""),
        START.replace(b'; name="newFile.zip"', b""),
        START.replace(b' filename="newFile.zip"', b' filename="C:\\x\\newFile.zip"'),
        START.replace(PART, b'Content-Disposition: form-data; filename="x"; name="newFile.zip"'),
    ],
)
def test_the_same_in_other_words_is_recognised(start: bytes) -> None:
    assert read_opening(start, NAME) is not None


def test_an_opening_ends_with_the_blank_line_and_knows_how_the_body_must_end() -> None:
    opening = read_opening(START + b"\r\n\r\ncontent", NAME)

    assert opening == Opening(len(START), BOUNDARY)
    assert opening.closing == b"\r\n--0123456789abcdef0123456789ABCDEF--\r\n"


# --- what is not ---------------------------------------------------------------------------------


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda start: start.replace(old, new)


DEVIATIONS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "cut before the blank line": lambda start: start[:-2],
    "cut in the blank line": lambda start: start[:-1],
    "something before it": lambda start: b"\r\n" + start,
    "a preamble": lambda start: b"preamble\r\n" + start,
    "one dash": lambda start: start[1:],
    "three dashes": lambda start: b"-" + start,
    "a boundary of 31 digits": swap(BOUNDARY, BOUNDARY[:31]),
    "a boundary of 33 digits": swap(BOUNDARY, BOUNDARY + b"0"),
    "no boundary": swap(BOUNDARY, b""),
    "a boundary with another letter": swap(BOUNDARY, b"g" + BOUNDARY[1:]),
    "a boundary as curl makes it": swap(BOUNDARY, b"------------------------AbCdEfGh"),
    "a space after the boundary": swap(BOUNDARY, BOUNDARY + b" "),
    "the last boundary first": swap(BOUNDARY, BOUNDARY + b"--"),
    "line feeds only": swap(b"\r\n", b"\n"),
    "a line feed after the boundary": swap(BOUNDARY + b"\r\n", BOUNDARY + b"\n"),
    "a line feed for the blank line": swap(b"\r\n\r\n", b"\r\n\n"),
    "carriage returns only": swap(b"\r\n", b"\r"),
    "no part header": swap(PART + b"\r\n", b""),
    "a header after it": swap(PART, PART + b"\r\nContent-Type: application/zip"),
    "a header before it": swap(PART, b"Content-Type: application/zip\r\n" + PART),
    "the header twice": swap(PART, PART + b"\r\n" + PART),
    "another header": swap(b"Content-Disposition", b"Content-Description"),
    "shouting": swap(b"Content-Disposition", b"CONTENT-DISPOSITION"),
    "an attachment": swap(b"form-data", b"attachment"),
    "no space after the colon": swap(b": form", b":form"),
    "no space after a semicolon": swap(b"; name", b";name"),
    "a folded header": swap(b"; name", b";\r\n name"),
    "no parameters": swap(PART, b"Content-Disposition: form-data"),
    "a name without quotes": swap(b'"newFile.zip"', b"newFile.zip"),
    "a name in single quotes": swap(b'"newFile.zip"', b"'newFile.zip'"),
    "another name": swap(b"newFile.zip", b"oldFile.zip"),
    "another case": swap(b"newFile.zip", b"newfile.zip"),
    "a longer name": swap(b"newFile.zip", b"newFile.zip.exe"),
    "a path before the name": swap(b"newFile.zip", b"in/newFile.zip"),
    "an escaped name": swap(b"newFile", b"new%46ile"),
    "a quote in the name": swap(b"newFile.zip", b'newFile.zip\\"'),
    "the name in a parameter that is neither": swap(b"filename=", b"title="),
    "an extended parameter": swap(b"filename=", b"filename*="),
    "one parameter more": swap(PART, PART + b'; size="7"'),
    "the name twice": swap(PART, PART.replace(b"filename=", b"name=")),
    "the file name twice": swap(PART, PART.replace(b" name=", b" filename=")),
    "three parameters": swap(PART, PART + b'; filename="newFile.zip"'),
    "a semicolon at the end": swap(PART, PART + b";"),
    "a space at the end": swap(PART, PART + b" "),
    "the boundary in a parameter": swap(b' name="newFile.zip"', b' name="' + BOUNDARY + b'"'),
    "a null byte": swap(b"; filename", b"\0; filename"),
}


@pytest.mark.parametrize("deviation", DEVIATIONS.values(), ids=DEVIATIONS)
def test_anything_less_than_the_exact_proof_is_no_opening(
    deviation: Callable[[bytes], bytes],
) -> None:
    deviant = deviation(START)

    assert deviant != START
    assert read_opening(deviant + b"content", NAME) is None


def test_a_file_that_is_sent_under_another_name_than_the_urls_is_no_opening() -> None:
    assert read_opening(sent_by_requests(b"content", "file", "other.zip"), NAME) is None


def test_a_part_with_a_media_type_is_no_opening() -> None:
    request = requests.Request("PUT", URL, files={NAME: (NAME, b"content", "application/zip")})
    body = request.prepare().body

    assert isinstance(body, bytes)
    assert read_opening(body, NAME) is None


@given(st.binary(max_size=200))
def test_bytes_without_the_opening_are_none(content: bytes) -> None:
    assert read_opening(content, NAME) is None


# --- media types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "may_be"),
    [
        ("application/octet-stream", True),
        ("multipart/form-data; boundary=0123", True),
        ("Multipart/Form-Data", True),
        (" application/octet-stream ; x=y", True),
        ("", False),
        ("application/zip", False),
        ("multipart/mixed; boundary=0123", False),
        ("text/plain; multipart/form-data", False),
        ("application/octet-streams", False),
    ],
)
def test_only_two_media_types_leave_the_question_open(content_type: str, *, may_be: bool) -> None:
    assert may_be_framed(content_type) is may_be
