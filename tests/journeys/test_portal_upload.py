"""Uploads in a real browser: chosen, checked, sent, cancelled, cut off; and without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from browsers import Window, window
from filing import entitled
from playwright.sync_api import Browser, Route, expect
from visitors import Human, Visitor, person
from world import Account, Served, World

PLACE = "/browse/0001/app1/in"
NAME = "4530_2026Q4.xml"


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def maria(sqlite_world: World) -> Human:
    return person(sqlite_world)


@pytest.fixture
def firm(sqlite_world: World, maria: Human) -> Account:
    return entitled(sqlite_world, maria)


@pytest.fixture
def signed_in(served: Served, maria: Human, firm: Account) -> Iterator[Callable[[Window], None]]:  # noqa: ARG001
    """Gives a window the session of somebody who signed in without it, which is quicker."""
    visitor = Visitor(served.portal)
    visitor.headers["User-Agent"] = "Chrome"
    visitor.sign_in(maria)

    def hand(shown: Window) -> None:
        shown.page.context.add_cookies(
            [
                {"name": each.name, "value": each.value or "", "url": served.portal}
                for each in visitor.http.cookies
            ]
        )

    yield hand
    visitor.close()


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str, bytes], str]:
    """Makes a file to choose."""

    def make(name: str, content: bytes = b"content") -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return make


def choose(shown: Window, *paths: str) -> None:
    shown.page.locator("#files").set_input_files(list(paths))


def row(shown: Window, number: int = 0):  # noqa: ANN201
    return shown.page.locator("#uploads > li").nth(number)


@pytest.mark.parametrize("view", [("light", 1280), ("dark", 360)], ids=str)
def test_files_are_checked_sent_and_told_of_row_by_row(
    browser: Browser,
    served: Served,
    firm: Account,
    signed_in: Callable[[Window], None],
    files: Callable[..., str],
    view: tuple[Literal["light", "dark"], int],
) -> None:
    scheme, width = view
    with window(browser, served.portal, scheme=scheme, width=width) as shown:
        signed_in(shown)
        shown.open(PLACE)
        shown.look(f"upload-empty-{scheme}-{width}")
        choose(shown, files(NAME), files("4530 <b>old#1.xml"), files("none.txt", b""))

        expect(row(shown)).to_contain_text("same on both sides")
        expect(row(shown)).to_contain_text("Received")
        expect(row(shown, 1)).to_contain_text("Not sent. U+0020 is not allowed in file names.")
        expect(row(shown, 1)).to_contain_text("Suggested: 4530bold1.xml")
        expect(row(shown, 2)).to_contain_text("the file is empty")
        shown.look(f"upload-rows-{scheme}-{width}")

        row(shown, 1).get_by_text("Send under this name").click()
        expect(row(shown, 1)).to_contain_text("Received")
        row(shown, 2).get_by_text("Leave out").click()
        expect(shown.page.locator("#uploads > li")).to_have_count(2)
        assert len(firm.names("0001/app1/in_arcv")) == 2
        shown.open("/browse/0001/app1/in_arcv")
        shown.look(f"place-{scheme}-{width}")
        shown.page.locator("tbody a").first.click()
        shown.page.locator("summary", has_text="terminal").click()
        shown.look(f"file-{scheme}-{width}")
        for path, name in (("/browse", "applications"), ("/browse/0001/app1", "application")):
            shown.open(path)
            shown.look(f"{name}-{scheme}-{width}")


def test_what_is_cut_off_is_told_and_sent_again_from_the_start(
    browser: Browser,
    served: Served,
    firm: Account,
    signed_in: Callable[[Window], None],
    files: Callable[..., str],
) -> None:
    with window(browser, served.portal) as shown:
        signed_in(shown)
        shown.open(PLACE)
        cuts = iter([True, False])

        def cut(route: Route) -> None:
            if next(cuts):
                route.abort("connectionreset")
            else:
                route.continue_()

        shown.page.route("**/upload/**", cut)
        choose(shown, files(NAME))
        expect(row(shown)).to_contain_text("Nothing was submitted.")
        shown.look("upload-cut-off")
        row(shown).get_by_role("button", name="Retry").click()

        expect(row(shown)).to_contain_text("Received")
        assert firm.names("0001/app1/in") == [NAME]
        shown.trouble.clear()  # the browser tells of the cut itself


def test_whoever_is_signed_out_meanwhile_signs_in_and_sends_on(
    browser: Browser,
    served: Served,
    maria: Human,
    firm: Account,
    signed_in: Callable[[Window], None],
    files: Callable[..., str],
) -> None:
    with window(browser, served.portal) as shown:
        signed_in(shown)
        shown.open(PLACE)
        beside = shown.page.context.new_page()
        beside.goto(served.portal + "/account")
        beside.locator(".menu summary").click()
        beside.get_by_role("button", name="Sign out").click()
        expect(beside.locator("body")).to_contain_text("You are signed out.")
        choose(shown, files(NAME))

        expect(row(shown)).to_contain_text("you are signed out")
        shown.look("upload-signed-out")
        with shown.page.context.expect_page() as opened:
            row(shown).get_by_role("link", name="Sign in").click()
        other = opened.value
        other.get_by_label("User name").fill(maria.email)
        other.get_by_text("Continue").click()
        other.get_by_label("Password", exact=True).fill(maria.password)
        other.get_by_text("Continue").click()
        other.get_by_label("Code shown by the app").fill(maria.code())
        other.get_by_role("button", name="Sign in").click()
        expect(other.locator("h1")).to_have_text("Files in 0001/app1/in")
        other.close()
        row(shown).get_by_role("button", name="Retry").click()

        expect(row(shown)).to_contain_text("Received")
        assert firm.names("0001/app1/in") == [NAME]


def test_at_most_three_move_at_once_and_what_is_cancelled_is_not_submitted(
    browser: Browser,
    served: Served,
    firm: Account,
    signed_in: Callable[[Window], None],
    files: Callable[..., str],
) -> None:
    with window(browser, served.portal) as shown:
        signed_in(shown)
        shown.open(PLACE)
        held: list[Route] = []
        holds = [True]

        def hold(route: Route) -> None:
            if holds:
                held.append(route)
            else:
                route.continue_()

        shown.page.route("**/upload/**", hold)
        choose(shown, *(files(f"f{number}.txt") for number in range(5)))
        expect(row(shown, 3)).to_contain_text("Waits for its turn.")
        shown.page.wait_for_function(
            "document.querySelectorAll('progress:not([hidden])').length == 3"
        )
        assert len(held) == 3
        holds.clear()
        row(shown, 4).get_by_text("Cancel").click()
        row(shown, 0).get_by_text("Cancel").click()
        for each in held[1:]:
            each.continue_()

        for number in (1, 2, 3):
            expect(row(shown, number)).to_contain_text("Received")
        for number in (0, 4):
            expect(row(shown, number)).to_contain_text("Cancelled. Nothing was submitted.")
        assert firm.names("0001/app1/in") == ["f1.txt", "f2.txt", "f3.txt"]
        shown.trouble.clear()


def test_without_scripts_one_form_sends_several_files(
    browser: Browser,
    served: Served,
    firm: Account,
    signed_in: Callable[[Window], None],
    files: Callable[..., str],
) -> None:
    with window(browser, served.portal, scripts=False) as shown:
        signed_in(shown)
        shown.open(PLACE)
        shown.press("Upload files")
        shown.says("Choose at least one file.")
        shown.open(PLACE)
        choose(shown, files(NAME), files("b<i>#.xml"), files('quote".txt'))
        shown.press("Upload files")
        shown.sees("1 of 3 files received")
        shown.page.reload()  # the form goes out once more

        shown.sees("1 of 3 files received")
        assert firm.names("0001/app1/in") == [NAME]
        assert len(firm.names("0001/app1/in_arcv")) == 1
        shown.page.go_back()
        shown.sees("Files in 0001/app1/in")
