"""The services for people, as one record."""

from __future__ import annotations

from dataclasses import dataclass

from transom.core.people.account import Account
from transom.core.people.administration import PeopleAdministration
from transom.core.people.enrolment import Enrolments
from transom.core.people.factor_setup import FactorSetup
from transom.core.people.sign_in import PeopleSignIn


@dataclass(frozen=True, slots=True)
class People:
    """All that a portal needs of people: `exchange.people`."""

    sign_in: PeopleSignIn
    enrolment: Enrolments
    setup: FactorSetup
    account: Account
    administration: PeopleAdministration
