"""The worker's link to the exchange: the gateway for applications, over HTTP.

The wire is docs/reference/gateway.md. Every call may be repeated.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self
from urllib.parse import quote, urlencode

import httpx2

from transom.client.errors import (
    ClientError,
    NotThere,
    RefusedByRule,
    ServerFault,
    Unreachable,
)
from transom.client.options import Options
from transom.client.presets import Server
from transom.client.server import discover
from transom.client.session import Session
from transom.connector.answers import Answer

BLOCK = 1 << 16
_ROOT = "/api/v1/handoff"
_WHOLE, _PART = 200, 206
_TRIES = 3  # of one call; the loops that call it go on for as long as it takes
_PATIENCE_SECONDS = 15  # beyond what the server was asked to wait


@dataclass(frozen=True, slots=True)
class Lease:
    """A submission lent to us. `number` grows each time that the submission is given out."""

    tracking_id: str
    number: int
    acknowledged: bool
    org: str
    application: str
    sub_space: str
    file_name: str
    size: int
    sha256: str
    user_name: str
    submitted_at: datetime

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> Self:
        """Read one of the leases in an answer.

        Raises:
            ServerFault: it is not one.
        """
        try:
            return cls(
                tracking_id=str(told["trackingId"]),
                number=int(told["lease"]),
                acknowledged=bool(told["acknowledged"]),
                org=str(told["org"]),
                application=str(told["application"]),
                sub_space=str(told["subSpace"]),
                file_name=str(told["fileName"]),
                size=int(told["size"]),
                sha256=str(told["sha256"]),
                user_name=str(told["userName"]),
                submitted_at=datetime.fromisoformat(told["submissionTime"]),
            )
        except (KeyError, TypeError, ValueError) as failure:
            raise ServerFault("The server answered a claim with something else.") from failure


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim asks for. The same `key` again gives the same leases again."""

    application: str
    sub_spaces: tuple[str, ...]
    limit: int
    lease_seconds: int
    wait_seconds: int
    owed: bool
    key: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file to publish. The same `key` again publishes nothing more; `about` "" is no answer."""

    application: str
    sub_space: str
    name: str
    orgs: tuple[str, ...]
    about: str
    size: int
    sha256: str
    key: str


@dataclass(frozen=True, slots=True)
class Published:
    """A file that an organization can see now. `place` is "0001/r4530/out"."""

    place: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Account:
    """As whom we come. `ca_file` is a root to trust beside the system's, in PEM form."""

    user: str
    secret: str = field(repr=False)
    ca_file: Path | None = None


class JobGateway(Protocol):
    """What a job asks of the exchange. Used by several threads at once.

    Raises, each of them:
        ClientError: by the answer; Unreachable when there was none.
    """

    def content(self, tracking_id: str, start: int) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of a submission from an offset on."""

    def acknowledge(self, tracking_id: str, number: int) -> None:
        """Take a submission over."""

    def publish(self, parcel: Parcel, content: BinaryIO) -> tuple[Published, ...]:
        """Publish content, read from where it stands. One try."""


def is_over(failure: ClientError) -> bool:
    """Whether a refusal says that the lease is not ours any more."""
    refused = isinstance(failure, RefusedByRule) and failure.code == "wrong_state"
    return refused or isinstance(failure, NotThere)


def passes(failure: ClientError) -> bool:
    """Whether a failure before the first success may pass by itself, so that waiting helps."""
    if isinstance(failure, Unreachable):
        return failure.may_pass
    return isinstance(failure, ServerFault)


class Gateway:
    """The gateway over HTTP, by a session of the client. Used by several threads at once.

    Raises, each of its methods:
        ClientError: by the answer; Unreachable when there was none.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    def connect(
        cls,
        server: str | Server,
        account: Account,
        sleep: Callable[[float], None],
    ) -> Self:
        """A gateway of this server for this account, which is not tried yet.

        `sleep` is how to wait between the few tries that one call makes.

        Raises:
            Unreachable, ServerFault
            RefusedByRule: the URL cannot be read, or is plain http to another machine.
        """
        options: Options = {"ca_file": account.ca_file, "retries": _TRIES, "sleep": sleep}
        found = server if isinstance(server, Server) else discover(server, **options)
        return cls(Session(found, account.user, account.secret, **options))

    def claim(self, claim: Claim) -> tuple[Lease, ...]:
        """Lease what waited longest."""
        body = {
            "limit": claim.limit,
            "leaseSeconds": claim.lease_seconds,
            "waitSeconds": claim.wait_seconds,
            "subSpaces": list(claim.sub_spaces),
            "owed": claim.owed,
        }
        told = self._session.call(
            "POST",
            f"{_ROOT}/{quote(claim.application, safe='')}/claim",
            json=body,
            headers={"Idempotency-Key": claim.key},
            seconds=claim.wait_seconds + _PATIENCE_SECONDS,
        )
        return tuple(Lease.parse(each) for each in _listed(told, "leases"))

    @contextmanager
    def content(self, tracking_id: str, start: int) -> Iterator[Iterator[bytes]]:
        """The bytes of a submission from an offset on."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        path = f"{_ROOT}/submissions/{quote(tracking_id, safe='')}/content"
        with self._session.stream("GET", path, headers=headers) as answer:
            if answer.status_code != (_PART if start else _WHOLE):
                raise ServerFault(f"The server answered {answer.status_code} to a range.")
            yield _blocks(answer)

    def heartbeat(self, tracking_id: str, number: int, seconds: int) -> None:
        """Lengthen a lease from now."""
        self._say(tracking_id, "heartbeat", {"lease": number, "leaseSeconds": seconds})

    def acknowledge(self, tracking_id: str, number: int) -> None:
        """Take a submission over."""
        self._say(tracking_id, "acknowledge", {"lease": number})

    def report(self, tracking_id: str, number: int, answer: Answer) -> None:
        """Answer a submission, taking it over where that was not done."""
        body = {"lease": number, "acknowledge": True, **answer.as_json()}
        self._say(tracking_id, "report", body)

    def release(self, tracking_id: str, number: int, after_seconds: int) -> None:
        """Give a submission back that was not taken over."""
        self._say(tracking_id, "release", {"lease": number, "afterSeconds": after_seconds})

    def publish(self, parcel: Parcel, content: BinaryIO) -> tuple[Published, ...]:
        """Publish content, read from where it stands. One try."""
        place = "/".join(
            quote(part, safe="")
            for part in (parcel.application, "results", parcel.sub_space, parcel.name)
        )
        wanted = [("org", org) for org in parcel.orgs]
        wanted += [("about", parcel.about)] if parcel.about else []
        digest = base64.b64encode(bytes.fromhex(parcel.sha256)).decode()
        headers = {
            "Idempotency-Key": parcel.key,
            "Content-Type": "application/octet-stream",
            "Content-Length": str(parcel.size),
            "Repr-Digest": f"sha-256=:{digest}:",
        }
        blocks = iter(lambda: content.read(BLOCK), b"")
        told = self._session.send(
            "PUT", f"{_ROOT}/{place}?{urlencode(wanted)}", blocks, headers=headers
        )
        return tuple(_published(each) for each in _listed(told, "files"))

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _say(self, tracking_id: str, what: str, body: Mapping[str, Any]) -> None:
        path = f"{_ROOT}/submissions/{quote(tracking_id, safe='')}/{what}"
        self._session.call("POST", path, json=body, seconds=_PATIENCE_SECONDS)


def _blocks(answer: httpx2.Response) -> Iterator[bytes]:
    """The body as it comes, in no particular sizes: what arrived before a cut is given out."""
    try:
        yield from answer.iter_raw()
    except httpx2.TransportError as failure:
        raise Unreachable("The line broke while content was read.") from failure


def _listed(told: Any, member: str) -> Sequence[Mapping[str, Any]]:
    found = told.get(member) if isinstance(told, Mapping) else None
    if not isinstance(found, list):
        raise ServerFault(f'The server\'s answer has no "{member}".')
    return found


def _published(told: Mapping[str, Any]) -> Published:
    try:
        return Published(
            place=f"{told['org']}/{told['application']}/{told['subSpace']}",
            name=str(told["fileName"]),
            size=int(told["size"]),
            sha256=str(told["sha256"]),
        )
    except (KeyError, TypeError, ValueError) as failure:
        raise ServerFault("The server answered a publication with something else.") from failure
