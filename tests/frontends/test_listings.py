"""Listings in the guide's exact shapes (5.4.1 to 5.4.3), in JSON and in XML."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from world import Caller, Processor, Served, World, xml

from transom.core import browse

BOTH = [("application/json", "json"), ("application/xml", "xml")]


@pytest.fixture(scope="module")
def caller(shared: World, served: Served) -> Caller:
    """Firm 0001 in app1 and app2, as in the guide's samples."""
    account = shared.account("0001", "both", "app1")
    shared.entitle(account, "0001", "app2", "both")
    return served.caller(account)


@pytest.fixture(scope="module")
def application(shared: World) -> Processor:
    processor = shared.processor("app1")
    processor.publish("0001/app1/out/file1.zip", bytes(7473))
    processor.publish("0001/app1/out/file2.pdf", bytes(2408))
    return processor


def directory(name: str, *, writable: bool = False) -> dict[str, Any]:
    return {"name": name, "type": "DIR", "metadata": {"writable": writable}}


def hrefs(served: Served, *paths: str) -> list[dict[str, str]]:
    return [{"href": f"{served.rest}/files{path}"} for path in paths]


def test_an_organization_lists_its_applications(caller: Caller, served: Served) -> None:
    assert caller.listing("0001") == {
        **directory("0001"),
        "children": [directory("app1"), directory("app2")],
        "_links": {
            "self": hrefs(served, "/0001"),
            "parent": hrefs(served, ""),
            "children": hrefs(served, "/0001/app1", "/0001/app2"),
        },
    }


def test_an_application_lists_its_sub_spaces(caller: Caller, served: Served) -> None:
    assert caller.listing("0001/app1") == {
        **directory("app1"),
        "children": [
            directory("in", writable=True),
            directory("in_arcv"),
            directory("out"),
        ],
        "_links": {
            "self": hrefs(served, "/0001/app1"),
            "parent": hrefs(served, "/0001"),
            "children": hrefs(served, "/0001/app1/in", "/0001/app1/in_arcv", "/0001/app1/out"),
        },
    }


@pytest.mark.usefixtures("application")
def test_a_sub_space_lists_its_files(caller: Caller, served: Served) -> None:
    def file(name: str, size: int) -> dict[str, Any]:
        metadata = {
            "writable": False,
            "contentLength": size,
            "lastModified": "2026-11-20T20:36:10.000+0000",
        }
        return {"name": name, "type": "FILE", "metadata": metadata}

    assert caller.listing("0001/app1/out") == {
        **directory("out"),
        "children": [file("file1.zip", 7473), file("file2.pdf", 2408)],
        "_links": {
            "self": hrefs(served, "/0001/app1/out"),
            "parent": hrefs(served, "/0001/app1"),
            "children": hrefs(served, "/0001/app1/out/file1.zip", "/0001/app1/out/file2.pdf"),
        },
    }


def test_keys_come_in_the_order_of_the_guide(caller: Caller) -> None:
    for path in ("0001", "0001/app1", "0001/app1/in"):
        assert list(caller.listing(path)) == ["name", "type", "metadata", "children", "_links"]


def test_an_empty_sub_space_has_no_children(shared: World, served: Served) -> None:
    caller = served.caller(shared.account("0002", "both", "app2"))

    assert caller.listing("0002/app2/in") == {
        **directory("in", writable=True),
        "children": [],
        "_links": {
            "self": hrefs(served, "/0002/app2/in"),
            "parent": hrefs(served, "/0002/app2"),
            "children": [],
        },
    }


def test_the_root_lists_the_organizations_that_an_account_may_act_for(
    shared: World, served: Served
) -> None:
    provider = shared.account("0001", "both", "app1")
    shared.entitle(provider, "0002", "app1", "submit")

    assert served.caller(provider).listing("") == {
        **directory("files"),
        "children": [directory("0001"), directory("0002")],
        "_links": {
            "self": hrefs(served, ""),
            "children": hrefs(served, "/0001", "/0002"),
        },
    }


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("submit", {"in": True}),
        ("download", {"in_arcv": False, "out": False}),
        ("both", {"in": True, "in_arcv": False, "out": False}),
    ],
)
def test_an_account_sees_what_its_level_gives(
    shared: World, served: Served, level: str, shown: dict[str, bool]
) -> None:
    listing = served.caller(shared.account("0001", level, "app1")).listing("0001/app1")

    children = {child["name"]: child["metadata"]["writable"] for child in listing["children"]}
    assert children == shown


@pytest.mark.parametrize("path", ["0001/app1/", "0001/app1"])
def test_one_slash_at_the_end_is_no_level(caller: Caller, path: str) -> None:
    answer = caller.get(f"/files/{path}")

    assert answer.json()["name"] == "app1"


def test_the_archive_lists_under_both_spellings(caller: Caller) -> None:
    caller.upload("0001/app2/in/spelled.txt")

    names = caller.names("0001/app2/in_arcv")
    assert len(names) == 1
    assert caller.names("0001/app2/in_arvcv") == names


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "application/json"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json, application/xml", "application/json"),
        ("", "application/json"),
        (", ;;q=,\xff", "application/json"),
        ("application/xml", "application/xml"),
        ("text/xml", "application/xml"),
        ("Application/XML; charset=utf-8", "application/xml"),
        ("text/html, application/xml;q=0.9", "application/xml"),
    ],
)
def test_accept_decides_between_json_and_xml(
    caller: Caller, accept: str | None, media: str
) -> None:
    headers = {} if accept is None else {"Accept": accept.encode("latin-1")}

    answer = caller.get("/files/0001", headers=headers)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, media)


def tree(element: ET.Element) -> Any:
    """An XML answer as nested pairs of name and content."""
    return [(each.tag, tree(each) if len(each) else each.text) for each in element]


def flat(value: Any) -> Any:
    """The JSON of an answer as its XML should be: arrays are their items under one name."""
    return [
        (name, flat(item) if isinstance(item, dict) else _text(item))
        for name, items in value.items()
        for item in (items if isinstance(items, list) else [items])
    ]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("path", ["", "0001", "0001/app1", "0001/app1/in", "0001/app1/out"])
def test_xml_says_the_same_as_json(caller: Caller, path: str) -> None:
    address = f"/files/{path}".rstrip("/")

    root = xml(caller.get(address, headers={"Accept": "application/xml"}))

    assert root.tag == "folder"
    assert tree(root) == flat(caller.get(address).json())


@pytest.mark.parametrize(("accept", "form"), BOTH)
def test_a_sub_space_of_any_size_is_listed_whole(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, accept: str, form: str
) -> None:
    account, processor = sqlite_world.account(), sqlite_world.processor("app1")
    names = [f"file{n}.txt" for n in range(8)]
    for name in names:
        processor.publish(f"0001/app1/out/{name}")
    with sqlite_world.serving() as served:
        caller = served.caller(account)
        asked = {"headers": {"Accept": accept}}
        whole = caller.get("/files/0001/app1/out", **asked)
        monkeypatch.setattr(browse, "PAGE", 3)
        paged = caller.get("/files/0001/app1/out", **asked)

    assert paged.headers["Content-Type"] == accept
    assert paged.headers["Transfer-Encoding"] == "chunked"
    if form == "json":
        assert paged.json() == whole.json()
    assert paged.content == whole.content
    assert paged.content.count(b"file7.txt") == 2


def test_a_page_full_of_one_name_is_not_the_last(
    monkeypatch: pytest.MonkeyPatch, shared: World, served: Served
) -> None:
    monkeypatch.setattr(browse, "PAGE", 3)
    shared.application("repeats")
    reader, application = shared.account("0001", "both", "repeats"), shared.processor("repeats")
    for name in ("a.txt", "a.txt", "a.txt", "b.txt"):
        application.publish(f"0001/repeats/out/{name}")

    listing = served.caller(reader).get("/files/0001/repeats/out").json()

    assert [child["name"] for child in listing["children"]] == ["a.txt", "b.txt"]
    assert len(listing["_links"]["children"]) == 2


def test_times_are_utc_to_the_millisecond_with_the_offset_of_the_guide(
    sqlite_world: World,
) -> None:
    sqlite_world.clock._wall = datetime(2018, 12, 7, 14, 18, 34, 567_999, UTC)
    account = sqlite_world.account()
    sqlite_world.processor("app1").publish("0001/app1/out/file1.zip")
    with sqlite_world.serving() as served:
        (child,) = served.caller(account).listing("0001/app1/out")["children"]

    assert child["metadata"]["lastModified"] == "2018-12-07T14:18:34.567+0000"
