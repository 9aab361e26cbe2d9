"""Uploads in parts by S3: in any order, once or anew, completed once, or given up."""

from __future__ import annotations

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
from boto3.s3.transfer import TransferConfig
from frontends.s3.firm import BUCKET, MIB, Firm, keys, refusal, tracking_id
from world import Account, Served, World, place_and_name, xml

from transom.core import following, multipart
from transom.domain.submission import State
from transom.frontends.s3 import uploads

IN = "0001/app1/in"
PART = 5 * MIB


class Parts:
    """One upload in parts, from its uploader's side."""

    def __init__(self, s3: Any, name: str, **asked: Any) -> None:
        self.s3 = s3
        self.where = {"Bucket": BUCKET, "Key": f"{IN}/{name}"}
        self.id = s3.create_multipart_upload(**self.where, **asked)["UploadId"]
        self.named: dict[int, dict[str, Any]] = {}

    @property
    def which(self) -> dict[str, str]:
        return self.where | {"UploadId": self.id}

    def send(self, number: int, content: bytes, **stated: Any) -> dict[str, Any]:
        answer = self.s3.upload_part(**self.which, PartNumber=number, Body=content, **stated)
        sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        self.named[number] = {"PartNumber": number, "ETag": answer["ETag"]} | sums
        return answer

    @property
    def list(self) -> dict[str, Any]:
        return {"Parts": [self.named[number] for number in sorted(self.named)]}

    def complete(self, **stated: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.complete_multipart_upload(
            **self.which, MultipartUpload=self.list, **stated
        )
        return answer


def content_of(account: Account, name: str) -> bytes:
    """The newest file of this name, out of the archive."""
    found = [each for each in account.names(f"{IN}_arcv") if each.endswith(name)]
    return account.fetch(f"{IN}_arcv/{max(found)}")


def blobs(world: World) -> int:
    return len(list(world.tools.blobs.keys()))


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (3, 2, 1)])
def test_parts_may_come_in_any_order_and_become_one_submission(
    s3: Any, account: Account, shared: World, order: tuple[int, ...]
) -> None:
    name = f"order-{'-'.join(map(str, order))}.bin"
    content = {1: secrets.token_bytes(PART), 2: secrets.token_bytes(PART + 7), 3: b"the end"}
    parts = Parts(s3, name)
    for number in order:
        parts.send(number, content[number])

    done = parts.complete()

    whole = content[1] + content[2] + content[3]
    assert content_of(account, name) == whole
    found = shared.exchange.uploads.just_sent(account.actor, *place_and_name(f"{IN}/{name}"))
    assert found is not None
    assert (found.tracking_id, found.state) == (parts.id, State.RECEIVED)
    assert (found.size, found.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert tracking_id(done) == parts.id
    assert s3.head_object(**parts.where)["ETag"] == done["ETag"]


def test_a_range_of_what_came_in_parts_crosses_them(s3: Any, account: Account) -> None:
    first, second = secrets.token_bytes(PART), secrets.token_bytes(1000)
    parts = Parts(s3, "ranges.bin")
    parts.send(1, first)
    parts.send(2, second)
    parts.complete()
    (name,) = [each for each in account.names(f"{IN}_arcv") if each.endswith("ranges.bin")]

    where = {"Bucket": BUCKET, "Key": f"{IN}_arcv/{name}"}
    got = s3.get_object(**where, Range=f"bytes={PART - 10}-{PART + 9}")["Body"].read()

    assert got == first[-10:] + second[:10]


def test_a_part_sent_anew_takes_the_place_of_the_first(s3: Any, account: Account) -> None:
    parts = Parts(s3, "anew.bin")
    parts.send(1, secrets.token_bytes(PART))
    parts.send(2, b"the end")
    content = secrets.token_bytes(PART)
    parts.send(1, content)

    parts.complete()

    assert content_of(account, "anew.bin") == content + b"the end"


def test_a_part_that_breaks_off_leaves_the_first_of_its_number(s3: Any, account: Account) -> None:
    parts = Parts(s3, "kept.bin")
    parts.send(1, b"kept")

    found = refusal(
        s3.upload_part, **parts.which, PartNumber=1, Body=b"other", ChecksumCRC32="AAAAAA=="
    )

    assert found == (400, "BadDigest")
    parts.complete()
    assert content_of(account, "kept.bin") == b"kept"


def test_not_every_part_need_be_used_nor_every_number(
    s3: Any, account: Account, shared: World
) -> None:
    before = blobs(shared)
    parts = Parts(s3, "some.bin")
    content = secrets.token_bytes(PART)
    parts.send(10, content)
    parts.send(500, b"not this one")
    parts.send(10_000, b"the end")
    del parts.named[500]

    parts.complete()

    assert content_of(account, "some.bin") == content + b"the end"
    assert blobs(shared) == before + 1


def test_completing_is_repeated_with_the_same_answer(s3: Any, account: Account) -> None:
    parts = Parts(s3, "repeated.bin")
    parts.send(1, b"once")

    first, second = parts.complete(), parts.complete()

    assert (first["ETag"], tracking_id(first)) == (second["ETag"], tracking_id(second))
    assert len([each for each in account.names(IN) if each == "repeated.bin"]) == 1


def test_completing_is_repeated_when_the_answer_was_lost_before_the_parts_were_cleared(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Parts(s3, "lost.bin")
    parts.send(1, b"once")
    monkeypatch.setattr(multipart.Multiparts, "_clear", lambda *_arguments: None)
    first = parts.complete()
    monkeypatch.undo()

    assert parts.complete()["ETag"] == first["ETag"]
    assert refusal(s3.list_parts, **parts.which) == (404, "NoSuchUpload")


def test_another_list_of_parts_is_no_repetition(s3: Any) -> None:
    parts = Parts(s3, "other-list.bin")
    parts.send(1, secrets.token_bytes(PART))
    parts.send(2, b"the end")
    parts.complete()
    del parts.named[2]

    assert refusal(parts.complete) == (404, "NoSuchUpload")


def test_of_two_completions_at_once_both_are_told_of_the_same_submission(
    firm: Firm, account: Account
) -> None:
    s3 = firm.client(max_pool_connections=8)
    parts = Parts(s3, "race.bin")
    parts.send(1, secrets.token_bytes(PART))
    parts.send(2, b"the end")

    with ThreadPoolExecutor(8) as pool:
        done = [each.result() for each in [pool.submit(parts.complete) for _ in range(8)]]

    assert {tracking_id(each) for each in done} == {parts.id}
    archived = [each for each in account.names(f"{IN}_arcv") if each.endswith("race.bin")]
    assert len(archived) == 1


def test_the_digest_follows_the_parts_so_that_the_end_reads_little(s3: Any, shared: World) -> None:
    parts = Parts(s3, "followed.bin")
    for number in (1, 2, 3):
        parts.send(number, secrets.token_bytes(PART))
    follower = shared.exchange.multiparts._followers.of(parts.id)
    with follower.busy:
        pass  # what follows in the background is through

    shared.exchange.multiparts.follow(parts.id)

    assert follower.count == 3


def test_more_uploads_at_once_than_are_followed_come_out_right_too(
    s3: Any, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MAX_FOLLOWED", 1)
    one, other = Parts(s3, "one-of-two.bin"), Parts(s3, "two-of-two.bin")
    for number, content in ((1, b"1" * PART), (2, b"2")):
        one.send(number, content)
        other.send(number, content[::-1])

    one.complete()
    other.complete()

    assert content_of(account, "one-of-two.bin") == b"1" * PART + b"2"
    assert content_of(account, "two-of-two.bin") == b"1" * PART + b"2"


# --- what is refused -----------------------------------------------------------------------------


def test_parts_are_named_in_order(s3: Any) -> None:
    parts = Parts(s3, "disorder.bin")
    parts.send(1, secrets.token_bytes(PART))
    parts.send(2, b"the end")

    for numbers in ((2, 1), (1, 1)):
        named = {"Parts": [parts.named[number] for number in numbers]}
        found = refusal(s3.complete_multipart_upload, **parts.which, MultipartUpload=named)
        assert found == (400, "InvalidPartOrder")
    assert refusal(s3.complete_multipart_upload, **parts.which, MultipartUpload={"Parts": []}) == (
        400,
        "InvalidArgument",
    )


def test_all_parts_but_the_last_have_five_mebibytes(s3: Any) -> None:
    parts = Parts(s3, "small.bin")
    parts.send(1, secrets.token_bytes(PART - 1))
    parts.send(2, b"the end")

    assert refusal(parts.complete) == (400, "EntityTooSmall")

    parts.send(1, secrets.token_bytes(PART))
    parts.complete()


@pytest.mark.parametrize(
    "named",
    [
        {"PartNumber": 1, "ETag": '"00000000000000000000000000000000-1"'},
        {"PartNumber": 1, "ETag": '"d41d8cd98f00b204e9800998ecf8427e"'},
        {"PartNumber": 2, "ETag": "*"},
    ],
    ids=str,
)
def test_a_part_that_is_not_there_as_named_is_refused(s3: Any, named: dict[str, Any]) -> None:
    parts = Parts(s3, "not-there.bin")
    parts.send(1, b"there")

    found = refusal(s3.complete_multipart_upload, **parts.which, MultipartUpload={"Parts": [named]})

    assert found == (400, "InvalidPart")
    parts.complete()


@pytest.mark.parametrize("number", [0, 10_001, 99_999])
def test_there_are_ten_thousand_numbers(s3: Any, number: int) -> None:
    parts = Parts(s3, "numbers.bin")

    found = refusal(s3.upload_part, **parts.which, PartNumber=number, Body=b"x")

    assert found == (400, "InvalidArgument")


def test_a_part_names_its_upload_and_its_number(firm: Firm) -> None:
    path = f"/{BUCKET}/{IN}/half-named.bin"
    upload = Parts(firm.client(), "half-named.bin")

    for query in ("partNumber=1", f"uploadId={upload.id}"):
        answer = firm.ask("PUT", f"{path}?{query}", b"x")
        found = (answer.status_code, xml(answer).findtext("Code"))
        assert found == (400, "InvalidArgument")


def test_an_upload_is_its_uploaders_and_its_files(s3: Any, shared: World, served: Served) -> None:
    parts = Parts(s3, "mine.bin")
    parts.send(1, b"mine")
    colleague = Firm.of(shared.account("0001", "both", "app1"), served).client()
    elsewhere = parts.which | {"Key": f"{IN}/yours.bin"}

    for client, which in ((colleague, parts.which), (s3, elsewhere)):
        missing = (404, "NoSuchUpload")
        assert refusal(client.upload_part, **which, PartNumber=1, Body=b"x") == missing
        assert refusal(client.list_parts, **which) == missing
        assert refusal(client.abort_multipart_upload, **which) == missing
        end = client.complete_multipart_upload
        assert refusal(end, **which, MultipartUpload=parts.list) == missing
    assert keys_of(colleague.list_multipart_uploads(Bucket=BUCKET)) == []


@pytest.mark.parametrize("upload_id", ["none-of-ours", "343dab32-516b-4e04-b60e-2526fa72e879"])
def test_an_upload_that_is_none_is_not_there(s3: Any, upload_id: str) -> None:
    which = {"Bucket": BUCKET, "Key": f"{IN}/none.bin", "UploadId": upload_id}

    assert refusal(s3.upload_part, **which, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")


def test_an_upload_in_one_piece_has_no_parts(s3: Any, account: Account) -> None:
    with account.open(f"{IN}/one-piece.bin") as upload:
        which = {"Bucket": BUCKET, "Key": f"{IN}/one-piece.bin"}
        found = refusal(s3.list_parts, **which, UploadId=upload.submission.tracking_id)

    assert found == (404, "NoSuchUpload")


def test_parts_are_not_copied(s3: Any) -> None:
    parts = Parts(s3, "copy.bin")

    found = refusal(
        s3.upload_part_copy, **parts.which, PartNumber=1, CopySource=f"{BUCKET}/0001/app1/out/a"
    )

    assert found == (403, "AccessDenied")


def test_uploads_begin_only_where_they_may_end(s3: Any) -> None:
    where = {"Bucket": BUCKET, "Key": "0001/app1/out/a.bin"}

    assert refusal(s3.create_multipart_upload, **where) == (403, "AccessDenied")
    assert refusal(s3.create_multipart_upload, **where | {"Key": f"{IN}/a b"}) == (
        400,
        "InvalidURI",
    )


def listed(part: bytes) -> bytes:
    return b"<CompleteMultipartUpload><Part>" + part + b"</Part></CompleteMultipartUpload>"


HOSTILE_XML = [
    b"",
    b"not XML",
    b"<CompleteMultipartUpload>",
    b"<Delete/>",
    b'<!DOCTYPE a [<!ENTITY x "y">]><CompleteMultipartUpload>&x;</CompleteMultipartUpload>',
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1/"><CompleteMultipartUpload/>',
    listed(b"<ETag>a</ETag>"),
    listed(b"<PartNumber>x</PartNumber><ETag>a</ETag>"),
    listed(b"<PartNumber>1</PartNumber><PartNumber>2</PartNumber><ETag>a</ETag>"),
    b"<a>" * 100 + b"</a>" * 100,
    listed(b"<PartNumber>1</PartNumber><ETag>" + b"a" * 10_000 + b"</ETag>"),
]


@pytest.mark.parametrize("body", HOSTILE_XML, ids=lambda body: body[:40].decode())
def test_a_list_of_parts_that_cannot_be_read_is_refused(s3: Any, body: bytes) -> None:
    parts = Parts(s3, "hostile.bin")
    parts.send(1, b"there")
    url = s3.generate_presigned_url("complete_multipart_upload", Params=parts.which)

    answer = requests.post(url, body, timeout=20)

    assert (answer.status_code, "MalformedXML" in answer.text) == (400, True), answer.text
    parts.complete()


def test_a_list_of_parts_that_is_too_long_is_refused(s3: Any) -> None:
    parts = Parts(s3, "long.bin")
    url = s3.generate_presigned_url("complete_multipart_upload", Params=parts.which)

    answer = requests.post(url, b" " * (5 * MIB), timeout=20)

    assert (answer.status_code, "InvalidArgument" in answer.text) == (400, True), answer.text


# --- checksums -----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_a_checksum_of_parts_is_composite(s3: Any, algorithm: str) -> None:
    parts = Parts(s3, f"{algorithm}.bin", ChecksumAlgorithm=algorithm)
    parts.send(1, secrets.token_bytes(PART), ChecksumAlgorithm=algorithm)
    parts.send(2, b"the end", ChecksumAlgorithm=algorithm)

    done = parts.complete()

    assert done[f"Checksum{algorithm}"].endswith("-2")
    assert done["ChecksumType"] == "COMPOSITE"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_a_checksum_may_be_over_the_whole_file(s3: Any, algorithm: str) -> None:
    content = [secrets.token_bytes(PART), b"the end"]
    asked = {"ChecksumAlgorithm": algorithm, "ChecksumType": "FULL_OBJECT"}
    parts = Parts(s3, f"full-{algorithm}.bin", **asked)
    for number, each in enumerate(content, 1):
        parts.send(number, each, ChecksumAlgorithm=algorithm)
    single = s3.put_object(
        Bucket=BUCKET,
        Key=f"{IN}/single-{algorithm}.bin",
        Body=b"".join(content),
        ChecksumAlgorithm=algorithm,
    )

    done = parts.complete(
        ChecksumType="FULL_OBJECT",
        MpuObjectSize=PART + 7,
        **{f"Checksum{algorithm}": single[f"Checksum{algorithm}"]},
    )

    assert done[f"Checksum{algorithm}"] == single[f"Checksum{algorithm}"]
    assert done["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize("with_parts", [True, False])
def test_a_file_that_is_not_what_was_stated_of_the_whole_is_refused(
    firm: Firm, *, with_parts: bool
) -> None:
    s3 = firm.client(request_checksum_calculation="when_required")
    parts = Parts(s3, "not-whole.bin")
    parts.send(1, b"content", **({"ChecksumAlgorithm": "CRC32"} if with_parts else {}))

    assert refusal(parts.complete, ChecksumCRC32="AAAAAA==") == (400, "BadDigest")
    assert refusal(parts.complete, MpuObjectSize=8) == (400, "InvalidArgument")
    parts.complete(MpuObjectSize=7)


def test_a_checksum_of_a_part_that_is_not_its_own_is_refused(s3: Any) -> None:
    parts = Parts(s3, "not-its-own.bin")
    parts.send(1, b"content", ChecksumAlgorithm="CRC32")
    parts.named[1]["ChecksumCRC32"] = "AAAAAA=="

    assert refusal(parts.complete) == (400, "InvalidPart")


@pytest.mark.parametrize(
    "asked",
    [
        {"ChecksumAlgorithm": "XXHASH64"},
        {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"},
    ],
    ids=str,
)
def test_a_checksum_that_we_cannot_verify_is_refused_at_the_beginning(
    s3: Any, asked: dict[str, Any]
) -> None:
    where = {"Bucket": BUCKET, "Key": f"{IN}/unknown-checksum.bin"}

    assert refusal(s3.create_multipart_upload, **where, **asked) == (400, "InvalidArgument")


def test_a_checksum_of_the_whole_that_is_none_is_refused(s3: Any) -> None:
    parts = Parts(s3, "no-checksum.bin")
    parts.send(1, b"content")

    assert refusal(parts.complete, ChecksumCRC32="not base64!") == (400, "InvalidArgument")


# --- what is under way ---------------------------------------------------------------------------


def keys_of(answer: dict[str, Any]) -> list[str]:
    return [each["Key"] for each in answer.get("Uploads", ())]


def test_the_parts_that_are_there_are_listed_page_by_page(s3: Any) -> None:
    parts = Parts(s3, "listed.bin")
    for number in (2, 5, 9):
        parts.send(number, b"x" * number, ChecksumAlgorithm="CRC32")

    pages = list(
        s3.get_paginator("list_parts").paginate(**parts.which, PaginationConfig={"PageSize": 2})
    )

    found = [each for page in pages for each in page["Parts"]]
    assert [(each["PartNumber"], each["Size"]) for each in found] == [(2, 2), (5, 5), (9, 9)]
    assert [each["ETag"] for each in found] == [each["ETag"] for each in parts.list["Parts"]]
    assert all(each["ChecksumCRC32"] for each in found)
    assert [page["IsTruncated"] for page in pages] == [True, False]


def test_uploads_under_way_are_listed_page_by_page(shared: World, served: Served) -> None:
    s3 = Firm.of(shared.account("0001", "both", "app1"), served).client()
    begun = [Parts(s3, name) for name in ("b.bin", "a.bin", "a.bin")]

    pages = list(
        s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=BUCKET, PaginationConfig={"PageSize": 1}
        )
    )

    found = [(each["Key"], each["UploadId"]) for page in pages for each in page["Uploads"]]
    assert found == sorted((each.where["Key"], each.id) for each in begun)
    named = s3.list_multipart_uploads(Bucket=BUCKET, Prefix=f"{IN}/b")
    assert keys_of(named) == [f"{IN}/b.bin"]
    after = s3.list_multipart_uploads(Bucket=BUCKET, KeyMarker=f"{IN}/a.bin")
    assert keys_of(after) == [f"{IN}/b.bin"]


def test_an_upload_that_is_given_up_leaves_nothing(s3: Any, shared: World) -> None:
    before = blobs(shared)
    parts = Parts(s3, "given-up.bin")
    parts.send(1, b"gone")

    s3.abort_multipart_upload(**parts.which)

    assert blobs(shared) == before
    assert refusal(s3.abort_multipart_upload, **parts.which) == (404, "NoSuchUpload")
    assert refusal(s3.upload_part, **parts.which, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")
    assert refusal(parts.complete) == (404, "NoSuchUpload")
    assert shared.audited("upload.abandoned")[-1].tracking_id == parts.id


def test_an_upload_is_abandoned_seven_days_after_its_last_part(s3: Any, shared: World) -> None:
    parts = Parts(s3, "abandoned.bin")
    shared.clock.move(timedelta(days=6))
    parts.send(1, b"late")
    kept = blobs(shared)
    shared.clock.move(timedelta(days=6))
    shared.exchange.retention.sweep()
    assert len(s3.list_parts(**parts.which)["Parts"]) == 1

    shared.clock.move(timedelta(days=2))
    swept = shared.exchange.retention.sweep()
    shared.clock.move(timedelta(hours=2))
    cleared = shared.exchange.retention.sweep()

    assert swept.multiparts >= 1
    assert cleared.parts >= 1
    assert blobs(shared) < kept
    assert refusal(s3.list_parts, **parts.which) == (404, "NoSuchUpload")


def test_the_parts_of_an_upload_are_no_orphans(s3: Any, shared: World, account: Account) -> None:
    parts = Parts(s3, "no-orphans.bin")
    parts.send(1, b"kept for days")
    shared.clock.move(timedelta(days=5))

    shared.exchange.retention.sweep()

    parts.complete()
    assert content_of(account, "no-orphans.bin") == b"kept for days"


# --- how tools do it -----------------------------------------------------------------------------


def test_a_large_file_goes_up_and_down_as_boto3_does_it(
    firm: Firm, account: Account, tmp_path: Any
) -> None:
    s3 = firm.client()
    content = secrets.token_bytes(20 * MIB + 123)
    file, back = tmp_path / "large.bin", tmp_path / "back.bin"
    file.write_bytes(content)
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)

    s3.upload_file(str(file), BUCKET, f"{IN}/large.bin", Config=config)
    (name,) = [each for each in account.names(f"{IN}_arcv") if each.endswith("large.bin")]
    s3.download_file(BUCKET, f"{IN}_arcv/{name}", str(back), Config=config)

    assert back.read_bytes() == content
    assert keys(s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{IN}/large")) == [f"{IN}/large.bin"]


def test_a_completion_that_takes_long_keeps_its_answer_alive(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PATIENCE_SECONDS", 0)
    parts = Parts(s3, "slow.bin")
    parts.send(1, b"slow")

    done = parts.complete()

    assert done["Key"] == f"{IN}/slow.bin"
    assert done["ETag"] == s3.head_object(**parts.where)["ETag"]


def test_a_completion_that_fails_after_long_says_so_in_its_answer(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PATIENCE_SECONDS", 0)
    parts = Parts(s3, "slow-failure.bin")
    parts.send(1, b"slow")
    parts.named[1]["ETag"] = '"00000000000000000000000000000000-1"'

    url = s3.generate_presigned_url("complete_multipart_upload", Params=parts.which)
    body = listed(b"<PartNumber>7</PartNumber><ETag>a</ETag>")
    answer = requests.post(url, body, timeout=20)

    assert answer.status_code == 200
    assert answer.text.startswith("<?xml")
    assert "<Code>InvalidPart</Code>" in answer.text
