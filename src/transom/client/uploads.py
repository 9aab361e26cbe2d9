"""One file up: step 1 asks for a signed URL, step 2 sends the bytes, and nothing is sent twice.

What decides after a failure is whether the server can have the whole file:

- Not all bytes were handed to the network: it cannot, since it was told how many there are. Send
  again, to the same URL while that is good, else from step 1.
- All were, and no answer came, or a fault of the server: it can. Ask tracking, and begin anew only
  where tracking says that the submission was abandoned. To the same URL it may be sent again: a
  second body there is refused, or replaces the first of the same submission.
- Tracking cannot tell: Uncertain. Only people can decide then.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

import httpx2

from transom.client import answers, shapes
from transom.client.addresses import files_path
from transom.client.answers import Answer
from transom.client.connections import Request
from transom.client.digests import Digest
from transom.client.errors import (
    ClientError,
    LinkExpired,
    NotComplete,
    NotThere,
    ServerFault,
    Uncertain,
    Unreachable,
)
from transom.client.local_files import CHUNK_BYTES, Source
from transom.client.session import LINK_SECONDS, Progress, Session
from transom.client.values import Sent, Submission

SETTLE_SECONDS = 60.0
_RESEND_AFTER_SECONDS = 3.0
"""A server that lost its connection may still be at work on what came through it."""

_FIRST_LOOK_SECONDS = 0.25
_SLOWEST_LOOK_SECONDS = 5.0
_NOTHING_KEPT = frozenset({"too_many", "storage_full", "incomplete_body"})
_NOT_COMPLETE = {kind.default_code: kind for kind in (NotComplete, LinkExpired)}
"""What is tried again like something unreachable, and is called by its own name at the end."""

_ARRIVED = frozenset({"held", "received", "accepted", "partially_rejected", "rejected"})


@dataclass(frozen=True, slots=True)
class Offer:
    """Where to put the bytes of one submission, and until when by the session's clock."""

    tracking_id: str
    url: str
    good_until: float


class Verdict(Enum):
    """What became of one try at step 2."""

    RECEIVED = auto()
    NOTHING_KEPT = auto()
    EXPIRED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try came to, and why. `headers` are of the answer where it was received."""

    verdict: Verdict
    why: Unreachable
    headers: httpx2.Headers | None = None
    may_resend: bool = True


class Body:
    """One reading of a source on its way out. The last bytes leave only if it did not change."""

    def __init__(self, source: Source, progress: Progress | None, expected: str = "") -> None:
        self._source = source
        self._progress = progress
        self._expected = expected  # its digest at an earlier reading, if there was a whole one
        self.handed = 0
        self.sha256 = ""
        self.may_be_whole = False

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, in chunks.

        Raises:
            NotComplete: the source changed, or cannot be read.
        """
        source, digest, done = self._source, Digest(), 0
        source.rewind()
        self._tell()
        while done < source.size:
            chunk = source.read(min(CHUNK_BYTES, source.size - done))
            digest.update(chunk)
            done += len(chunk)
            if done == source.size:
                self._complete(digest.hexdigest())
            yield chunk
            self.handed = done
            self._tell()
        if source.size == 0:
            self._complete(digest.hexdigest())

    def _complete(self, sha256: str) -> None:
        self._source.require_unchanged()
        if self._expected not in {"", sha256}:
            raise self._source.changed()
        self.sha256 = sha256
        self.may_be_whole = True  # from here on the server may have it all

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.handed, self._source.size)


class Upload:
    """One source on its way to one place."""

    def __init__(self, session: Session, source: Source, place: str) -> None:
        self._session = session
        self._source = source
        self._place = place.strip("/")
        self._began = session.clock()
        self._tries = 0
        self._sha256 = ""
        self.progress: Progress | None = None
        self.on_requested: Callable[[str], None] | None = None
        self.settle_seconds = SETTLE_SECONDS

    def run(self) -> Sent:
        """Upload it; raises what Client.put promises."""
        while True:
            sent = self._deliver(self._offer())
            if sent is not None:
                return sent

    # --- step 1 ------------------------------------------------------------------------------

    def _offer(self) -> Offer:
        asked_at = self._session.clock()
        path = files_path(f"{self._place}/{self._source.name}")
        key = {"Idempotency-Key": str(uuid.uuid4())}  # so that a repeated step 1 opens only one
        found = self._session.call("PUT", path, headers=key)
        tracking_id, url = shapes.text(found, "trackingId"), shapes.text(found, "preSignedUrl")
        if not tracking_id or not url:
            raise ServerFault("The server offered no URL to upload to.")
        if self.on_requested is not None:
            self.on_requested(tracking_id)
        return Offer(tracking_id, url, asked_at + LINK_SECONDS)

    # --- step 2 ------------------------------------------------------------------------------

    def _deliver(self, offer: Offer) -> Sent | None:
        """Send the bytes to one URL; None when it takes a new submission, safely."""
        may_have_it = False
        while True:
            outcome = self._try(offer, may_have_it=may_have_it)
            if outcome.headers is not None:
                return self._verified(offer, outcome.headers)
            may_have_it = may_have_it or outcome.verdict is Verdict.UNKNOWN
            if may_have_it:
                found = self._settled(offer, outcome)
                if found is not None:
                    return None if found.state == "abandoned" else self._compared(offer, found)
            self._pause(outcome.why, offer, may_have_it=may_have_it)
            is_over = outcome.verdict is Verdict.EXPIRED or not self._is_good(offer)
            if is_over and not may_have_it:
                return None

    def _try(self, offer: Offer, *, may_have_it: bool) -> Outcome:
        """One PUT and what it came to; raises a refusal that is final.

        Not where an earlier try may have been received: then tracking has the last word.
        """
        body = Body(self._source, self.progress, self._sha256)
        try:
            return self._put(offer, body)
        except ClientError as final:
            final.tracking_id = final.tracking_id or offer.tracking_id
            if not may_have_it:
                raise
            return Outcome(Verdict.UNKNOWN, Unreachable(final.message), may_resend=False)
        finally:
            self._sha256 = self._sha256 or body.sha256

    def _put(self, offer: Offer, body: Body) -> Outcome:
        headers = {
            "Content-Length": str(self._source.size),
            "Content-Type": "application/octet-stream",
        }
        request = Request("PUT", offer.url, headers, content=body)
        try:
            with self._session.open_link(request) as response:
                answer = answers.refused(response)
        except Unreachable as failure:
            return self._unanswered(body, failure)
        if not answer.is_success:
            return _refused(body, answer)
        if not body.may_be_whole:  # nobody who was told the length says so before the end
            return Outcome(Verdict.UNKNOWN, Unreachable("The server answered too early."))
        return Outcome(Verdict.RECEIVED, Unreachable("Received."), headers=answer.headers)

    def _unanswered(self, body: Body, failure: Unreachable) -> Outcome:
        # An empty file is whole as soon as the head of its request is out.
        if body.may_be_whole or (self._source.size == 0 and failure.connected):
            return Outcome(Verdict.UNKNOWN, failure)
        if body.handed:
            failure = Unreachable(
                f"The upload stopped at {body.handed} of {self._source.size} bytes. Nothing was "
                "submitted. Send it again.",
                code=NotComplete.default_code,
            )
        return Outcome(Verdict.NOTHING_KEPT, failure)

    def _pause(self, why: Unreachable, offer: Offer, *, may_have_it: bool) -> None:
        """Wait before the next try; raises at the last one."""
        self._tries += 1
        try:
            self._session.retries.pause(self._tries, why)
        except Unreachable as last:
            if may_have_it:
                raise self._uncertain(offer) from last
            if last.code in _NOT_COMPLETE:
                kind = _NOT_COMPLETE[last.code]
                raise kind(last.message, tracking_id=offer.tracking_id) from last
            last.tracking_id = offer.tracking_id
            raise

    def _is_good(self, offer: Offer) -> bool:
        return self._session.clock() < offer.good_until

    # --- was it received? --------------------------------------------------------------------

    def _settled(self, offer: Offer, outcome: Outcome) -> Submission | None:
        """What tracking says once it says something; None to send to the same URL again.

        Raises:
            Uncertain: it said nothing, or could not be asked, for as long as is waited.
        """
        clock = self._session.clock
        began, pause = clock(), _FIRST_LOOK_SECONDS
        while True:
            found = self._tracked(offer)
            if found is not None and (found.state in _ARRIVED or found.state == "abandoned"):
                return found
            waited = clock() - began
            may_resend = outcome.may_resend and self._may_resend(offer)
            if found is not None and may_resend and waited >= _RESEND_AFTER_SECONDS:
                return None
            if waited >= self.settle_seconds:
                raise self._uncertain(offer) from outcome.why
            self._session.retries.sleep(pause)
            pause = min(pause * 2, _SLOWEST_LOOK_SECONDS)

    def _may_resend(self, offer: Offer) -> bool:
        return self._tries + 1 < self._session.retries.tries and self._is_good(offer)

    def _tracked(self, offer: Offer) -> Submission | None:
        """The submission, None where tracking does not know it (yet)."""
        try:
            return track(self._session, offer.tracking_id)
        except NotThere:
            return None
        except ClientError as failure:
            raise self._uncertain(offer) from failure

    def _uncertain(self, offer: Offer) -> Uncertain:
        return Uncertain(
            f"All of {self._source.name} went out, and no answer came: it may have been received. "
            f"Ask tracking for {offer.tracking_id} before you send it again.",
            tracking_id=offer.tracking_id,
        )

    # --- is it the same? ---------------------------------------------------------------------

    def _verified(self, offer: Offer, headers: httpx2.Headers) -> Sent:
        """Compare with the digest in the answer, or else with what tracking says."""
        told = answers.told_sha256(headers)
        if told == self._sha256:
            return self._sent(offer, verified=True)
        try:
            found = track(self._session, offer.tracking_id)
        except ClientError as failure:
            if told:
                raise self._differs(offer, "Tracking cannot be asked.") from failure
            return self._sent(offer, verified=False)  # it was received: that much was answered
        return self._compared(offer, found, told)

    def _compared(self, offer: Offer, found: Submission, told: str = "") -> Sent:
        raw = found.raw
        if (raw.get("rawSha256"), raw.get("rawSize")) == (self._sha256, self._source.size):
            return self._sent(offer, verified=True)  # it was a form, which the server took off
        sha256, size = told or found.sha256, found.size
        if sha256 not in {None, "", self._sha256} or size not in {None, self._source.size}:
            raise self._differs(offer, f"Tracking says: {_described(found)}.")
        return self._sent(offer, verified=bool(sha256))

    def _differs(self, offer: Offer, tracked: str) -> NotComplete:
        return NotComplete(
            "The file that arrived is not the one you sent (SHA-256 or size differs). "
            f"{tracked} Ask support before you send it again.",
            code="digest_mismatch",
            tracking_id=offer.tracking_id,
        )

    def _sent(self, offer: Offer, *, verified: bool) -> Sent:
        return Sent(
            offer.tracking_id,
            self._place,
            self._source.name,
            self._source.size,
            self._sha256,
            self._session.clock() - self._began,
            verified,
        )


def _refused(body: Body, answer: Answer) -> Outcome:
    """What a refusal of the signed door means; raises it when it is final."""
    error = answers.signed_refusal(answer)
    why = error if isinstance(error, Unreachable) else Unreachable(error.message, code=error.code)
    if isinstance(error, LinkExpired):
        return Outcome(Verdict.EXPIRED, why, may_resend=False)
    if error.code == "already_submitted":
        return Outcome(Verdict.UNKNOWN, why)
    if error.code in _NOTHING_KEPT:
        return Outcome(Verdict.NOTHING_KEPT, why)
    if answer.status >= 500 and error.code != "not_supported":  # noqa: PLR2004 - its own faults
        return Outcome(Verdict.UNKNOWN if body.may_be_whole else Verdict.NOTHING_KEPT, why)
    raise error


def track(session: Session, tracking_id: str) -> Submission:
    """Where one submission stands; raises NotThere when tracking has no record of it."""
    found = shapes.submissions(session.call("GET", "/tracking", params={"id": tracking_id}))
    for each in found:
        if each.tracking_id == tracking_id:
            return each
    raise NotThere(
        "No submission with this id in the last 90 days. Check the id; older ones are not kept.",
        tracking_id=tracking_id,
    )


def _described(found: Submission) -> str:
    size = "size unknown" if found.size is None else f"{found.size} bytes"
    return f"{found.state or found.status}, {size}, sha256 {found.sha256 or 'unknown'}"
