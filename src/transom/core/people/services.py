"""The services for people, as one record."""

from __future__ import annotations

from dataclasses import dataclass

from transom.core.people.account import Account
from transom.core.people.administration import PeopleAdministration
from transom.core.people.enrolment import Enrolments
from transom.core.people.factor_setup import FactorSetup
from transom.core.people.kit import Kit
from transom.core.people.post import Post
from transom.core.people.proof import Proofs
from transom.core.people.sessions import PeopleSessions
from transom.core.people.sign_in import PeopleSignIn


@dataclass(frozen=True, slots=True)
class People:
    """All that a portal needs of people: `exchange.people`."""

    sign_in: PeopleSignIn
    enrolment: Enrolments
    setup: FactorSetup
    account: Account
    administration: PeopleAdministration
    post: Post


def people_of(kit: Kit) -> People:
    """The services over one kit."""
    sessions, proofs = PeopleSessions(kit), Proofs(kit)
    enrolment = Enrolments(kit, sessions, proofs)
    return People(
        sign_in=PeopleSignIn(kit, sessions, proofs),
        enrolment=enrolment,
        setup=FactorSetup(kit, sessions, proofs, enrolment),
        account=Account(kit, sessions, proofs),
        administration=PeopleAdministration(kit, proofs),
        post=kit.post,
    )
