"""One file down: step 1 asks for a signed URL, step 2 fetches, as often as it breaks off.

Every byte that came is kept and gone on from; the whole is verified before it takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import httpx2

from transom.client import answers, shapes
from transom.client.addresses import files_path
from transom.client.connections import Request
from transom.client.errors import LinkExpired, NotComplete, ServerFault, Unreachable
from transom.client.local_files import CHUNK_BYTES, Identity, Sink
from transom.client.session import LINK_SECONDS, Progress, Session
from transom.client.values import Fetched

_HELD_SECONDS = 0.2
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


@dataclass(frozen=True, slots=True)
class _Offer:
    """Where to get the bytes, what they are, and until when by the session's clock."""

    identity: Identity
    url: str
    good_until: float


class Download:
    """One file on its way into a sink."""

    def __init__(self, session: Session, path: str, sink: Sink, progress: Progress | None) -> None:
        self._session = session
        self._path = path.strip("/")
        self._sink = sink
        self._progress = progress
        self._began = session.clock()
        self._known = Identity(self._path, None, None)
        self._size: int | None = None
        self._told = ""
        self._skip = 0

    def run(self) -> Fetched:
        """Fetch it, and once more from the start when it is not what the server says it is."""
        for _ in range(2):
            self._fetch_whole()
            sha256 = self._sink.sha256()
            told = {each for each in (self._known.sha256, self._told) if each}
            if told <= {sha256}:
                return self._fetched(sha256, verified=bool(told))
            if not self._sink.restart():
                break
        self._sink.discard()
        raise NotComplete(
            "The file that came is not the one that the server has (SHA-256 differs). It was "
            "thrown away. Get it again.",
            code="digest_mismatch",
        )

    def _fetched(self, sha256: str, *, verified: bool) -> Fetched:
        done, path = self._sink.done, self._sink.finish()
        name = self._path.rpartition("/")[2]
        return Fetched(name, done, sha256, self._session.clock() - self._began, verified, path)

    # --- step 1 ------------------------------------------------------------------------------

    def _ask(self) -> _Offer:
        asked_at = self._session.clock()
        found: Any = self._session.call("GET", files_path(self._path))
        url = shapes.text(found, "preSignedUrl")
        if not url:
            raise ServerFault(f"The server offered no URL for {self._path}. Is it a file?")
        metadata = found.get("metadata")
        size = shapes.count(metadata.get("contentLength")) if isinstance(metadata, dict) else None
        identity = Identity(self._path, size, shapes.digest(found.get("sha256")))
        return _Offer(identity, url, asked_at + LINK_SECONDS)

    def _renewed(self, offer: _Offer) -> _Offer:
        """The same offer while its URL is good, else a new one."""
        if self._session.clock() < offer.good_until:
            return offer
        fresh = self._ask()
        if not fresh.identity.continues(self._known):
            self._start_over(fresh.identity)
        return fresh

    # --- step 2 ------------------------------------------------------------------------------

    def _fetch_whole(self) -> None:
        """Fetch until everything is there; it may break off often, but not without progress."""
        offer = self._ask()
        self._told, self._skip = "", 0
        self._known = replace(offer.identity, etag=self._sink.begin(offer.identity))
        self._size = offer.identity.size
        number = 1
        while True:
            before = self._sink.done
            try:
                self._fetch_rest(offer)
            except LinkExpired as failure:
                if number >= self._session.retries.tries:
                    raise
                offer, why = replace(offer, good_until=0.0), Unreachable(failure.message)
            except Unreachable as failure:
                why = failure
            else:
                return
            number = 1 if self._sink.done > before else number
            self._session.retries.pause(number, why)
            number += 1
            offer = self._renewed(offer)

    def _fetch_rest(self, offer: _Offer) -> None:
        if self._sink.done and self._sink.done == self._size:
            return  # an earlier run fetched the last byte, and ended before it was put in place
        with self._session.open_link(Request("GET", offer.url, self._range())) as response:
            self._require_rest(response)
            self._tell()
            for piece in self._pieces(response):
                self._take(piece)
        if self._skip or (self._size is not None and self._sink.done < self._size):
            raise Unreachable(f"The download stopped at {self._sink.done} of {self._size} bytes.")

    def _pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        """The body in large pieces, smaller where it comes slowly; also what came before a cut."""
        clock = self._session.clock
        held: list[bytes] = []
        size, since = 0, clock()
        try:
            for chunk in response.iter_raw():
                held.append(chunk)
                size += len(chunk)
                if size >= CHUNK_BYTES or clock() - since >= _HELD_SECONDS:
                    yield b"".join(held)
                    held, size, since = [], 0, clock()
        except httpx2.TransportError:
            if held:
                yield b"".join(held)
            raise
        if held:
            yield b"".join(held)

    def _range(self) -> dict[str, str]:
        if not self._sink.done:
            return {}
        asked = {"Range": f"bytes={self._sink.done}-"}
        return asked | {"If-Range": self._known.etag} if self._known.etag else asked

    def _require_rest(self, response: httpx2.Response) -> None:
        """See where the answer begins, and that it is of the same content."""
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._start_over(replace(self._known, etag=""))
            raise Unreachable("The server's file is shorter than what was fetched of it.")
        if not response.is_success:
            raise answers.signed_refusal(answers.refused(response))
        etag = _strong(response.headers.get("etag", ""))
        same = bool(etag) and etag == self._known.etag
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            self._require_range(response.headers, is_other=bool(self._known.etag) and not same)
        else:
            self._require_start(response.headers, same=same)
        self._told = answers.told_sha256(response.headers) or self._told
        if etag != self._known.etag:
            self._learn(replace(self._known, etag=etag))

    def _require_range(self, headers: httpx2.Headers, *, is_other: bool) -> None:
        found = _RANGE.fullmatch(headers.get("content-range", ""))
        if found is None or int(found[1]) != self._sink.done:
            raise ServerFault("The server sent another part of the file than it was asked for.")
        if is_other or int(found[2]) != (self._size if self._size is not None else int(found[2])):
            self._start_over(replace(self._known, etag=""))
            raise Unreachable("Another file came in place of the one that was being fetched.")
        self._size = int(found[2])

    def _require_start(self, headers: httpx2.Headers, *, same: bool) -> None:
        """The whole file comes, although perhaps only its rest was asked for."""
        length = headers.get("content-length", "")
        if self._size is None and length.isascii() and length.isdigit():
            self._size = int(length)
        if self._sink.done and not self._sink.restart():
            if not (same or self._known.sha256):
                raise _changed()
            self._skip = self._sink.done  # what was written stays; the digest tells if it fits

    def _take(self, chunk: bytes) -> None:
        if self._skip:
            skipped = min(self._skip, len(chunk))
            self._skip, chunk = self._skip - skipped, chunk[skipped:]
        if self._size is not None and self._sink.done + len(chunk) > self._size:
            raise ServerFault("The server sends more than the file has.")
        self._sink.write(chunk)
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._sink.done, self._size)

    def _learn(self, identity: Identity) -> None:
        self._known = identity
        self._sink.remember(identity)

    def _start_over(self, identity: Identity) -> None:
        if not self._sink.restart():
            raise _changed()
        self._told, self._skip, self._size = "", 0, identity.size
        self._learn(identity)


def _changed() -> NotComplete:
    return NotComplete(
        "Another file of this name came while this one was fetched. What was written so far is of "
        "the older one. Get it again.",
        code="changed_meanwhile",
    )


def _strong(etag: str) -> str:
    """An entity tag that vouches for every byte, else ""."""
    return "" if etag.startswith("W/") else answers.clean(etag)
