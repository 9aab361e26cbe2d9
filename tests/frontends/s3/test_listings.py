"""Listings by S3: what is granted and the way to it, page by page, in both forms."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from frontends.s3.firm import BUCKET, Firm, branches, keys, refusal
from world import Account, Served, World, xml

from transom.core.retention import SYSTEM

OUT = "0001/app1/out"
NAMES = [f"{number:03}.txt" for number in range(25)]


@pytest.fixture(scope="module")
def filled(shared: World) -> str:
    """A prefix below which there are 25 files."""
    publisher = shared.processor("app1")
    for name in NAMES:
        publisher.publish(f"{OUT}/page-{name}")
    publisher.publish(f"{OUT}/a&b=c,d'e.txt")
    return f"{OUT}/page-"


# --- the way to what is granted -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "below"),
    [
        ("", ["0001/"]),
        ("00", ["0001/"]),
        ("0001/", ["0001/app1/"]),
        ("0001/ap", ["0001/app1/"]),
        ("0001/app1/", ["0001/app1/in/", "0001/app1/in_arcv/", "0001/app1/out/"]),
        ("0001/app1/in", ["0001/app1/in/", "0001/app1/in_arcv/"]),
        ("0001/app1/o", ["0001/app1/out/"]),
    ],
)
@pytest.mark.parametrize("form", ["list_objects", "list_objects_v2"])
def test_above_the_sub_spaces_there_are_only_granted_branches(
    s3: Any, form: str, prefix: str, below: list[str]
) -> None:
    found = getattr(s3, form)(Bucket=BUCKET, Prefix=prefix, Delimiter="/")

    assert branches(found) == below
    assert keys(found) == []
    assert found["IsTruncated"] is False


def test_who_may_only_submit_sees_only_where_it_submits(shared: World, served: Served) -> None:
    submitter = Firm.of(shared.account("0001", "submit", "app1"), served).client()

    found = submitter.list_objects_v2(Bucket=BUCKET, Prefix="0001/app1/", Delimiter="/")

    assert branches(found) == ["0001/app1/in/"]
    assert refusal(submitter.list_objects_v2, Bucket=BUCKET, Prefix=f"{OUT}/") == (
        403,
        "AccessDenied",
    )


def test_a_token_shows_its_application_though_the_account_has_more(
    shared: World, served: Served
) -> None:
    account = shared.account("0001", "both", "app1")
    shared.entitle(account, "0001", "app2", "both")
    s3 = Firm.of(account, served, "app2").client()

    found = s3.list_objects_v2(Bucket=BUCKET, Prefix="0001/", Delimiter="/")

    assert branches(found) == ["0001/app2/"]


@pytest.mark.parametrize(
    "asked",
    [
        {"Prefix": "0002/"},
        {"Prefix": "0002/", "Delimiter": "/"},
        {"Prefix": "0001/app2/", "Delimiter": "/"},
        {"Prefix": "9", "Delimiter": "/"},
        {"Prefix": "0001/app1/in_arcv/../out/", "Delimiter": "-"},
    ],
    ids=str,
)
def test_what_is_not_granted_is_not_listed(s3: Any, asked: dict[str, str]) -> None:
    status, code = refusal(s3.list_objects_v2, Bucket=BUCKET, **asked)

    expected = (501, "NotImplemented") if asked.get("Delimiter") == "-" else (403, "AccessDenied")
    assert (status, code) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_above_the_sub_spaces_the_files_of_all_that_is_granted_come_in_order(
    shared: World, served: Served, size: int
) -> None:
    account = shared.account("0001", "both", "app1")
    for application in ("app1", "app2"):
        shared.processor(application).publish(f"0001/{application}/out/all-{size}.txt")
    s3 = Firm.of(account, served, "app1").client()

    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, PaginationConfig={"PageSize": size}
    )
    found = [each["Key"] for page in pages for each in page.get("Contents", ())]

    apart = [
        each["Key"]
        for sub_space in ("in", "in_arcv", "out")
        for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"0001/app1/{sub_space}/").get(
            "Contents", ()
        )
    ]
    assert found == apart == sorted(apart)
    assert f"0001/app1/out/all-{size}.txt" in found


@pytest.mark.parametrize(
    ("after", "below"),
    [
        ("0001/app1/in/", ["0001/app1/in_arcv/", "0001/app1/out/"]),
        ("0001/app1/in/zzz", ["0001/app1/in_arcv/", "0001/app1/out/"]),
        ("0001/app1/in_arcv/", ["0001/app1/out/"]),
        ("0001/app1/p", []),
        ("0001/app1/a", ["0001/app1/in/", "0001/app1/in_arcv/", "0001/app1/out/"]),
    ],
)
def test_branches_follow_a_marker(s3: Any, after: str, below: list[str]) -> None:
    where = {"Bucket": BUCKET, "Prefix": "0001/app1/", "Delimiter": "/"}

    assert branches(s3.list_objects_v2(**where, StartAfter=after)) == below
    assert branches(s3.list_objects(**where, Marker=after)) == below


def test_branches_come_in_pages_too(s3: Any) -> None:
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="0001/app1/", Delimiter="/", PaginationConfig={"PageSize": 1}
    )

    assert [branches(each) for each in pages] == [
        ["0001/app1/in/"],
        ["0001/app1/in_arcv/"],
        ["0001/app1/out/"],
    ]


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("size", [1, 7, 25, 1000])
def test_files_come_in_order_page_by_page_each_once(
    s3: Any, filled: str, form: str, delimiter: str, size: int
) -> None:
    pages = s3.get_paginator(form).paginate(
        Bucket=BUCKET, Prefix=filled, Delimiter=delimiter, PaginationConfig={"PageSize": size}
    )

    found = [keys(each) for each in pages]

    assert [key for page in found for key in page] == [f"{filled}{name}" for name in NAMES]
    assert {len(page) for page in found[:-1]} <= {size}


def test_a_page_says_how_much_it_has_and_where_it_goes_on(s3: Any, filled: str) -> None:
    where = {"Bucket": BUCKET, "Prefix": filled}

    second = s3.list_objects_v2(**where, MaxKeys=10)
    first = s3.list_objects(**where, MaxKeys=10)

    assert (second["KeyCount"], second["MaxKeys"], second["IsTruncated"]) == (10, 10, True)
    assert second["NextContinuationToken"]
    assert first["NextMarker"] == f"{filled}009.txt"


def test_a_listing_describes_each_file(s3: Any, filled: str) -> None:
    (found,) = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{filled}003", FetchOwner=True)["Contents"]
    head = s3.head_object(Bucket=BUCKET, Key=found["Key"])

    assert (found["ETag"], found["Size"]) == (head["ETag"], head["ContentLength"])
    assert found["LastModified"].replace(microsecond=0) == head["LastModified"]
    assert (found["StorageClass"], found["Owner"]["ID"]) == ("STANDARD", "transom")


def test_files_follow_a_key_that_need_not_be_there(s3: Any, filled: str) -> None:
    where = {"Bucket": BUCKET, "Prefix": filled}

    assert keys(s3.list_objects_v2(**where, StartAfter=f"{filled}0225"))[0].endswith("023.txt")
    assert len(keys(s3.list_objects_v2(**where, StartAfter="0001/app1/in/zzz"))) == 25
    assert keys(s3.list_objects_v2(**where, StartAfter="0001/app1/zzz")) == []
    assert keys(s3.list_objects_v2(**where, StartAfter=f"{filled}024.txt")) == []


@pytest.mark.parametrize("prefix", ["nothing", "deeper/than/this", "\u00e4", "page-~"])
def test_a_prefix_that_no_name_has_is_an_empty_listing(s3: Any, filled: str, prefix: str) -> None:
    del filled

    assert keys(s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{OUT}/{prefix}")) == []


def test_no_keys_at_all_may_be_asked_for(s3: Any, filled: str) -> None:
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=filled, MaxKeys=0)

    assert (keys(found), found["IsTruncated"]) == ([], False)


def test_keys_come_percent_encoded_to_whom_asks_for_it(s3: Any, filled: str) -> None:
    del filled
    where = {"Bucket": BUCKET, "Prefix": f"{OUT}/a&b"}

    plain = s3.list_objects_v2(**where)  # boto3 asks for it, and decodes
    encoded = s3.list_objects_v2(**where, EncodingType="url")

    assert keys(plain) == [f"{OUT}/a&b=c,d'e.txt"]
    assert keys(encoded) == [quote(f"{OUT}/a&b=c,d'e.txt")]
    assert encoded["Prefix"] == quote(f"{OUT}/a&b")


def test_of_one_name_the_newest_file_is_listed(s3: Any, shared: World) -> None:
    publisher = shared.processor("app1")
    for content in (b"1", b"22", b"333"):
        publisher.publish(f"{OUT}/newest.txt", content)

    (found,) = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{OUT}/newest", MaxKeys=1)["Contents"]

    assert found["Size"] == 3


@pytest.mark.parametrize(
    "asked",
    [
        {"ContinuationToken": "none of ours"},
        {"ContinuationToken": "\u00e4"},
        {"ContinuationToken": "AAAA"},
        {"EncodingType": "base64"},
        {"MaxKeys": -1},
    ],
    ids=str,
)
def test_what_cannot_be_read_in_a_question_is_refused(s3: Any, asked: dict[str, Any]) -> None:
    found = refusal(s3.list_objects_v2, Bucket=BUCKET, Prefix=f"{OUT}/", **asked)

    assert found == (400, "InvalidArgument")


# --- the bucket ----------------------------------------------------------------------------------


def test_there_is_one_bucket(s3: Any) -> None:
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == [BUCKET]
    assert s3.head_bucket(Bucket=BUCKET)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    assert "Status" not in s3.get_bucket_versioning(Bucket=BUCKET)
    assert refusal(s3.head_bucket, Bucket="another") == (404, "404")
    assert refusal(s3.list_objects_v2, Bucket="another") == (404, "NoSuchBucket")


def test_buckets_are_not_made(s3: Any) -> None:
    assert refusal(s3.create_bucket, Bucket=BUCKET) == (409, "BucketAlreadyOwnedByYou")
    assert refusal(s3.create_bucket, Bucket="another") == (403, "AccessDenied")


CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
OBJECT = {"Bucket": BUCKET, "Key": f"{OUT}/page-000.txt"}
REFUSED: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    ("delete_object", OBJECT, (403, "AccessDenied")),
    ("delete_bucket", {"Bucket": BUCKET}, (403, "AccessDenied")),
    ("get_object_acl", OBJECT, (403, "AccessDenied")),
    ("put_object_acl", OBJECT | {"ACL": "public-read"}, (403, "AccessDenied")),
    ("get_object_tagging", OBJECT, (403, "AccessDenied")),
    ("get_object_attributes", OBJECT | {"ObjectAttributes": ["ETag"]}, (403, "AccessDenied")),
    ("restore_object", OBJECT | {"RestoreRequest": {"Days": 1}}, (403, "AccessDenied")),
    ("get_bucket_acl", {"Bucket": BUCKET}, (403, "AccessDenied")),
    ("get_bucket_policy", {"Bucket": BUCKET}, (403, "AccessDenied")),
    ("get_bucket_cors", {"Bucket": BUCKET}, (404, "NoSuchCORSConfiguration")),
    ("put_bucket_cors", {"Bucket": BUCKET, "CORSConfiguration": CORS}, (403, "AccessDenied")),
    ("get_bucket_lifecycle_configuration", {"Bucket": BUCKET}, (403, "AccessDenied")),
    ("list_object_versions", {"Bucket": BUCKET}, (403, "AccessDenied")),
    ("put_bucket_policy", {"Bucket": BUCKET, "Policy": "{}"}, (403, "AccessDenied")),
    (
        "copy_object",
        {"Bucket": BUCKET, "Key": "0001/app1/in/copy.txt", "CopySource": OBJECT},
        (403, "AccessDenied"),
    ),
]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"), REFUSED, ids=lambda each: str(each)[:30]
)
def test_what_is_granted_to_nobody_is_refused(
    s3: Any, filled: str, name: str, arguments: dict[str, Any], expected: tuple[int, str]
) -> None:
    del filled

    assert refusal(getattr(s3, name), **arguments) == expected


def test_deleting_many_is_refused_key_by_key(s3: Any, filled: str) -> None:
    gone = [{"Key": f"{filled}000.txt"}, {"Key": "a<b&c"}]

    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": gone, "Quiet": True})

    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [
        (f"{filled}000.txt", "AccessDenied"),
        ("a<b&c", "AccessDenied"),
    ]
    assert s3.head_object(Bucket=BUCKET, Key=f"{filled}000.txt")["ContentLength"] == 6


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", f"/{BUCKET}", (501, "NotImplemented")),
        ("POST", f"/{BUCKET}/{OUT}/page-000.txt", (405, "MethodNotAllowed")),
        ("PUT", "/", (405, "MethodNotAllowed")),
        ("DELETE", "/", (405, "MethodNotAllowed")),
        ("GET", f"/{BUCKET}/%FF", (400, "InvalidArgument")),
    ],
)
def test_what_is_no_operation_is_refused(
    firm: Firm, method: str, path: str, expected: tuple[int, str]
) -> None:
    answer = firm.ask(method, path)

    assert (answer.status_code, xml(answer).findtext("Code")) == expected


def test_a_listing_is_cut_to_the_rights_of_the_moment(shared: World, served: Served) -> None:
    account: Account = shared.account("0001", "both", "app1", "out")
    granted = shared.entitle(account, "0001", "app1", "both", "in")
    s3 = Firm.of(account, served).client()
    assert len(branches(s3.list_objects_v2(Bucket=BUCKET, Prefix="0001/app1/", Delimiter="/"))) == 3

    shared.exchange.administration.end_entitlement(SYSTEM, granted)
    shared.clock.pass_time(timedelta(seconds=11))

    found = s3.list_objects_v2(Bucket=BUCKET, Prefix="0001/app1/", Delimiter="/")
    assert branches(found) == ["0001/app1/out/"]
