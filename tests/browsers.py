"""Real Chromium for the journeys: a window that notes what goes wrong, and looks at each page."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import unavailable
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
SHOTS = Path(__file__).parents[1] / ".cache" / "screenshots"
"""Each page as the tests saw it; kept until the next run, or `make clean`."""

AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_QUIET = re.compile(r"status of (401|403|404|409|410|421|422|429)")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, one for many windows."""
    if not CHROMIUM.exists():
        unavailable.missing("chromium", "the portal's journeys (Debian: apt-get install chromium)")
    options = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=options)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """One window with cookies of its own. `trouble` is what it complained of."""

    page: Page
    portal: str
    trouble: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return urlsplit(self.page.url).path

    @property
    def text(self) -> str:
        return self.page.inner_text("body")

    def open(self, path: str) -> None:
        self.page.goto(self.portal + path)

    def press(self, words: str) -> None:
        """Press a button or follow a link, and wait for the page it leads to."""
        said = f':visible:has-text("{words}")'
        self.page.locator(f"button{said}, a{said}").first.click()
        self.page.wait_for_load_state("load")

    def sign_out(self) -> None:
        """By the menu that bears the person's name."""
        self.page.locator("details.menu summary").click()
        self.press("Sign out")

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)

    def sees(self, heading: str) -> None:
        """The page of this heading comes."""
        expect(self.page.locator("h1")).to_have_text(heading, timeout=10_000)

    def says(self, words: str) -> None:
        expect(self.page.locator("body")).to_contain_text(words, timeout=10_000)

    def look(self, name: str) -> None:
        """Nothing on this page keeps anybody out, nothing is cut off; keep a picture of it."""
        found = Axe().run(self.page, options=AXE).response["violations"]
        told = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
        assert not told, f"{name}: {told}"
        too_wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, f"{name} is {too_wide} px wider than the window"
        assert self.page.locator("h1").count() == 1, name
        assert self.page.locator("main .button-primary").count() <= 1, name
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SHOTS / f"{name}.png"), full_page=True)

    def look_in_both_themes(self, name: str) -> None:
        """The same page, light and dark, with no colour on its way from one to the other."""
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            self.look(f"{name}-{scheme}")

    def authenticator(self, *, verifies: bool = True) -> CDPSession:
        """Plug a virtual passkey in: one that verifies its user, or a plain security key."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal" if verifies else "usb",
            "hasResidentKey": verifies,
            "hasUserVerification": verifies,
            "isUserVerified": verifies,
            "automaticPresenceSimulation": True,
        }
        session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return session

    def until(self, what: str) -> None:
        """Wait for a path."""
        end = time.monotonic() + 10
        while self.path != what:
            assert time.monotonic() < end, f"{self.path}: {self.text}"
            self.page.wait_for_timeout(20)


@contextmanager
def window(
    browser: Browser,
    portal: str,
    *,
    width: int = 1280,
    scheme: Literal["light", "dark"] = "light",
    scripts: bool = True,
    **options: Any,
) -> Iterator[Window]:
    """A window on the portal; at the end it must have complained of nothing."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        java_script_enabled=scripts,
        **options,
    )
    context.set_default_timeout(10_000)
    shown = Window(context.new_page(), portal)
    shown.page.on("console", lambda message: shown.trouble.append(message.text))
    shown.page.on("pageerror", lambda error: shown.trouble.append(str(error)))
    shown.page.on("request", lambda request: shown.asked.append(request.url))
    try:
        yield shown
        trouble = [each for each in shown.trouble if not _QUIET.search(each)]
        assert not trouble, trouble
        elsewhere = [u for u in shown.asked if not u.startswith((portal + "/", "data:"))]
        assert not elsewhere, elsewhere
    finally:
        context.close()
