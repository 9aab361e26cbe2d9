"""Publishing: a result goes out whole, to one organization or many, and once for each key."""

import hashlib
from dataclasses import replace

import pytest
from world import Processor, World

from transom.core.publishing import Result
from transom.domain.entitlement import Rights
from transom.domain.errors import BadParameter, DigestMismatch, NotEntitled, NotFound, WrongState
from transom.domain.listing import Listing
from transom.domain.names import FileName, OrgId


def result(*orgs: str, **changes: object) -> Result:
    made = Result("app1", "out", FileName("rates.csv"), tuple(map(OrgId, orgs)))
    return replace(made, **changes)  # type: ignore[arg-type]


def publish(app: Processor, what: Result, content: bytes = b"result") -> list[Listing]:
    with app.account.world.exchange.publishing.begin(app.actor, what) as publication:
        publication.feed(content)
        return publication.commit()


@pytest.mark.parametrize(
    "path",
    [
        "9999/app1/out/answer.txt",  # no such organization
        "0001/app1/in/answer.txt",  # inbound
        "0001/app1/in_arcv/answer.txt",  # the archive
        "0001/app1/nowhere/answer.txt",
    ],
)
def test_results_go_only_into_outbound_sub_spaces_of_organizations_that_exist(
    sqlite_world: World, path: str
) -> None:
    with pytest.raises(NotFound):
        sqlite_world.processor().publish(path)


def test_nobody_publishes_for_another_application(sqlite_world: World) -> None:
    with pytest.raises(NotEntitled):
        sqlite_world.processor("app2").publish("0001/app1/out/answer.txt")


def test_an_open_set_opens_for_the_organization_that_something_is_published_to(
    world: World,
) -> None:
    world.guide_catalogue()
    app = world.processor("tradejrnl")
    mine = world.account("0001", application="tradejrnl", may="download")
    theirs = world.account("0002", application="tradejrnl", may="download")

    app.publish("0001/tradejrnl/equities/2026.csv", b"journal")
    app.publish("0001/tradejrnl/equities/2027.csv", b"journal")

    shown = world.exchange.browse.application(mine.actor, "0001", "tradejrnl")
    assert [child.name for child in shown.children] == ["equities"]
    assert mine.fetch("0001/tradejrnl/equities/2026.csv") == b"journal"
    with pytest.raises(NotEntitled):
        world.exchange.browse.application(theirs.actor, "0002", "tradejrnl")


def test_nothing_is_published_for_an_application_that_is_not_loaded(world: World) -> None:
    app = world.processor()
    ghost = replace(app.actor, rights=Rights(processes=frozenset({"ghost"})))

    with pytest.raises(NotFound):
        world.exchange.publishing.begin(ghost, result("0001", application="ghost"))


def test_one_file_goes_to_many_organizations_at_the_same_moment(world: World) -> None:
    mine, theirs, app = world.account("0001"), world.account("0002"), world.processor()

    shown = publish(app, result("0001", "0002", "0001"), b"rates")

    assert [str(each.place) for each in shown] == ["0001/app1/out", "0002/app1/out"]
    assert len({each.blob_key for each in shown}) == 1
    assert mine.fetch("0001/app1/out/rates.csv") == b"rates"
    assert theirs.fetch("0002/app1/out/rates.csv") == b"rates"


def test_one_unknown_organization_among_many_and_nobody_gets_it(world: World) -> None:
    mine, app = world.account("0001"), world.processor()

    with pytest.raises(NotFound, match="9999"):
        publish(app, result("0001", "9999"))

    assert mine.names("0001/app1/out") == []


@pytest.mark.parametrize("orgs", [(), tuple(str(10_000 + n) for n in range(501))])
def test_a_result_is_for_one_to_five_hundred(sqlite_world: World, orgs: tuple[str, ...]) -> None:
    with pytest.raises(BadParameter):
        publish(sqlite_world.processor(), result(*orgs))


def test_under_one_key_a_result_is_published_once(world: World) -> None:
    mine, app = world.account(), world.processor()
    what = result("0001", "0002", key="7c1e")

    first, again = publish(app, what), publish(app, what)

    assert [each.id for each in again] == [each.id for each in first]
    assert mine.names("0001/app1/out") == ["rates.csv"]
    with world.database.reading() as tx:
        assert tx.exec_driver_sql("SELECT COUNT(*) FROM blobs").scalar() == 1


def test_a_key_that_was_used_for_something_else_is_refused(world: World) -> None:
    mine, app = world.account(), world.processor()
    sent = mine.submit("0001/app1/in/filing.zip")
    what = result("0001", key="7c1e")
    publish(app, what)

    for other, content in (
        (what, b"other content"),
        (replace(what, name=FileName("other.csv")), b"result"),
        (replace(what, orgs=(OrgId("0001"), OrgId("0002"))), b"result"),
        (replace(what, orgs=(OrgId("0002"),)), b"result"),
        (replace(what, about=sent.tracking_id), b"result"),
    ):
        with pytest.raises(WrongState):
            publish(app, other, content)

    assert mine.names("0001/app1/out") == ["rates.csv"]
    assert mine.fetch("0001/app1/out/rates.csv") == b"result"


def test_a_key_is_its_account_s_own(world: World) -> None:
    publish(world.processor(), result("0001", key="same"), b"mine")

    (theirs,) = publish(world.processor(), result("0001", key="same"), b"theirs")

    assert theirs.sha256 == hashlib.sha256(b"theirs").hexdigest()


def test_a_stated_digest_is_verified(world: World) -> None:
    mine, app = world.account(), world.processor()

    with pytest.raises(DigestMismatch):
        publish(app, result("0001", sha256=bytes(32)), b"rates")
    assert mine.names("0001/app1/out") == []

    publish(app, result("0001", sha256=hashlib.sha256(b"rates").digest()), b"rates")
    assert mine.names("0001/app1/out") == ["rates.csv"]


def test_only_the_sender_of_what_is_answered_sees_it_among_the_results(world: World) -> None:
    mine, theirs, app = world.account("0001"), world.account("0002"), world.processor()
    sent = mine.submit("0001/app1/in/filing.zip")
    world.entitle(theirs, "0001", "app1", "both")

    publish(app, result("0002", "0001", about=sent.tracking_id))

    tracked = world.exchange.tracking.one(theirs.actor, sent.tracking_id)
    assert tracked.results == ("0001/app1/out/rates.csv",)


def test_an_answer_goes_at_least_to_who_asked(world: World) -> None:
    sent = world.account("0001").submit("0001/app1/in/filing.zip")

    with pytest.raises(BadParameter, match="about"):
        publish(world.processor(), result("0002", about=sent.tracking_id))
