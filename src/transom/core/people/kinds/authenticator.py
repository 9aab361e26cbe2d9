"""Authenticator apps: time-based one-time codes (RFC 6238), six digits, every 30 seconds."""

from __future__ import annotations

import base64
import hmac
import io
from typing import Any

import pyotp
import segno
from sqlalchemy import Connection

from transom.core.people.kinds.kind import Asked, Bound, Given, Question
from transom.core.people.kit import Kit
from transom.domain.errors import FactorRejected
from transom.domain.people import FactorKind, Person, Visit
from transom.records import factors
from transom.records.factors import FactorRow

SECRET_PURPOSE = "factor"  # noqa: S105 - the name of a purpose
_SECRET_BYTES = 20
_STEP_SECONDS = 30
_DIGITS = 6
_GROUP = 4


class Authenticator:
    """A code counts in its own step and the one after, and once."""

    kind = FactorKind.AUTHENTICATOR
    needs_asking = False

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def begin(self, tx: Connection, new_id: str, person: Person, given: Given) -> Question:  # noqa: ARG002
        """A fresh secret, as text, link and picture."""
        secret = base64.b32encode(self._kit.entropy.secret(_SECRET_BYTES)).decode()
        return Question({"secret": secret}, self.shown(secret, person))

    def shown(self, secret: str, person: Person) -> dict[str, str]:
        """How a secret is shown to be taken into an app."""
        title = self._kit.rules.title
        uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=title)
        groups = (secret[at : at + _GROUP] for at in range(0, len(secret), _GROUP))
        return {"secret": " ".join(groups), "uri": uri, "qr_svg": _picture(uri)}

    def confirm(self, asked: Asked, answer: str) -> Bound:
        """The first code."""
        secret = asked.data["secret"]
        step = self._step(secret, answer)
        if step is None:
            raise FactorRejected("wrong")
        return Bound({"secret": secret}, counter=step)

    def challenge(self, tx: Connection, new_id: str, factor: FactorRow, visit: Visit) -> Question:  # noqa: ARG002
        """Nothing is sent: the app knows."""
        return Question({})

    def verify(
        self,
        tx: Connection,
        factor: FactorRow,
        asked: Asked | None,  # noqa: ARG002
        answer: str,
    ) -> None:
        """A code of this step or the one before, later than the last used."""
        kept: Any = self._kit.vault.open(SECRET_PURPOSE, factor.sealed)
        step = self._step(kept["secret"], answer)
        if step is None:
            raise FactorRejected("wrong")
        if not factors.advance(tx, factor.id, step, self._kit.clock.now()):
            raise FactorRejected("used")

    def _step(self, secret: str, answer: str) -> int | None:
        """The step that a code is of, or None: of no step that counts now."""
        code = "".join(answer.split())
        if len(code) != _DIGITS or not (code.isascii() and code.isdigit()):
            return None
        totp = pyotp.TOTP(secret)
        now = int(self._kit.clock.wall().timestamp()) // _STEP_SECONDS
        fits = [step for step in (now, now - 1) if hmac.compare_digest(_code(totp, step), code)]
        return fits[0] if fits else None


def _code(totp: pyotp.TOTP, step: int) -> str:
    return totp.generate_otp(step)


def _picture(uri: str) -> str:
    """A QR code as SVG, to stand in a page: no script, no style, no declaration."""
    out = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=True, scale=4, border=4, light="#fff", dark="#000"
    )
    return out.getvalue().decode().strip()
