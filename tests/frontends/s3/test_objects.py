"""Files by S3: up in one request, down whole or in parts, and what they are told to be."""

from __future__ import annotations

import hashlib
import secrets
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from frontends.s3.firm import BUCKET, Firm, keys, refusal, tracking_id
from world import Account, Processor, Served, World, place_and_name

from transom.core.tracking import Query
from transom.domain.submission import AccessMethod, State, Submission

IN, OUT = "0001/app1/in", "0001/app1/out"
CONTENT = b"0123456789" * 1000


@pytest.fixture(scope="module")
def application(shared: World) -> Processor:
    return shared.processor("app1")


@pytest.fixture(scope="module")
def published(application: Processor) -> str:
    """The key of a file that may be fetched."""
    application.publish(f"{OUT}/numbers.txt", CONTENT)
    return f"{OUT}/numbers.txt"


def put(s3: Any, key: str, content: bytes = b"content", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = s3.put_object(Bucket=BUCKET, Key=key, Body=content, **more)
    return answer


# --- up ------------------------------------------------------------------------------------------


def test_a_put_is_a_submission_tracked_under_the_id_in_the_answer(
    s3: Any, shared: World, account: Account
) -> None:
    answer = put(s3, f"{IN}/one.zip", b"one")

    found = shared.exchange.uploads.just_sent(account.actor, *place_and_name(f"{IN}/one.zip"))
    assert found is not None
    assert found.tracking_id == tracking_id(answer)
    assert (found.state, found.name, found.size) == (State.RECEIVED, "one.zip", 3)
    assert found.sha256 == hashlib.sha256(b"one").hexdigest()
    assert found.client.method is AccessMethod.S3
    assert "Boto3" in found.client.software


def test_the_same_key_sent_again_is_another_submission(s3: Any, account: Account) -> None:
    ids = {tracking_id(put(s3, f"{IN}/twice.zip", content)) for content in (b"1", b"2")}

    assert len(ids) == 2
    archived = [name for name in account.names("0001/app1/in_arcv") if "twice.zip" in name]
    assert len(archived) == 2


def test_a_file_of_no_bytes_is_a_submission_too(s3: Any) -> None:
    put(s3, f"{IN}/empty.zip", b"")

    assert s3.head_object(Bucket=BUCKET, Key=f"{IN}/empty.zip")["ContentLength"] == 0


def test_the_etag_is_the_same_wherever_it_is_told(s3: Any, account: Account) -> None:
    sent = put(s3, f"{IN}/tagged.zip", b"tagged")["ETag"]

    head = s3.head_object(Bucket=BUCKET, Key=f"{IN}/tagged.zip")["ETag"]
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{IN}/tagged.zip")["Contents"][0]["ETag"]
    (archived,) = [name for name in account.names(f"{IN}_arcv") if "tagged.zip" in name]
    got = s3.get_object(Bucket=BUCKET, Key=f"{IN}_arcv/{archived}")["ETag"]
    assert sent == head == listed == got
    assert "-" in sent


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_checksum_is_verified_and_answered(s3: Any, algorithm: str) -> None:
    answer = put(s3, f"{IN}/{algorithm}.zip", b"checked", ChecksumAlgorithm=algorithm)

    assert answer[f"Checksum{algorithm}"]
    assert answer["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize("name", ["ChecksumCRC32", "ChecksumSHA256", "ContentMD5"])
def test_content_that_is_not_what_was_stated_is_refused_and_nothing_kept(
    s3: Any, account: Account, name: str
) -> None:
    wrong = {
        "ChecksumCRC32": "AAAAAA==",
        "ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg==",
    }

    key = f"{IN}/wrong-{name}.zip"
    status = refusal(s3.put_object, Bucket=BUCKET, Key=key, Body=b"x", **{name: wrong[name]})

    assert status == (400, "BadDigest")
    assert refusal(s3.head_object, Bucket=BUCKET, Key=key) == (404, "404")
    assert not [each for each in account.names(IN) if name in each]


def test_a_put_under_a_condition_is_refused_when_its_sender_has_sent_one(s3: Any) -> None:
    key = f"{IN}/once.zip"
    put(s3, key, IfNoneMatch="*")

    assert refusal(s3.put_object, Bucket=BUCKET, Key=key, Body=b"x", IfNoneMatch="*") == (
        412,
        "PreconditionFailed",
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"ACL": "public-read"},
        {"GrantRead": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'},
        {"Tagging": "a=b"},
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": "2030-01-01"},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_access_lists_tags_and_locks_are_refused(s3: Any, asked: dict[str, Any]) -> None:
    key = f"{IN}/asked.zip"

    found = refusal(s3.put_object, Bucket=BUCKET, Key=key, Body=b"x", **asked)

    assert found == (403, "AccessDenied")
    assert refusal(s3.head_object, Bucket=BUCKET, Key=key) == (404, "404")


@pytest.mark.parametrize(
    "asked",
    [
        {"ServerSideEncryption": "AES256"},
        {"WebsiteRedirectLocation": "/elsewhere"},
        {"IfMatch": '"abc"'},
        {"IfNoneMatch": '"abc"'},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_what_is_not_offered_is_not_implemented(s3: Any, asked: dict[str, Any]) -> None:
    found = refusal(s3.put_object, Bucket=BUCKET, Key=f"{IN}/asked.zip", Body=b"x", **asked)

    assert found == (501, "NotImplemented")


@pytest.mark.parametrize(
    "asked",
    [{"ACL": "private"}, {"Metadata": {"mtime": "1"}}, {"StorageClass": "STANDARD"}],
    ids=lambda asked: next(iter(asked)),
)
def test_what_changes_nothing_is_taken_and_not_kept(s3: Any, asked: dict[str, Any]) -> None:
    key = f"{IN}/harmless-{next(iter(asked))}.zip"
    put(s3, key, **asked)

    head = s3.head_object(Bucket=BUCKET, Key=key)
    assert (head["Metadata"], head.get("StorageClass")) == ({}, None)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"{OUT}/mine.zip", (403, "AccessDenied")),
        (f"{IN}_arcv/mine.zip", (403, "AccessDenied")),
        ("0001/app2/in/mine.zip", (403, "AccessDenied")),
        ("0002/app1/in/mine.zip", (403, "AccessDenied")),
        ("0001/app1/nowhere/mine.zip", (403, "AccessDenied")),
        ("mine.zip", (403, "AccessDenied")),
        (f"{IN}/deeper/mine.zip", (403, "AccessDenied")),
        (f"/{IN}/mine.zip", (403, "AccessDenied")),
        (f"{IN}/folder/", (403, "AccessDenied")),
        (f"{IN}/my file.zip", (400, "InvalidURI")),
        (f"{IN}/{'x' * 238}", (400, "InvalidURI")),
        ("x" * 1025, (400, "KeyTooLongError")),
    ],
)
def test_files_go_where_they_may_under_names_that_they_may_have(
    s3: Any, key: str, expected: tuple[int, str]
) -> None:
    assert refusal(s3.put_object, Bucket=BUCKET, Key=key, Body=b"x") == expected


def test_a_url_that_the_firm_signs_itself_takes_an_upload(s3: Any, account: Account) -> None:
    where = {"Bucket": BUCKET, "Key": f"{IN}/by-url.zip"}
    url = s3.generate_presigned_url("put_object", Params=where, ExpiresIn=60)

    answer = requests.put(url, b"by url", timeout=20)

    assert answer.status_code == 200, answer.text
    assert "by-url.zip" in account.names(IN)


def test_the_bucket_may_be_named_by_its_host(
    firm: Firm, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, *rest, **more: everywhere("127.0.0.1", *rest, **more)
    )
    endpoint = firm.served.s3.replace("127.0.0.1", "localhost")
    s3 = firm.client(endpoint, s3={"addressing_style": "virtual"})

    put(s3, f"{IN}/virtual.zip", b"by host")

    assert "virtual.zip" in account.names(IN)
    assert f"{IN}/virtual.zip" in keys(s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{IN}/"))
    url = s3.generate_presigned_url("head_bucket", Params={"Bucket": BUCKET})
    assert requests.head(url, timeout=20).headers["x-amz-bucket-region"] == "us-east-1"


def test_an_upload_that_breaks_off_is_abandoned_and_its_sender_sees_it(
    s3: Any, shared: World, account: Account
) -> None:
    where = {"Bucket": BUCKET, "Key": f"{IN}/broken-off.zip"}
    url = urlsplit(s3.generate_presigned_url("put_object", Params=where))
    assert url.hostname
    with socket.create_connection((url.hostname, url.port or 80)) as client:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        client.sendall(f"{head}Content-Length: 100\r\n\r\nnot all".encode())

    def found() -> list[Submission]:
        (page,) = shared.exchange.tracking.all(account.actor, Query("broken-off.zip"))
        return [each for each in page if each.state is State.ABANDONED]

    until = time.monotonic() + 20
    while not found():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "broke off" in found()[0].reason


def test_an_upload_that_is_refused_says_why_in_tracking(
    s3: Any, shared: World, account: Account
) -> None:
    key = f"{IN}/refused.zip"
    refusal(s3.put_object, Bucket=BUCKET, Key=key, Body=b"x", ChecksumCRC32="AAAAAA==")

    ((found,),) = shared.exchange.tracking.all(account.actor, Query("refused.zip"))

    assert (found.state, "crc32" in found.reason) == (State.ABANDONED, True)


# --- down ----------------------------------------------------------------------------------------


def test_a_file_comes_down_whole(s3: Any, published: str) -> None:
    got = s3.get_object(Bucket=BUCKET, Key=published)

    assert got["Body"].read() == CONTENT
    assert got["ContentLength"] == len(CONTENT)
    assert got["AcceptRanges"] == "bytes"


def test_a_whole_file_comes_with_the_checksum_that_clients_verify(s3: Any, published: str) -> None:
    got = s3.get_object(Bucket=BUCKET, Key=published, ChecksumMode="ENABLED")

    assert got["ChecksumSHA256"]
    assert got["ChecksumType"] == "FULL_OBJECT"
    assert got["Body"].read() == CONTENT  # botocore compares


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-9", CONTENT[:10]),
        ("bytes=9990-", CONTENT[-10:]),
        ("bytes=-5", CONTENT[-5:]),
        ("bytes=5-1000000", CONTENT[5:]),
    ],
)
def test_a_range_comes_without_a_checksum_of_the_whole(
    s3: Any, published: str, asked: str, expected: bytes
) -> None:
    got = s3.get_object(Bucket=BUCKET, Key=published, Range=asked, ChecksumMode="ENABLED")

    assert got["Body"].read() == expected
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert "ChecksumSHA256" not in got


def test_a_range_beyond_the_end_is_refused(s3: Any, published: str) -> None:
    found = refusal(s3.get_object, Bucket=BUCKET, Key=published, Range="bytes=10000-")

    assert found == (416, "InvalidRange")


def test_reads_may_have_conditions(s3: Any, published: str) -> None:
    tag = s3.head_object(Bucket=BUCKET, Key=published)["ETag"]
    where = {"Bucket": BUCKET, "Key": published}

    assert s3.get_object(**where, IfMatch=tag)["Body"].read() == CONTENT
    assert refusal(s3.get_object, **where, IfMatch='"other"') == (412, "PreconditionFailed")
    assert refusal(s3.get_object, **where, IfNoneMatch=tag) == (304, "304")
    assert refusal(s3.head_object, **where, IfNoneMatch=tag) == (304, "304")
    assert refusal(s3.head_object, **where, IfMatch='"other"') == (412, "412")


def test_a_file_has_one_part(s3: Any, published: str) -> None:
    got = s3.get_object(Bucket=BUCKET, Key=published, PartNumber=1)

    assert (got["PartsCount"], got["ResponseMetadata"]["HTTPStatusCode"]) == (1, 206)
    assert got["Body"].read() == CONTENT
    assert refusal(s3.head_object, Bucket=BUCKET, Key=published, PartNumber=2) == (416, "416")


def test_the_caller_may_say_how_the_answer_describes_itself(s3: Any, published: str) -> None:
    got = s3.get_object(
        Bucket=BUCKET,
        Key=published,
        ResponseContentType="text/plain",
        ResponseContentDisposition='attachment; filename="mine.txt"',
    )

    assert got["ContentType"] == "text/plain"
    assert got["ContentDisposition"] == 'attachment; filename="mine.txt"'


@pytest.mark.parametrize("wanted", ["text/plain\r\nX-Evil: 1", "text/pl\u00e4in"])
def test_an_answer_is_not_split_by_what_the_caller_wants_in_it(
    s3: Any, published: str, wanted: str
) -> None:
    where = {"Bucket": BUCKET, "Key": published}

    status, _ = refusal(s3.get_object, **where, ResponseContentType=wanted)

    assert status == 400


def test_there_are_no_versions(s3: Any, published: str) -> None:
    where = {"Bucket": BUCKET, "Key": published}

    assert s3.get_object(**where, VersionId="null")["Body"].read() == CONTENT
    assert refusal(s3.get_object, **where, VersionId="3sL4kqtJ") == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"{OUT}/missing.txt", (404, "NoSuchKey")),
        (f"{IN}/one.zip", (403, "AccessDenied")),
        ("0002/app1/out/numbers.txt", (403, "AccessDenied")),
        ("0001/app2/out/numbers.txt", (403, "AccessDenied")),
        ("0001/app1", (404, "NoSuchKey")),  # as tools ask whether it is a file or a folder
        ("0001/app1/in/", (404, "NoSuchKey")),
        ("0001/app", (403, "AccessDenied")),
        (f"{OUT}/a b", (403, "AccessDenied")),
    ],
)
def test_what_may_not_be_read_is_refused(s3: Any, key: str, expected: tuple[int, str]) -> None:
    assert refusal(s3.get_object, Bucket=BUCKET, Key=key) == expected


def test_every_answer_has_the_two_ids_that_tools_show(s3: Any, published: str) -> None:
    got = s3.head_object(Bucket=BUCKET, Key=published)["ResponseMetadata"]

    assert len(got["RequestId"]) == 36
    assert got["HostId"]


# --- what became of an upload ----------------------------------------------------------------


def test_an_upload_is_told_of_to_its_sender_though_it_has_moved_on(
    s3: Any, shared: World, application: Processor
) -> None:
    content = secrets.token_bytes(1000)
    sent = put(s3, f"{IN}/moved.zip", content)
    while leases := application.claim(limit=100):
        for lease in leases:
            shared.exchange.handoff.acknowledge(
                application.actor, lease.submission.tracking_id, lease.fence
            )

    head = s3.head_object(Bucket=BUCKET, Key=f"{IN}/moved.zip")

    assert (head["ETag"], head["ContentLength"]) == (sent["ETag"], 1000)
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{IN}/moved.zip")["KeyCount"] == 0


def test_an_upload_is_told_of_to_nobody_else(s3: Any, shared: World, served: Served) -> None:
    put(s3, f"{IN}/private.zip")
    colleague = Firm.of(shared.account("0001", "both", "app1"), served).client()

    assert refusal(colleague.head_object, Bucket=BUCKET, Key=f"{IN}/private.zip") == (404, "404")


def test_who_may_only_download_is_told_nothing_of_uploads(shared: World, served: Served) -> None:
    reader = Firm.of(shared.account("0001", "download", "app1"), served).client()

    assert refusal(reader.head_object, Bucket=BUCKET, Key=f"{IN}/one.zip") == (403, "403")
    assert refusal(reader.put_object, Bucket=BUCKET, Key=f"{IN}/x.zip", Body=b"x") == (
        403,
        "AccessDenied",
    )
