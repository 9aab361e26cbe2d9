"""Codes by text message and voice call: restricted, because numbers can be stolen.

A code is bound to its request; how many go out is limited for each number, person and source.
"""

from __future__ import annotations

import hmac
from datetime import timedelta

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType
from sqlalchemy import Connection

from transom.core.people.kinds.authenticator import SECRET_PURPOSE
from transom.core.people.kinds.kind import Asked, Bound, Given, Question
from transom.core.people.kit import Kit
from transom.domain.errors import BadParameter, FactorRejected, TooMany
from transom.domain.identity import source_key
from transom.domain.people import FactorKind, Person, Visit
from transom.domain.said import said
from transom.records import grants
from transom.records.factors import FactorRow

CODE_LIFE = timedelta(minutes=5)
RESEND_AFTER = timedelta(seconds=30)
_CODES = 1_000_000
_CODE_BYTES = 8
_DIGITS = 6
_PURPOSE = "phone-code"
_PER_HOUR = {"number": 5, "person": 8, "source": 20}
_FEES = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.PAGER,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.PERSONAL_NUMBER,
    }
)


class Phone:
    """A code that goes to a number; the kind says whether written or spoken."""

    needs_asking = True

    def __init__(self, kit: Kit, kind: FactorKind) -> None:
        self._kit = kit
        self.kind = kind

    def begin(self, tx: Connection, new_id: str, person: Person, given: Given) -> Question:
        """Send the first code to a number as typed."""
        number = read_number(given.phone, self._kit.rules.countries)
        return self._send(tx, new_id, (number, person.id), given.visit)

    def confirm(self, asked: Asked, answer: str) -> Bound:
        """The code that came."""
        self._judge(asked, answer)
        number = asked.data["number"]
        return Bound({"number": number}, hint=masked(number))

    def challenge(self, tx: Connection, new_id: str, factor: FactorRow, visit: Visit) -> Question:
        """Send a code."""
        number = self._kit.vault.open(SECRET_PURPOSE, factor.sealed)["number"]
        return self._send(tx, new_id, (number, factor.principal_id), visit)

    def verify(
        self,
        tx: Connection,  # noqa: ARG002
        factor: FactorRow,  # noqa: ARG002
        asked: Asked | None,
        answer: str,
    ) -> None:
        """The code of this very challenge."""
        if asked is None:
            raise FactorRejected("expired")
        self._judge(asked, answer)

    def _send(self, tx: Connection, new_id: str, to: tuple[str, str], visit: Visit) -> Question:
        number, principal_id = to
        self._require_room(tx, number, principal_id, visit.source)
        code = f"{int.from_bytes(self._kit.entropy.secret(_CODE_BYTES)) % _CODES:0{_DIGITS}}"
        letters = self._kit.letters.in_language(visit.language)
        is_text = self.kind is FactorKind.SMS
        self._kit.post.add(
            tx, letters.code(number, code) if is_text else letters.spoken_code(number, code)
        )
        digest = self._kit.vault.digests(_PURPOSE, f"{new_id}:{code}")[0]
        return Question({"number": number, "digest": digest}, {"sent_to": masked(number)}, number)

    def _require_room(self, tx: Connection, number: str, principal_id: str, source: str) -> None:
        now = self._kit.clock.now()
        again = 1 / RESEND_AFTER.total_seconds()
        wait = grants.take(tx, f"resend/{number}", again, 1, now)
        keys = {"number": number, "person": principal_id, "source": source_key(source)}
        for what, key in keys.items():
            if not wait:
                limit = _PER_HOUR[what]
                wait = grants.take(tx, f"codes/{what}/{key}", limit / 3600, limit, now)
        if wait:
            raise TooMany(said("codes"), wait)

    def _judge(self, asked: Asked, answer: str) -> None:
        if self._kit.clock.now() - asked.sent_at >= CODE_LIFE:
            raise FactorRejected("expired")
        code = "".join(answer.split())
        digests = self._kit.vault.digests(_PURPOSE, f"{asked.id}:{code}")
        if not any(hmac.compare_digest(each, asked.data["digest"]) for each in digests):
            raise FactorRejected("wrong")


def read_number(text: str, countries: tuple[str, ...]) -> str:
    """A number as typed in its one form, +15551230142. Without a +, it is of the first country.

    Raises:
        BadParameter: none, of a country that is not served, or one that costs whoever calls it.
    """
    if not text.strip() or len(text) > 40:  # noqa: PLR2004 - the longest way to write one
        raise BadParameter("phone", said("type a telephone number, with + and the country code"))
    try:
        found = phonenumbers.parse(text, countries[0] if countries else None)
    except NumberParseException as wrong:
        told = said("this is no telephone number; begin it with +")
        raise BadParameter("phone", told) from wrong
    if not phonenumbers.is_valid_number(found) or found.extension:
        told = said("there is no such number; begin it with + and the country code")
        raise BadParameter("phone", told)
    if phonenumbers.region_code_for_number(found) not in countries:
        told = said("codes go to numbers of these countries: %(list)s", list=_list(countries))
        raise BadParameter("phone", told)
    if phonenumbers.number_type(found) in _FEES:
        raise BadParameter("phone", said("codes do not go to numbers of this kind"))
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def _list(countries: tuple[str, ...]) -> str:
    return ", ".join(countries)


def masked(number: str) -> str:
    """A number with its last four digits only: "+1 *** *** 0142"."""
    found = phonenumbers.parse(number)
    return f"+{found.country_code} *** *** {number[-4:]}"
