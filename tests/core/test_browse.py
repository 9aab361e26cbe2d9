"""What an actor sees, level by level."""

from datetime import timedelta

import pytest
from world import Account, World

from transom.core import browse
from transom.core.browse import Asked, Files
from transom.domain.entitlement import Action
from transom.domain.errors import NotEntitled, NotFound
from transom.domain.names import FileName, Place
from transom.domain.space import Emptied, OrgKind


def spaces(account: Account, org: str, application: str) -> dict[str, bool]:
    shown = account.world.exchange.browse.application(account.actor, org, application)
    return {child.name: child.writable for child in shown.children}


@pytest.mark.parametrize(
    ("may", "seen"),
    [
        ("submit", {"in": True}),
        ("download", {"in_arcv": False, "out": False}),
        ("both", {"in": True, "in_arcv": False, "out": False}),
    ],
)
def test_each_level_sees_its_sub_spaces_and_may_write_only_inbound(
    sqlite_world: World, may: str, seen: dict[str, bool]
) -> None:
    assert spaces(sqlite_world.account(may=may), "0001", "app1") == seen


def test_the_root_shows_the_organizations_an_account_may_act_for(world: World) -> None:
    provider = world.account("0001")
    world.entitle(provider, "0002", "app2", "submit")

    root = world.exchange.browse.root(provider.actor)

    assert [child.name for child in root.children] == ["0001", "0002"]
    assert not root.writable


def test_an_organization_shows_only_entitled_applications(world: World) -> None:
    firm = world.account(application="app2")

    shown = world.exchange.browse.organization(firm.actor, "0001")

    assert [child.name for child in shown.children] == ["app2"]


def test_what_is_foreign_and_what_is_missing_are_refused_alike(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    exchange = sqlite_world.exchange

    def refusal(org: str, application: str | None = None) -> str:
        with pytest.raises(NotEntitled) as caught:
            if application is None:
                exchange.browse.organization(firm.actor, org)
            else:
                exchange.browse.application(firm.actor, org, application)
        return caught.value.message

    assert refusal("0002") == refusal("9999")
    assert refusal("0001", "app2") == refusal("0001", "nowhere")


def test_a_designating_authority_and_a_firm_see_different_inboxes_of_crd(world: World) -> None:
    world.guide_catalogue()
    world.organization("0900", OrgKind.DESIGNATING_AUTHORITY)

    firm = world.account("0001", application="crd", may="submit")
    authority = world.account("0900", application="crd", may="submit")

    assert spaces(firm, "0001", "crd") == {"incoming_filings": True}
    assert spaces(authority, "0900", "crd") == {"incoming_designations": True}


def test_files_are_listed_by_name(world: World) -> None:
    firm, app = world.account(), world.processor()
    for name in ("b.txt", "a.txt", "B.txt", "_.txt", "1.txt"):
        app.publish(f"0001/app1/out/{name}")

    assert firm.names("0001/app1/out") == ["1.txt", "B.txt", "_.txt", "a.txt", "b.txt"]


def test_of_several_live_files_of_one_name_the_newest_is_shown_and_fetched(world: World) -> None:
    firm, app = world.account(), world.processor()
    for content in (b"first", b"second", b"third"):
        app.publish("0001/app1/out/same.txt", content)
        world.clock.pass_time(timedelta(seconds=1))

    assert firm.names("0001/app1/out") == ["same.txt"]
    assert firm.fetch("0001/app1/out/same.txt") == b"third"


def test_a_sub_space_emptied_at_commit_never_lists_its_files(world: World) -> None:
    world.application("quick", emptied=Emptied.AT_COMMIT)
    firm = world.account(application="quick")

    sent = firm.submit("0001/quick/in/filing.zip")

    assert firm.names("0001/quick/in") == []
    assert firm.names("0001/quick/in_arcv") == [sent.archive_name]
    assert len(world.processor("quick").claim()) == 1


def test_many_files_come_in_pages_without_gap_or_repetition(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "PAGE", 4)
    firm, app = world.account(), world.processor()
    names = [f"{number:02}.txt" for number in range(11)]
    for name in names:
        for _ in range(3):  # repeated names fall across the borders of pages
            app.publish(f"0001/app1/out/{name}")

    pages = list(world.exchange.browse.files(firm.actor, Place.parse("0001/app1/out")))

    assert [each.name for page in pages for each in page] == names
    assert max(len(page) for page in pages) <= 4


def test_a_sub_space_by_itself_says_whether_one_may_write_there(world: World) -> None:
    firm = world.account()
    browse = world.exchange.browse

    inbound = browse.sub_space(firm.actor, Place.parse("0001/app1/in"))
    outbound = browse.sub_space(firm.actor, Place.parse("0001/app1/out"))

    assert (inbound.name, inbound.writable) == ("in", True)
    assert (outbound.name, outbound.writable) == ("out", False)
    for path in ("0001/app1/nowhere", "0001/app2/in", "0002/app1/in"):
        with pytest.raises(NotEntitled):
            browse.sub_space(firm.actor, Place.parse(path))


def test_a_file_is_found_by_its_name_as_the_listing_shows_it(world: World) -> None:
    firm = world.account(may="submit")
    firm.submit("0001/app1/in/filing.zip", b"older")
    world.clock.pass_time(timedelta(seconds=1))
    newer = firm.submit("0001/app1/in/filing.zip", b"newer")
    browse, place = world.exchange.browse, Place.parse("0001/app1/in")

    found = browse.file(firm.actor, place, FileName("filing.zip"))

    assert (found.tracking_id, found.name) == (newer.tracking_id, "filing.zip")
    with pytest.raises(NotFound):
        browse.file(firm.actor, place, FileName("other.zip"))
    with pytest.raises(NotEntitled):
        browse.file(firm.actor, Place.parse("0001/app1/out"), FileName("filing.zip"))


def test_what_is_held_is_listed_nowhere(world: World) -> None:
    firm = world.account()
    firm.hold("0001/app1/in/filing.zip.filepart")
    name = FileName("filing.zip.filepart")

    assert firm.names("0001/app1/in") == firm.names("0001/app1/in_arcv") == []
    with pytest.raises(NotFound):
        world.exchange.browse.file(firm.actor, Place.parse("0001/app1/in"), name)


# --- for people ----------------------------------------------------------------------------------


def page(account: Account, **asked: object) -> Files:
    place = Place.parse("0001/app1/out")
    wanted = Asked(**{"limit": 2} | asked)  # type: ignore[arg-type]
    return account.world.exchange.browse.page(account.actor, place, wanted)


def shown(files: Files) -> list[str]:
    return [str(each.name) for each in files.found]


@pytest.fixture
def firm(world: World) -> Account:
    """Sees the files a to e, b in three versions, and two of another prefix."""
    app = world.processor()
    for name in ("c.x", "a.x", "b.x", "b.x", "e.x", "d.x", "b.x", "z.y", "_.y"):
        app.publish(f"0001/app1/out/{name}", name.encode())
        world.clock.pass_time(timedelta(seconds=1))
    return world.account()


def test_pages_go_forward_and_back_by_name_each_name_once(firm: Account) -> None:
    first = page(firm)
    second = page(firm, after="a.x")
    back = page(firm, before="d.x")
    last = page(firm, after="e.x")

    assert shown(first) == ["_.y", "a.x"]
    assert (first.has_before, first.has_after) == (False, True)
    assert shown(second) == ["b.x", "c.x"]
    assert (second.has_before, second.has_after) == (True, True)
    assert shown(back) == ["b.x", "c.x"]
    assert (back.has_before, back.has_after) == (True, True)
    assert shown(last) == ["z.y"]
    assert not last.has_after


def test_a_page_backwards_shows_the_newest_of_each_name(
    firm: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "PAGE", 2)  # so that a page of rows ends within the name b

    back = page(firm, before="c.x", limit=3)

    assert shown(back) == ["_.y", "a.x", "b.x"]
    assert not back.has_before
    newest = firm.world.exchange.browse.file(firm.actor, back.found[-1].place, FileName("b.x"))
    assert back.found[-1].id == newest.id


def test_pages_keep_to_a_prefix(firm: Account) -> None:
    assert shown(page(firm, prefix="b")) == ["b.x"]
    assert shown(page(firm, prefix="b", before="c")) == ["b.x"]
    assert shown(page(firm, prefix="zz")) == []


def test_an_application_tells_what_is_in_each_folder(
    firm: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "COUNTED", 7)
    firm.submit("0001/app1/in/f.zip")
    at = firm.world.clock.now()

    told = firm.world.exchange.browse.overview(firm.actor, "0001", "app1")

    assert told.title == "APP1"
    assert [(each.space.name, each.count) for each in told.folders] == [
        ("in", 1),
        ("in_arcv", 1),
        ("out", 7),  # nine, counted up to seven
    ]
    assert told.folders[0].newest == at
    assert told.folders[2].newest == at - timedelta(seconds=1)


def test_a_folder_of_which_everything_ended_is_empty(firm: Account) -> None:
    firm.world.clock.pass_time(timedelta(days=40))

    told = firm.world.exchange.browse.contents(firm.actor, Place.parse("0001/app1/out"))

    assert (told.count, told.newest) == (0, None)


def test_applications_stand_with_titles_and_foreign_ones_are_refused(firm: Account) -> None:
    exchange = firm.world.exchange

    (told,) = exchange.browse.applications(firm.actor, "0001")

    assert (told.name, told.title) == ("app1", "APP1")
    assert told.may(Action.UPLOAD)
    for ask in (
        lambda: exchange.browse.applications(firm.actor, "0002"),
        lambda: exchange.browse.overview(firm.actor, "0001", "app2"),
        lambda: exchange.browse.contents(firm.actor, Place.parse("0001/app2/out")),
        lambda: exchange.browse.page(firm.actor, Place.parse("0001/app2/out"), Asked(1)),
    ):
        with pytest.raises(NotEntitled):
            ask()
