"""What a browser does at the portal: a page with its files, and the password step of a sign-in."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from time import perf_counter, sleep
from urllib.parse import urlencode, urljoin, urlsplit

_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
_FILES = re.compile(r'<(?:link|script|img)\b[^>]*?(?:href|src)="([^"]+)"')
_SECONDS = 60
_PER_SOURCE = 40
_FOUND, _SEE_OTHER = 200, 303


class NotSignedIn(Exception):
    """The portal did not answer as it should."""


@dataclass
class Browser:
    """One browser: its address on this machine, and its cookies."""

    portal: str
    source: str = "127.0.0.1"
    cookies: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """A connection that is kept."""
        port = urlsplit(self.portal).port
        self._http = HTTPConnection(
            "127.0.0.1", port, timeout=_SECONDS, source_address=(self.source, 0)
        )
        try:
            yield
        finally:
            self._http.close()

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, bytes]:
        """One request; the answer's status and body, as it came over the wire."""
        headers = {"Host": urlsplit(self.portal).netloc, "Accept-Encoding": "gzip"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={each}" for name, each in self.cookies.items())
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._http.request(method, path, urlencode(form) if form else None, headers)
        answer = self._http.getresponse()
        self._keep(answer)
        return answer.status, answer.read()

    def _keep(self, answer: HTTPResponse) -> None:
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value


def weigh(portal: str) -> tuple[int, int, float]:
    """The first look at the sign-in page: bytes of all bodies, number of files, seconds."""
    browser, began = Browser(portal), perf_counter()
    with browser.connected():
        status, page = browser.ask("GET", "/sign-in")
        paths = sorted(set(_FILES.findall(page.decode())))
        bodies = [browser.ask("GET", urljoin("/sign-in", each)) for each in paths]
    taken = perf_counter() - began
    statuses = {status, *(each for each, _ in bodies)}
    if statuses != {_FOUND} or not paths:
        raise NotSignedIn(f"{paths} were answered with {statuses}")
    return len(page) + sum(len(body) for _, body in bodies), 1 + len(paths), taken


def sign_in(portal: str, source: str, email: str, password: str) -> None:
    """Page, user name, password: up to the question for a factor, in a browser of its own.

    Raises:
        NotSignedIn
    """
    browser = Browser(portal, source)
    with browser.connected():
        _, page = browser.ask("GET", "/sign-in")
        _, page = browser.ask("POST", "/sign-in", _form(page, email=email))
        form = _form(page, email=email, password=password)
        status, _ = browser.ask("POST", "/sign-in/password", form)
    if status != _SEE_OTHER:
        raise NotSignedIn(f"a right password was answered with {status}")


def _form(page: bytes, **typed: str) -> dict[str, str]:
    found = _TOKEN.search(page.decode())
    if not found:
        raise NotSignedIn("a page without a form")
    return {"form_token": found[1], **typed}


class Crowd:
    """Many browsers that sign one person in, each from an address that has not tried often."""

    def __init__(self, portal: str, email: str, password: str, threads: int) -> None:
        self._portal, self._email, self._password = portal, email, password
        self._threads = threads
        self._numbers = count()

    def sign_in(self) -> None:
        """One more."""
        at = next(self._numbers) // _PER_SOURCE
        source = f"127.{1 + at // 250}.{at % 250}.1"
        sign_in(self._portal, source, self._email, self._password)

    def hurry(self, seconds: float) -> float:
        """As many as there can be; how many in a second."""
        until, began = perf_counter() + seconds, perf_counter()

        def work(_: int) -> int:
            done = 0
            while perf_counter() < until:
                self.sign_in()
                done += 1
            return done

        with ThreadPoolExecutor(self._threads) as pool:
            done = sum(pool.map(work, range(self._threads)))
        return done / (perf_counter() - began)

    @contextmanager
    def keeping(self, per_second: float) -> Iterator[list[float]]:
        """So many in a second for the length of a block; yields the seconds that each took."""
        took: list[float] = []
        ended = threading.Event()

        def one() -> None:
            began = perf_counter()
            self.sign_in()
            took.append(perf_counter() - began)

        def pace() -> None:
            began = perf_counter()
            for number in count(1):
                futures.append(pool.submit(one))
                with suppress(ValueError):  # late already
                    sleep(began + number / per_second - perf_counter())
                if ended.is_set():
                    return

        futures: list[object] = []
        with ThreadPoolExecutor(self._threads) as pool:
            pacer = threading.Thread(target=pace)
            pacer.start()
            try:
                yield took
            finally:
                ended.set()
                pacer.join()
        for each in futures:
            each.result()  # type: ignore[attr-defined]
