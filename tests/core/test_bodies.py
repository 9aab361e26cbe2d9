"""Bodies: what arrives is verified, and freed of a form's envelope where the proof is exact."""

from __future__ import annotations

import base64
import zlib
from datetime import timedelta
from hashlib import md5, sha1, sha256
from itertools import pairwise
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import Account, World, made, place_and_name

from transom.core.administration import NewAccount
from transom.core.bodies import Body, Stated
from transom.core.checksums import Algorithm, Checksums
from transom.core.retention import SYSTEM
from transom.domain.errors import BadParameter, DigestMismatch, TooLarge
from transom.domain.framing import MAX_HEADER_BYTES
from transom.domain.submission import AccessMethod, Client, Framing, State, Submission

OCTETS = "application/octet-stream"
B = b"0123456789abcdef0123456789ABCDEF"
HEAD = b"--" + B + b'\r\nContent-Disposition: form-data; name="f.zip"; filename="f.zip"\r\n\r\n'
CLOSING = b"\r\n--" + B + b"--\r\n"


def framed(content: bytes) -> bytes:
    return HEAD + content + CLOSING


def by_requests(content: bytes) -> bytes:
    """The body that the guide's own sample sends: requests.put(url, files={...})."""
    url = "http://127.0.0.1/"
    body = requests.Request("PUT", url, files={"f.zip": ("f.zip", content)}).prepare().body
    assert isinstance(body, bytes)
    return body


def begun(firm: Account, stated: Stated, limit: int | None = None) -> Body:
    place, name = place_and_name("0001/app1/in/f.zip")
    exchange = firm.world.exchange
    asked = exchange.uploads.request(firm.actor, place, name, Client(AccessMethod.REST))
    return exchange.bodies.begin(firm.actor, asked.submission.tracking_id, stated, limit)


def sent(firm: Account, *pieces: bytes, content_type: str = OCTETS) -> Submission:
    """What became of a body that came in these pieces."""
    body = begun(firm, Stated(content_type))
    try:
        for piece in pieces:
            body.feed(piece)
        body.flush()
        return body.commit()
    finally:
        body.close()


def kept(firm: Account, submission: Submission) -> bytes:
    content = firm.fetch(f"0001/app1/in_arcv/{submission.archive_name}")
    assert (submission.size, submission.sha256) == (len(content), sha256(content).hexdigest())
    return content


# --- the envelope comes off ----------------------------------------------------------------------


@pytest.mark.parametrize("content_type", [OCTETS, "Multipart/Form-Data; boundary=x"])
@pytest.mark.parametrize("content", [b"", b"a", b"\r\n", b"PK\x03\x04" * 5000], ids=len)
def test_the_guide_s_own_sample_arrives_as_the_file_alone(
    world: World, content: bytes, content_type: str
) -> None:
    firm = world.account()
    body = by_requests(content)

    received = sent(firm, body, content_type=content_type)

    assert kept(firm, received) == content
    framing = Framing(len(body), sha256(body).hexdigest())
    assert received.framing == framing
    tracked = world.exchange.tracking.one(firm.actor, received.tracking_id)
    assert (tracked.framing, tracked.bytes_seen) == (framing, len(body))
    (entry,) = world.audited("upload.received")
    assert framing.raw_sha256 in entry.detail


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    content=st.binary(max_size=120) | st.sampled_from([CLOSING, CLOSING[:-2], B, b"\r\n--" * 9]),
    form=st.booleans(),
    trailing=st.sampled_from([b"", b"", b"\r\n", b"more"]),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_however_a_body_is_cut_into_pieces_the_outcome_is_the_same(
    sqlite_world: World, content: bytes, form: bool, trailing: bytes, cuts: list[int]
) -> None:
    firm = sqlite_world.account()
    sqlite_world.clock.pass_time(timedelta(seconds=1))
    body = (framed(content) if form else HEAD + content) + trailing
    edges = sorted({0, *(min(cut, len(body)) for cut in cuts), len(body)})

    received = sent(firm, *(body[start:end] for start, end in pairwise(edges)))

    inside = body.removeprefix(HEAD).removesuffix(CLOSING)
    is_form = HEAD + inside + CLOSING == body and B not in inside
    assert kept(firm, received) == (inside if is_form else body)
    assert (received.framing is not None) == is_form


def test_a_body_that_comes_byte_by_byte_is_recognized(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    body = by_requests(b"content\r\n--")

    received = sent(firm, *(bytes([each]) for each in body))

    assert kept(firm, received) == b"content\r\n--"


# --- and nothing else is touched -----------------------------------------------------------------


def changed(old: bytes, new: bytes) -> bytes:
    body = framed(b"content")
    assert old in body
    return body.replace(old, new)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"-", id="one dash"),
        pytest.param(b"--", id="two dashes"),
        pytest.param(b"--\r\n\r\n", id="no boundary"),
        pytest.param(HEAD, id="an opening alone"),
        pytest.param(HEAD[:-1], id="an opening cut short"),
        pytest.param(HEAD + CLOSING[2:], id="closing without its line end"),
        pytest.param(HEAD + b"content", id="no closing"),
        pytest.param(framed(b"content")[:-2], id="closing cut short"),
        pytest.param(framed(b"content") + b"\r\n", id="trailing line end"),
        pytest.param(framed(b"content") + framed(b"content"), id="two forms"),
        pytest.param(framed(b"a" + B + b"b"), id="boundary inside"),
        pytest.param(framed(B), id="boundary is the content"),
        pytest.param(framed(CLOSING), id="closing inside"),
        pytest.param(framed(b"x\r\n--" + B + b"\r\nname: b\r\n\r\ny"), id="two parts"),
        pytest.param(b"\r\n" + framed(b"content"), id="something before"),
        pytest.param(changed(B, B[:-1]), id="31 digits"),
        pytest.param(changed(B, B + b"0"), id="33 digits"),
        pytest.param(changed(B, b"g" * 32), id="no hex digits"),
        pytest.param(changed(b"f.zip", b"g.zip"), id="another name"),
        pytest.param(changed(b"f.zip", b"F.zip"), id="another case"),
        pytest.param(changed(b'"f.zip"', b"f.zip"), id="no quotes"),
        pytest.param(changed(b"\r\n\r\n", b"\r\nContent-Type: a/b\r\n\r\n"), id="another header"),
        pytest.param(changed(b"form-data", b"attachment"), id="an attachment"),
        pytest.param(changed(b"f.zip", b"f.zip" + B), id="boundary in the name"),
        pytest.param(changed(b"\r\n", b"\n"), id="bare line feeds"),
        pytest.param(b"--" + b"a" * MAX_HEADER_BYTES, id="a header without end"),
        pytest.param(b"PK\x03\x04 an ordinary file", id="an ordinary file"),
    ],
)
def test_a_body_that_only_looks_like_a_form_is_kept_byte_for_byte(
    sqlite_world: World, body: bytes
) -> None:
    firm = sqlite_world.account()

    in_one, in_many = sent(firm, body), sent(firm, *(bytes([each]) for each in body))

    assert kept(firm, in_one) == kept(firm, in_many) == body
    assert in_one.framing is in_many.framing is None


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/zip", "multipart/mixed"])
def test_another_media_type_leaves_no_question_open(sqlite_world: World, content_type: str) -> None:
    firm = sqlite_world.account()
    body = by_requests(b"content")

    assert kept(firm, sent(firm, body, content_type=content_type)) == body


def test_the_exchange_s_setting_switches_unwrapping_off(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'transom.db'}"
    with made(tmp_path / "world", url, unwrap_form_uploads=False) as world:
        firm = world.account()
        body = by_requests(b"content")

        assert kept(firm, sent(firm, body)) == body


def test_an_account_s_own_switch_leaves_its_bodies_as_sent(sqlite_world: World) -> None:
    world = sqlite_world
    new = NewAccount("plain", "0001", unwrap_forms=False)
    principal, secret = world.exchange.administration.add_account(SYSTEM, new)
    firm = Account(world, principal.id, "plain", secret)
    world.entitle(firm, "0001", "app1", "both")
    body = by_requests(b"content")

    assert kept(firm, sent(firm, body)) == body


def test_the_limit_counts_for_a_form_put_back_together_too(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    body = framed(b"x" * 50) + b"trailing"
    receiving = begun(firm, Stated(OCTETS), limit=100)
    receiving.feed(body)

    with pytest.raises(TooLarge):
        receiving.commit()
    receiving.close()

    assert firm.names("0001/app1/in") == []
    assert list(sqlite_world.tools.blobs.keys()) == []
    assert list(sqlite_world.tools.blobs.keys(staged=True)) == []


def test_a_body_closed_before_its_commit_was_never_submitted(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    receiving = begun(firm, Stated())
    receiving.feed(b"first half")

    receiving.close()
    receiving.close()

    assert receiving.size == 10
    assert firm.names("0001/app1/in") == []


# --- stated digests ------------------------------------------------------------------------------

CHECK = b"123456789"  # the catalogues of cyclic redundancy checks use it
KNOWN = {
    Algorithm.MD5: md5(CHECK, usedforsecurity=False).digest(),
    Algorithm.SHA1: sha1(CHECK, usedforsecurity=False).digest(),
    Algorithm.SHA256: sha256(CHECK).digest(),
    Algorithm.CRC32: bytes.fromhex("cbf43926"),
    Algorithm.CRC32C: bytes.fromhex("e3069283"),
    Algorithm.CRC64NVME: bytes.fromhex("ae8b14860a799888"),
}


def test_every_algorithm_has_a_known_value() -> None:
    assert set(KNOWN) == set(Algorithm)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_body_with_the_stated_digest_is_received(
    sqlite_world: World, algorithm: Algorithm
) -> None:
    firm = sqlite_world.account()
    body = begun(firm, Stated(digests={algorithm: KNOWN[algorithm]}))
    body.feed(CHECK[:4])
    body.feed(CHECK[4:])

    assert kept(firm, body.commit()) == CHECK


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_body_with_another_digest_is_refused_and_nothing_is_kept(
    sqlite_world: World, algorithm: Algorithm
) -> None:
    firm = sqlite_world.account()
    body = begun(firm, Stated(digests={algorithm: KNOWN[algorithm]}))
    body.feed(CHECK + b"!")

    with pytest.raises(DigestMismatch) as refused:
        body.commit()
    body.close()

    assert refused.value.algorithm == algorithm
    assert firm.names("0001/app1/in_arcv") == []
    assert list(sqlite_world.tools.blobs.keys()) == []


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_digest_of_another_length_is_refused_at_once(
    sqlite_world: World, algorithm: Algorithm
) -> None:
    firm = sqlite_world.account()

    with pytest.raises(BadParameter, match="length"):
        begun(firm, Stated(digests={algorithm: KNOWN[algorithm][1:]}))

    assert list(sqlite_world.tools.blobs.keys(staged=True)) == []


def test_of_several_digests_each_must_fit() -> None:
    checksums = Checksums({**KNOWN, Algorithm.CRC32: zlib.crc32(b"other").to_bytes(4)})
    checksums.update(CHECK)

    with pytest.raises(DigestMismatch, match="crc32"):
        checksums.verify()


def test_the_digest_stated_is_that_of_the_body_as_sent_not_of_the_file_inside(
    world: World,
) -> None:
    firm = world.account()
    raw = by_requests(b"content")
    digest = base64.b64decode(base64.b64encode(md5(raw, usedforsecurity=False).digest()))
    body = begun(firm, Stated(OCTETS, {Algorithm.MD5: digest}))
    body.feed(raw)

    received = body.commit()

    assert kept(firm, received) == b"content"
    assert received.state is State.RECEIVED


def test_empty_bodies_have_digests_too(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    body = begun(firm, Stated(digests={Algorithm.CRC64NVME: bytes(8), Algorithm.CRC32C: bytes(4)}))

    assert kept(firm, body.commit()) == b""
