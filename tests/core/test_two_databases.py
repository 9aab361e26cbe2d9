"""Who there is may live in another database than what is exchanged: all holds as with one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import postgres
import pytest
from folk import enrolled
from sqlalchemy import select
from world import World, made

from transom.core.handoff import Answer
from transom.core.retention import SYSTEM
from transom.core.sessions import NewSession
from transom.core.sign_in import Attempt
from transom.domain.errors import GrantInvalid, NotEntitled, NotFound
from transom.domain.submission import State
from transom.records.database import Database
from transom.records.schema import keys, outbox, people, person_sessions, sessions

SOURCE = "192.0.2.1"


@pytest.fixture
def apart(tmp_path: Path, postgres_common: str) -> Iterator[World]:
    """Identities on SQLite, the exchange on PostgreSQL."""
    identity = f"sqlite:///{tmp_path / 'identity.db'}"
    with (
        postgres.emptied(postgres_common),
        made(tmp_path / "world", postgres_common, identity_url=identity) as world,
    ):
        yield world


def test_the_whole_walk_goes_through(apart: World) -> None:
    firm, app = apart.account(), apart.processor()
    token = apart.exchange.tokens.grant(Attempt(firm.name, firm.secret, SOURCE)).text
    actor = apart.exchange.tokens.redeem(token, SOURCE)

    sent = firm.submit("0001/app1/in/filing.zip", b"filing")
    (lease,) = app.claim()
    apart.exchange.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)
    app.publish("0001/app1/out/answer.txt", b"ok", about=sent.tracking_id)
    apart.exchange.handoff.report(app.actor, sent.tracking_id, lease.fence, Answer(State.ACCEPTED))

    assert apart.exchange.tracking.one(actor, sent.tracking_id).state is State.ACCEPTED
    assert firm.fetch("0001/app1/out/answer.txt") == b"ok"
    with pytest.raises(NotFound):
        app.publish("9999/app1/out/answer.txt")


def test_a_stopped_account_and_organization_count_at_once(apart: World) -> None:
    apart.organization("0003")
    firm, provider = apart.account(), apart.account("0002")
    apart.entitle(provider, "0003", "app1", "both")
    token = apart.exchange.tokens.grant(Attempt(firm.name, firm.secret, SOURCE)).text
    assert provider.names("0003/app1/in") == []

    apart.exchange.administration.set_account_active(SYSTEM, firm.name, active=False)
    apart.exchange.administration.set_organization_active(SYSTEM, "0003", active=False)

    with pytest.raises(GrantInvalid):
        apart.exchange.tokens.redeem(token, SOURCE)
    with pytest.raises(NotEntitled):
        provider.names("0003/app1/in")


def test_both_are_swept_sealed_and_checked(apart: World) -> None:
    firm = apart.account()
    firm.submit("0001/app1/in/filing.zip")
    apart.exchange.tokens.grant(Attempt(firm.name, firm.secret, SOURCE))
    apart.clock.pass_time(timedelta(days=31))

    swept = apart.exchange.retention.sweep()
    sealed = [sealer.seal() for sealer in apart.exchange.sealers]

    assert (swept.listings, swept.tokens) == (1, 1)
    assert len(sealed) == 2
    assert all(sealed)
    assert all(sealer.verify().is_sound for sealer in apart.exchange.sealers)
    apart.exchange.check()


def test_keys_live_with_who_there_is_and_sessions_and_held_uploads_with_what_is_exchanged(
    apart: World,
) -> None:
    firm, admin = apart.account(), apart.exchange.administration
    key = apart.key(firm, "nightly")
    admin.set_organization_networks(SYSTEM, "0001", ["192.0.2.0/24", "127.0.0.0/8"])

    signed_in = apart.exchange.sign_in.enter_with_key(firm.name, key, SOURCE)
    session = apart.exchange.sessions.open(signed_in, NewSession("sftp", SOURCE))
    apart.exchange.sessions.renew([session])
    firm.hold("0001/app1/in/data.partial")
    admin.set_account_holds(SYSTEM, firm.name, holds=False)
    received = firm.rename("0001/app1/in/data.partial", "data")
    admin.end_key(SYSTEM, firm.name, key.fingerprint)

    shown = admin.register.account(firm.name)
    assert (shown.keys, shown.holds) == ((), False)
    assert received.is_received
    assert not apart.exchange.sign_in.offers_key(firm.name, key, SOURCE)
    for database, table in ((apart.database, keys), (identities_of(apart), sessions)):
        with database.reading() as tx:
            assert tx.execute(select(table)).all() == []


def identities_of(world: World) -> Database:
    return world.program.databases.identity


def test_people_live_with_the_identities(apart: World) -> None:
    maria = enrolled(apart).sign_in()

    with apart.program.databases.identity.reading() as tx:
        assert tx.execute(select(people.c.full_name)).scalars().all() == ["Maria Alvarez"]
    with apart.database.reading() as tx:
        for table in (people, person_sessions, outbox):
            assert tx.execute(select(table)).all() == []
    apart.clock.pass_time(timedelta(days=40))
    assert apart.exchange.retention.sweep().sessions == 1
    assert maria.session
