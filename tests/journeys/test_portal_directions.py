"""Pages in languages that do not exist yet: from right to left, and of long words.

Both are English in disguise, so that nobody has to read Arabic to see what is wrong. Beside them
the language that there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from gettext import NullTranslations

import pytest
from answering import answer
from browsers import SHOTS, Window, window
from filing import entitled
from playwright.sync_api import Browser
from visitors import Human, Visitor, person
from world import Served, World

from transom.domain.submission import Finding, State
from transom.frontends.portal.language import LANGUAGES, Language

WIDTHS = (1280, 360)
LOOKED_AT = ("/sign-in", "/help", "/home", "/browse/0001/app1/in", "/submissions", "/account")
LONG_NAME = "4530_" + "W" * 200 + ".xml"
PLAIN = re.compile(r"(%\(\w+\)[sd]|<[^>]*>|&\w+;)")
VOWEL = re.compile("([aeiouy])", re.IGNORECASE)
LONGER = 1.4


class Longer(NullTranslations):
    """Each text at least 40 % longer, in words that are longer too."""

    def gettext(self, message: str) -> str:
        parts = PLAIN.split(message)
        parts[::2] = [VOWEL.sub(r"\1\1", each) for each in parts[::2]]
        text = "".join(parts)
        return text + " ox" * max(0, -(-round(len(message) * LONGER - len(text)) // 3))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


DISGUISES = {
    "rtl": Language("ar", "العربية", direction="rtl"),
    "longer": Language("de", "Deutsch", catalogue=Longer()),
    "spanish": LANGUAGES["es"],
}
KINDS = ["rtl", "longer", pytest.param("spanish", marks=pytest.mark.drill)]
"""Spanish is shorter than the second; it is there for whoever looks at the pictures."""


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def maria(sqlite_world: World) -> Human:
    return person(sqlite_world, phone="+1 312 555 0142")


@pytest.fixture
def sent(sqlite_world: World, maria: Human) -> str:
    """Something on every page; the tracking id of what was rejected in part."""
    firm, app = entitled(sqlite_world, maria), sqlite_world.processor()
    firm.submit(f"0001/app1/in/{LONG_NAME}")
    answer(app)
    found = firm.submit("0001/app1/in/4530_2026Q4.xml", b"x" * 4_711)
    findings = [Finding("NGS-2026-0312", "branch-zip", "R4530-114", "Must be 5 digits. " * 20)]
    answer(app, State.PARTIALLY_REJECTED, findings)
    app.publish(f"0001/app1/out/{LONG_NAME}", b"x" * 18_400, about=found.tracking_id)
    sqlite_world.clock.pass_time(timedelta(hours=3))
    firm.submit("0001/app1/in/waits.xml")
    return str(found.tracking_id)


@pytest.mark.parametrize("disguise", KINDS)
def test_pages_hold_a_language_from_the_right_and_one_of_long_words(
    browser: Browser,
    served: Served,
    maria: Human,
    sent: str,
    disguise: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cookies = signed_in(served, maria)
    spoken = DISGUISES[disguise]
    monkeypatch.setitem(LANGUAGES, spoken.code, spoken)
    with window(browser, served.portal, locale=spoken.code) as shown:
        for path in ("/sign-in", "/help", "/nowhere"):
            hold(shown, path, spoken, disguise)
        shown.page.context.add_cookies(cookies)
        inbound, outbound = "/browse/0001/app1/in", "/browse/0001/app1/out"
        for path in (
            *("/home", "/browse/0001/app1", inbound, outbound),
            f"{outbound}?file={LONG_NAME}",
            *("/submissions", f"/submissions/{sent}"),
            *("/account", "/account/activity", "/account/factor", "/account/password"),
        ):
            hold(shown, path, spoken, disguise)


def signed_in(served: Served, who: Human) -> list[dict[str, str]]:
    """The cookies of a browser in which somebody is signed in, with a fresh proof."""
    visitor = Visitor(served.portal)
    visitor.sign_in(who)
    found = visitor.http.cookies
    cookies = [
        {"name": each.name, "value": each.value or "", "url": served.portal} for each in found
    ]
    visitor.close()
    return cookies


def hold(shown: Window, path: str, spoken: Language, disguise: str) -> None:
    """The page is in that language, and nothing of it lies beside the window."""
    shown.open(path)
    root = shown.page.locator("html")
    assert (root.get_attribute("lang"), root.get_attribute("dir")) == (
        spoken.code,
        spoken.direction,
    )
    for width in WIDTHS:
        shown.page.set_viewport_size({"width": width, "height": 800})
        beside = shown.page.evaluate(BESIDE)
        assert not beside, f"{path} at {width} px: {beside}"
    if path in LOOKED_AT or path.startswith("/submissions/"):
        SHOTS.mkdir(parents=True, exist_ok=True)
        name = f"{disguise}-{path.strip('/').replace('/', '-')[:20]}"
        shown.page.screenshot(path=str(SHOTS / f"{name}.png"), full_page=True)


BESIDE = """() => [...document.querySelectorAll("body *")].filter((each) => {
  const box = each.getBoundingClientRect();
  const apart = each.closest(".vh, .skip, .scroll, pre");
  return box.width && !apart && (box.left < -1 || box.right > innerWidth + 1);
}).map((each) => each.outerHTML.slice(0, 120)).concat(
  document.documentElement.scrollWidth > innerWidth ? ["the page is wider than the window"] : []
)"""
"""What sticks out; what scrolls inside its own frame does not count."""
