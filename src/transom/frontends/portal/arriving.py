"""One file on its way in through the portal: the same path into the core as at every door.

The session is looked at once a minute while bytes come, which keeps it alive, and once more right
before the commit: one that has ended submits nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from starlette.types import Message, Receive

from transom.core.bodies import Body, Stated
from transom.domain.entitlement import Actor
from transom.domain.errors import (
    AlreadySubmitted,
    DigestMismatch,
    GrantInvalid,
    NotEntitled,
    SessionEnded,
    TooLarge,
    Unavailable,
    WrongState,
)
from transom.domain.names import FileName, Place
from transom.domain.people import Assurance
from transom.domain.said import said
from transom.domain.submission import State, Submission
from transom.frontends import context
from transom.frontends.intake import Intake
from transom.frontends.portal import acting
from transom.frontends.portal.calls import Call
from transom.frontends.portal.cookies import Cookie

MOST_BYTES = 5 << 30
"""As much as a signed URL takes."""

LOOK_SECONDS = 60.0
_TRIES = 8
_ENDED = "the session ended before the file was received"

_SENT_BEFORE = said(
    "This page has sent another file of this name before. Nothing was submitted. "
    "Load the page again, and choose the file once more."
)


class OtherContent(WrongState):
    """A form that was sent before came again with another file of the same name."""

    code = "other_content"

    def __init__(self) -> None:
        super().__init__("This form", "sent already", "new")
        self.args = (_SENT_BEFORE,)


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that somebody sends: where to, under which name, under which idempotency key.

    `sha256` (64 hex digits) is what the browser made of it, "" where it made none.
    """

    place: Place
    name: FileName
    key: str
    sha256: str = ""


async def take(call: Call, sent: Sent, source: Receive) -> Submission:
    """Receive a file's bytes and submit it; the same key leads to the same submission.

    Raises:
        SessionEnded, NotEntitled: meanwhile; nothing was submitted.
        BodyBrokeOff: the bytes stopped coming; the same key may try again.
        OtherContent: the key was used for another file.
        DigestMismatch, TooLarge, StorageFull, Unavailable: nothing was submitted.
    """
    asked = await call.run(open_submission, call, sent)
    if asked.is_received:
        return await _compare(call, asked, source)
    context.tracking_id.set(asked.tracking_id)
    try:
        return await _receive(call, sent, asked.tracking_id, source)
    except AlreadySubmitted:  # by another try that ran beside this one
        return await call.run(call.exchange.tracking.one, _actor(call), asked.tracking_id)
    except (SessionEnded, NotEntitled, DigestMismatch, TooLarge) as refusal:
        why = _ENDED if isinstance(refusal, SessionEnded) else refusal.message
        await call.run(call.exchange.uploads.abandon, _actor(call), asked.tracking_id, why)
        raise


def open_submission(call: Call, sent: Sent) -> Submission:
    """The submission of this key: a new one, or as it stands. Called in a worker.

    One that was given up is followed by another, which the key leads to from then on.

    Raises:
        NotEntitled, BadParameter, Unavailable
    """
    request = call.exchange.uploads.request
    for number in range(_TRIES):
        key = f"{sent.key}/{number}" if number else sent.key
        found = request(_actor(call), sent.place, sent.name, call.client, key).submission
        if found.state is not State.ABANDONED:
            return found
    raise WrongState("This upload", State.ABANDONED, "new")


async def _receive(call: Call, sent: Sent, tracking_id: str, source: Receive) -> Submission:
    begin = call.exchange.bodies.begin
    body = await call.run(begin, _actor(call), tracking_id, Stated(), MOST_BYTES)
    intake = Intake(body, call.around.workers, call.around.pace)
    try:
        await intake.run(Watched(call, source, body))
        await intake.settle()
        await stand(call, sent.place)
        return await call.run(body.commit, sent.sha256)
    except BaseException:
        await intake.settle()
        await call.run(body.close)
        raise


async def stand(call: Call, place: Place) -> None:
    """Return quietly when the session lives, and the person may upload there still.

    Raises:
        SessionEnded, NotEntitled, Unavailable
    """
    token = call.cookies.get(Cookie.SESSION, "")
    call.found = await call.run(call.people.sign_in.resume, call.visit, token)
    if call.found.assurance is not Assurance.FULL:
        raise SessionEnded("ended")
    try:
        call.acting = await acting.read(call)
    except GrantInvalid:
        raise SessionEnded("ended") from None
    call.exchange.uploads.require_right(call.acting.actor, place)


class Watched:
    """What a body comes from; while it comes, its session is in use."""

    def __init__(self, call: Call, source: Receive, body: Body) -> None:
        self._call = call
        self._source = source
        self._body = body
        self._next = call.around.clock.monotonic() + LOOK_SECONDS

    async def __call__(self) -> Message:
        """The next message.

        Raises:
            SessionEnded: the session ended meanwhile.
        """
        message = await self._source()
        if self._call.around.clock.monotonic() >= self._next:
            await self._look()
        return message

    async def _look(self) -> None:
        call = self._call
        self._next = call.around.clock.monotonic() + LOOK_SECONDS
        token = call.cookies.get(Cookie.SESSION, "")
        try:
            await call.run(call.people.sign_in.resume, call.visit, token)
            await call.run(call.exchange.uploads.alive, [self._body.tracking_id])
        except Unavailable:
            pass  # asked again in a minute, and before the commit in any case


@dataclass(slots=True)
class _Compared:
    """Bytes that are looked at and not kept."""

    size: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)

    def flush(self) -> None:
        """Nothing to push."""


async def _compare(call: Call, received: Submission, source: Receive) -> Submission:
    """The submission that a key led to before, when this is the same file once more."""
    compared = _Compared()
    await Intake(compared, call.around.workers, call.around.pace).run(source)
    if compared.digest.hexdigest() != received.sha256:
        raise OtherContent
    return received


def _actor(call: Call) -> Actor:
    assert call.acting is not None  # noqa: S101 - only full sessions get here
    return call.acting.actor
