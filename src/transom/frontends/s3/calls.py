"""One authenticated request to the S3 door: what it is about, and what it brings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from starlette.types import Receive, Scope, Send

from transom.core.exchange import Exchange
from transom.core.transfer_tokens import Session
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import BadName, BadParameter, NotEntitled, NotFound
from transom.domain.names import FileName, Place, parse_file_name, parse_upload_name
from transom.domain.submission import AccessMethod, Client
from transom.frontends.intake import Pace
from transom.frontends.requests import client, header
from transom.frontends.s3.errors import KeyTooLong
from transom.frontends.s3.payload import Payload
from transom.frontends.workers import Workers

_MAX_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Bucket:
    """The one bucket: its name, its region, and the domain of virtual-host style, or ""."""

    name: str
    region: str
    domain: str = ""

    @property
    def host(self) -> str:
        """The host that stands for the bucket itself; "" where there is none."""
        return f"{self.name}.{self.domain}" if self.domain else ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every operation works with."""

    exchange: Exchange
    workers: Workers
    bucket: Bucket
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose signature has verified. `bucket` and `key` are "" where it names none."""

    session: Session
    payload: Payload
    query: Mapping[str, str]
    bucket: str
    key: str
    scope: Scope
    receive: Receive
    send: Send

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return self.session.actor

    @property
    def client(self) -> Client:
        """Where it comes from, for the record."""
        return client(self.scope, AccessMethod.S3)

    def header(self, name: str) -> str:
        """The header of this (lower-case) name, or ""."""
        return header(self.scope, name)

    def file(self) -> tuple[Place, FileName]:
        """The file that the key names.

        Raises:
            NotFound: the key is that of a branch on the way to what is granted.
            NotEntitled: there can be none of this key: it is as absent as another firm's.
        """
        granted = (*self.session.read_places, *self.session.write_places)
        if any(f"{place}/".startswith(self.key.rstrip("/") + "/") for place in granted):
            raise NotFound(self.key)
        place, name = self._parts()
        try:
            return place, parse_file_name(name)
        except BadName:
            raise self._nothing() from None

    def new_file(self) -> tuple[Place, FileName]:
        """The file that the key names, as one to be submitted.

        Raises:
            NotEntitled: files cannot be there.
            BadName: this name breaks the rule for names.
        """
        place, name = self._parts()
        return place, parse_upload_name(name)

    def _parts(self) -> tuple[Place, str]:
        path, _, name = self.key.rpartition("/")
        if path != path.strip("/"):
            raise self._nothing()
        try:
            return Place.parse(path), name
        except BadName:
            raise self._nothing() from None

    def _nothing(self) -> NotEntitled:
        return NotEntitled(self.actor.name, Action.LIST, self.key)


def address(scope: Scope, bucket: Bucket) -> tuple[str, str]:
    """Bucket and key that a request names, by its path or by its host.

    Raises:
        BadParameter: the path is not UTF-8 when percent-decoded.
        KeyTooLong
    """
    raw = scope["raw_path"].removeprefix(b"/")
    host = re.sub(r":\d+$", "", header(scope, "host")).lower()
    if bucket.host and host == bucket.host:
        return bucket.name, _decoded(raw)
    name, _, key = raw.partition(b"/")
    return _decoded(name), _decoded(key)


def _decoded(raw: bytes) -> str:
    decoded = unquote_to_bytes(raw)
    if len(decoded) > _MAX_KEY_BYTES:
        raise KeyTooLong
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        raise BadParameter("path", "it is not UTF-8 when percent-decoded") from None
