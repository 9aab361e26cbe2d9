"""The demo's applications: connected over the network, and one may be a developer's own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from journeys.servers import Demo, demo, once, put
from world import World

from transom.connector import Worker, accepted
from transom.connector.testing import Harness
from transom.server.demo_application import Beside, accept

FILINGS = Path(__file__).parents[2] / "examples" / "r4530"


@pytest.mark.parametrize("name", ["filing.zip", "n" * 237])
def test_it_accepts_whatever_comes_and_says_so_in_a_file(name: str) -> None:
    worker = Worker("http://127.0.0.1:1", "app1-processor", "secret")
    worker.on("app1/in")(accept)

    handled = Harness(worker).submit("app1/in", b"content", name=name, again=True)

    assert (handled.outcome, handled.findings) == ("ACCEPTED", ())
    ((path, text),) = handled.published.items()
    assert path == f"0001/app1/out/00000000_{name[:200]}.txt"
    assert text.decode().splitlines()[0] == f"app1 accepted {name[:237]}"
    assert b"size         7 bytes" in text


def test_an_application_that_may_not_connect_says_so_and_ends(
    sqlite_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite_world.serving() as served:
        worker = Worker(served.rest, "nobody", "trs_wrong")
        worker.on("app1/in")(accept)
        beside = Beside("app1", worker)
        with caplog.at_level(logging.ERROR):
            beside.start()
            beside.join(20)

    (told,) = (each for each in caplog.records if each.message == "application ended")
    assert "not right" in vars(told)["why"]


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("demo"), "--mine", "app2", "--mine", "r4530") as running:
        yield running


def test_an_application_of_one_s_own_takes_the_place_of_the_demo_s(left_alone: Demo) -> None:
    logins = {each["application"]: each for each in left_alone.ready["applications"]}
    firm = left_alone.account()
    assert set(logins) == {"app2", "r4530"}
    assert logins["app2"]["password"] in left_alone.text

    theirs = firm.upload("theirs.txt", b"for app1")
    asked = firm.request_upload("mine.txt", "app2")
    mine = asked["trackingId"]
    assert put(asked["preSignedUrl"], b"for app2").status_code == 200
    firm.wait_for(theirs)  # the demo's own still works
    assert firm.track(mine)["downstreamStatus"] is None
    worker = Worker(left_alone.ready["rest"], logins["app2"]["user"], logins["app2"]["password"])
    worker.on("app2/in")(lambda _job: accepted())
    beside = Beside("mine", worker)
    beside.start()
    try:
        firm.wait_for(mine)
    finally:
        beside.ask_to_stop()
        beside.join(10)


def test_an_application_that_the_demo_does_not_run_cannot_be_left_to_one(tmp_path: Path) -> None:
    ended = once(
        *("demo", "--data", str(tmp_path / "data"), "--http-port", "0", "--s3-port", "0"),
        *("--mine", "crd"),
    )

    assert ended.returncode == 1
    assert "no application crd" in ended.stderr
    assert "app1, app2, r4530" in ended.stderr


def test_the_rule_4530_processor_judges_filings_in_the_demo(tmp_path: Path) -> None:
    with demo(tmp_path) as served:
        firm = served.account()
        ids = {}
        for name in ("4530_2026Q4.xml", "4530_2026Q4_corrected.xml"):
            asked = firm.request_upload(name, "r4530")
            content = (FILINGS / name).read_bytes()
            assert put(asked["preSignedUrl"], content).status_code == 200
            ids[name] = asked["trackingId"]
        partly = firm.wait_for(ids["4530_2026Q4.xml"], "PARTIALLY_REJECTED")
        firm.wait_for(ids["4530_2026Q4_corrected.xml"])
        seconds = served.terminate()

    assert [(each["record"], each["field"], each["code"]) for each in partly["findings"]] == [
        ("NGS-2026-0312", "branch-zip", "R4530-114"),
        ("NGS-2026-0327", "problem", "R4530-207"),
    ]
    assert partly["resultFiles"] == ["0001/r4530/out/feedback_4530_2026Q4.xml"]
    assert seconds < 10
