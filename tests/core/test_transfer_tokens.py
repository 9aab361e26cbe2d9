"""Transfer tokens: keys of one hour for one application, kept nowhere, gone with the account."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signed import Keys, Sent, presigned, signed
from sqlalchemy import event
from world import START as TIME
from world import Account, World

from transom.core import present
from transom.core.keyring import KeyRing, ServerKey
from transom.core.present import FRESH_SECONDS, TRUSTED_SECONDS, PresentBook
from transom.core.retention import SYSTEM
from transom.core.sealed_grants import (
    TOKEN_LIFE,
    SealedGrant,
    TokenAltered,
    seal,
    secret_of,
    unseal,
)
from transom.core.signed_urls import Endpoint
from transom.core.transfer_tokens import (
    AccessKeyUnknown,
    Session,
    TokenExpired,
    TransferToken,
    TransferTokens,
)
from transom.domain.authorization import ClockSkewed, MalformedAuthorization
from transom.domain.entitlement import Action, Entitlement, Level
from transom.domain.errors import (
    ExchangeError,
    GrantInvalid,
    NotEntitled,
    NotSupported,
    TooMany,
    Unavailable,
)
from transom.domain.names import OrgId
from transom.domain.presigned import MalformedSignature
from transom.domain.signature import (
    HeaderNotSigned,
    SignatureExpired,
    SignatureMismatch,
    SignatureRefused,
)
from transom.server.assemble import key_ring
from transom.server.system import SystemEntropy

ORG, SOURCE = OrgId("0001"), "192.0.2.1"
GET = Sent(headers={"x-amz-meta-a": "b"})


def granted(firm: Account, application: str = "app1") -> TransferToken:
    return firm.world.exchange.transfer_tokens.grant(firm.actor, ORG, application)


def keys_of(token: TransferToken) -> Keys:
    return Keys(token.access_key_id, token.secret, token.session_token)


def sign(world: World, keys: Keys, request: Sent = GET) -> Sent:
    return signed(request, keys, world.clock.wall())


def redeem(world: World, request: Sent, source: str = SOURCE) -> Session:
    redeem = world.exchange.transfer_tokens.redeem
    return redeem(request.arrived(), source, "request-1").session


def permits(world: World, keys: Keys, source: str = SOURCE) -> bool:
    try:
        redeem(world, sign(world, keys), source)
    except GrantInvalid:
        return False
    return True


def places(session: Session) -> tuple[list[str], list[str]]:
    return [str(each) for each in session.read_places], [str(each) for each in session.write_places]


# --- What is granted ----------------------------------------------------------------------------


def test_keys_have_the_shapes_of_the_guide_s_sample(sqlite_world: World) -> None:
    firm = sqlite_world.account()

    token = granted(firm)

    assert len(token.access_key_id) == 20
    assert token.access_key_id.startswith("ASIA")
    assert len(token.secret) == 40
    assert base64.b64decode(token.secret, validate=True)
    assert len(token.session_token) > 200
    assert base64.b64decode(token.session_token, validate=True)
    assert token.session.name.startswith(f"{firm.name}@")
    assert len(token.session.name) == len(firm.name) + 37
    assert token.session.expires_at == sqlite_world.clock.wall() + TOKEN_LIFE
    assert token.secret not in repr(token)
    assert token.session_token not in repr(token)


@pytest.mark.parametrize(
    ("may", "reads", "writes"),
    [
        ("both", ["0001/app1/in_arcv", "0001/app1/out"], ["0001/app1/in"]),
        ("download", ["0001/app1/in_arcv", "0001/app1/out"], []),
        ("submit", [], ["0001/app1/in"]),
    ],
)
def test_the_places_are_those_that_the_account_may_use(
    sqlite_world: World, may: str, reads: list[str], writes: list[str]
) -> None:
    firm = sqlite_world.account(may=may)
    token = granted(firm)

    assert places(token.session) == (reads, writes)
    session = redeem(sqlite_world, sign(sqlite_world, keys_of(token)))
    assert places(session) == (reads, writes)
    assert session.name == token.session.name
    assert (session.org, session.application) == ("0001", "app1")
    actor = session.actor
    assert (actor.principal_id, actor.source, actor.request_id) == (firm.id, SOURCE, "request-1")
    assert all(Action.LIST in right.actions for _, right in actor.rights.all())


def test_a_token_is_for_one_application(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    sqlite_world.entitle(firm, "0001", "app2", "both")

    session = redeem(sqlite_world, sign(sqlite_world, keys_of(granted(firm, "app2"))))

    assert {place.application for place, _ in session.actor.rights.all()} == {"app2"}


@pytest.mark.parametrize(("org", "application"), [("0001", "app2"), ("0002", "app1"), ("9", "x")])
def test_who_may_do_nothing_there_gets_no_token(
    sqlite_world: World, org: str, application: str
) -> None:
    firm = sqlite_world.account()

    with pytest.raises(NotEntitled):
        sqlite_world.exchange.transfer_tokens.grant(firm.actor, OrgId(org), application)

    assert not sqlite_world.audited("transfer_token.granted")


def test_an_application_s_own_account_gets_no_token(sqlite_world: World) -> None:
    processor = sqlite_world.processor()

    with pytest.raises(NotEntitled):
        sqlite_world.exchange.transfer_tokens.grant(processor.actor, ORG, "app1")


def test_every_token_is_another_and_every_one_is_audited_without_its_secrets(world: World) -> None:
    firm = world.account()

    tokens = [granted(firm), granted(firm)]

    assert len({each for token in tokens for each in (token.access_key_id, token.secret)}) == 4
    entries = world.audited("transfer_token.granted")
    assert [json.loads(each.detail)["session"] for each in entries] == [
        token.session.name for token in tokens
    ]
    assert {(each.principal_id, each.object) for each in entries} == {(firm.id, "0001/app1")}
    written = str([tuple(each) for each in entries])
    assert not any(token.secret in written or token.session_token in written for token in tokens)


def test_an_account_that_asks_too_often_is_told_to_wait(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    for _ in range(120):
        granted(firm)

    with pytest.raises(TooMany):
        granted(firm)

    sqlite_world.clock.pass_time(timedelta(seconds=1))
    assert granted(firm)


def test_an_actor_whose_grants_were_withdrawn_a_moment_ago_gets_no_token(
    sqlite_world: World,
) -> None:
    firm = sqlite_world.account()
    actor = firm.actor
    sqlite_world.exchange.administration.rotate_secret(SYSTEM, firm.name)

    with pytest.raises(GrantInvalid):
        sqlite_world.exchange.transfer_tokens.grant(actor, ORG, "app1")


# --- What verifies ------------------------------------------------------------------------------


def test_a_request_is_verified_in_its_header_and_in_its_query(sqlite_world: World) -> None:
    keys = keys_of(granted(sqlite_world.account()))
    now = sqlite_world.clock.wall()
    request = Sent().asking(partNumber="1", uploadId="a/b+c")

    for sent in (signed(request, keys, now), presigned(request, keys, now)):
        verified = sqlite_world.exchange.transfer_tokens.redeem(sent.arrived(), SOURCE, "")
        assert verified.claim.extra == (("partNumber", "1"), ("uploadId", "a/b+c"))
        assert str(places(verified.session)[1][0]) == "0001/app1/in"


def refused(world: World, request: Sent) -> type[ExchangeError]:
    with pytest.raises(ExchangeError) as refusal:
        redeem(world, request)
    return type(refusal.value)


def test_each_fault_of_a_request_has_its_own_refusal(sqlite_world: World) -> None:
    world, now = sqlite_world, sqlite_world.clock.wall()
    firm = world.account()
    keys, others = keys_of(granted(firm)), keys_of(granted(firm))
    token = str(keys.token)

    def with_keys(access_key_id: str, secret: str, token: str | None) -> Sent:
        return sign(world, Keys(access_key_id, secret, token))

    good = sign(world, keys)
    faults: dict[type[ExchangeError], list[Sent]] = {
        AccessKeyUnknown: [
            with_keys("AKIAIOSFODNN7EXAMPLE", keys.secret, token),
            with_keys("ASIA" + "a" * 16, keys.secret, token),
            with_keys(keys.access_key_id, keys.secret, None),
        ],
        TokenAltered: [
            with_keys(keys.access_key_id, keys.secret, others.token),
            with_keys(others.access_key_id, others.secret, token),
            with_keys(keys.access_key_id, keys.secret, token[:-8]),
            with_keys(keys.access_key_id, keys.secret, "x"),
            with_keys(keys.access_key_id, keys.secret, "A" * 60_000),
        ],
        SignatureMismatch: [
            with_keys(keys.access_key_id, others.secret, token),
            good.having(x_amz_meta_a="c"),
            presigned(GET, keys, now).having(x_amz_meta_a="c"),
        ],
        HeaderNotSigned: [good.having(x_amz_acl="public-read")],
        ClockSkewed: [signed(GET, keys, now - timedelta(minutes=16))],
        SignatureExpired: [presigned(GET, keys, now - timedelta(seconds=61), 60)],
        MalformedAuthorization: [good.having(authorization="AWS4-HMAC-SHA256 Credential=x")],
        MalformedSignature: [Sent(query="X-Amz-Signature=x")],
    }
    for kind, requests in faults.items():
        for request in requests:
            assert refused(world, request) is kind, request


def test_a_token_is_good_for_an_hour_by_the_world_s_clock(sqlite_world: World) -> None:
    keys = keys_of(granted(sqlite_world.account()))
    sqlite_world.clock.move(timedelta(days=2))
    assert permits(sqlite_world, keys)

    sqlite_world.clock.pass_time(TOKEN_LIFE - timedelta(seconds=1))
    assert permits(sqlite_world, keys)
    sqlite_world.clock.pass_time(timedelta(seconds=1))
    assert refused(sqlite_world, sign(sqlite_world, keys)) is TokenExpired


def test_a_url_signed_with_a_token_ends_with_it(sqlite_world: World) -> None:
    keys = keys_of(granted(sqlite_world.account()))
    url = presigned(GET, keys, sqlite_world.clock.wall(), seconds=604_800)
    assert redeem(sqlite_world, url)

    sqlite_world.clock.pass_time(TOKEN_LIFE)

    assert refused(sqlite_world, url) is TokenExpired


def test_a_wrong_signature_is_told_before_anything_about_the_account(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    token = granted(firm)
    sqlite_world.exchange.administration.set_account_active(SYSTEM, firm.name, active=False)
    sqlite_world.clock.pass_time(TOKEN_LIFE)

    forged = Keys(token.access_key_id, "x" * 40, token.session_token)

    assert refused(sqlite_world, sign(sqlite_world, forged)) is SignatureMismatch


# --- What is sealed -----------------------------------------------------------------------------

OLD, NEW = ServerKey("old", b"1" * 32), ServerKey("new", b"2" * 32)
names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=60)
grants = st.builds(
    SealedGrant,
    principal_id=st.uuids().map(str),
    principal_epoch=st.integers(0, 1 << 40),
    org_epoch=st.integers(0, 1 << 40),
    org=names,
    application=names,
    reads=st.lists(names, max_size=20).map(tuple),
    writes=st.lists(names, max_size=20).map(tuple),
    name=st.text(max_size=160),
    issued_at=st.datetimes(timezones=st.just(UTC)),
)


@given(grant=grants)
def test_what_is_sealed_comes_out_as_it_went_in(grant: SealedGrant) -> None:
    token = seal(grant, "ASIA1", OLD, SystemEntropy())

    assert unseal(token, "ASIA1", KeyRing([NEW, OLD])) == (grant, OLD)


def a_seal() -> tuple[SealedGrant, str]:
    grant = SealedGrant("id", 1, 2, "0001", "app1", ("out",), ("in",), "a@b", TIME)
    return grant, seal(grant, "ASIA1", OLD, SystemEntropy())


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_seal_with_one_bit_changed_does_not_open(at: int, bit: int) -> None:
    raw = bytearray(base64.b64decode(a_seal()[1]))
    raw[at % len(raw)] ^= 1 << bit

    with pytest.raises(TokenAltered):
        unseal(base64.b64encode(raw).decode(), "ASIA1", KeyRing([OLD]))


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_seal_cut_short_does_not_open(cut: int) -> None:
    token = base64.b64encode(base64.b64decode(a_seal()[1])[:cut]).decode()

    with pytest.raises(TokenAltered):
        unseal(token, "ASIA1", KeyRing([OLD]))


@pytest.mark.parametrize("junk", ["", "x", "é", "====", "a b", "QQ" * 9000])
def test_what_is_no_seal_does_not_open(junk: str) -> None:
    with pytest.raises(TokenAltered):
        unseal(junk, "ASIA1", KeyRing([OLD]))


@given(token=st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_whatever_is_sent_as_a_token_is_refused(token: str) -> None:
    with pytest.raises(TokenAltered):
        unseal(token, "ASIA1", KeyRing([OLD]))


def test_a_seal_opens_for_its_own_access_key_alone() -> None:
    with pytest.raises(TokenAltered):
        unseal(a_seal()[1], "ASIA2", KeyRing([OLD]))


def test_a_token_outlives_the_turn_of_the_keys_but_not_the_loss_of_its_own(
    sqlite_world: World,
) -> None:
    firm = sqlite_world.account()
    rings = ([OLD], [NEW, OLD], [NEW])
    before, turned, lost = (tokens_with(sqlite_world, KeyRing(ring)) for ring in rings)
    token = before.grant(firm.actor, ORG, "app1")
    request = sign(sqlite_world, keys_of(token)).arrived()

    assert before.redeem(request, SOURCE, "").session == turned.redeem(request, SOURCE, "").session
    with pytest.raises(TokenAltered):
        lost.redeem(request, SOURCE, "")


def test_a_token_that_no_request_could_carry_is_not_made() -> None:
    names = tuple(f"{'n' * 55}{number:04}" for number in range(600))
    grant = replace(a_seal()[0], reads=names[:300])

    assert unseal(seal(grant, "ASIA1", OLD, SystemEntropy()), "ASIA1", KeyRing([OLD]))[0] == grant
    with pytest.raises(NotSupported):
        seal(replace(grant, reads=names), "ASIA1", OLD, SystemEntropy())


def test_a_token_for_an_account_that_is_not_there_is_refused(sqlite_world: World) -> None:
    keys = key_ring(sqlite_world.program.settings)
    access_key_id = "ASIAMFRGGZDFMZTWQ2LK"
    token = seal(a_seal()[0], access_key_id, keys.current, SystemEntropy())
    forged = Keys(access_key_id, secret_of(access_key_id, keys.current), token)

    assert refused(sqlite_world, sign(sqlite_world, forged)) is GrantInvalid


# --- What has changed since ---------------------------------------------------------------------


class Breakable:
    """The identities' database, which does not answer while it is broken."""

    def __init__(self, world: World) -> None:
        self._database = world.program.databases.identity
        self.is_broken = False

    @contextmanager
    def reading(self) -> Iterator[Any]:
        if self.is_broken:
            raise Unavailable("database")
        with self._database.reading() as tx:
            yield tx

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self._database.transaction() as tx:
            yield tx


def tokens_with(
    world: World, keys: KeyRing | None = None, identity: Breakable | None = None
) -> TransferTokens:
    """The service of another process, that has seen nothing yet."""
    own = world.exchange.transfer_tokens
    ring = keys or key_ring(world.program.settings)
    database: Any = identity or world.program.databases.identity
    book = PresentBook(database, own._present._rights, world.clock)
    return TransferTokens(
        ring, Endpoint("http://s3", "us-east-1", "filex"), database, book, own._mint
    )


Change = Callable[[World, Account], object]
ENDS: dict[str, Change] = {
    "a new secret": lambda w, a: w.exchange.administration.rotate_secret(SYSTEM, a.name),
    "a stop": lambda w, a: w.exchange.administration.set_account_active(
        SYSTEM, a.name, active=False
    ),
    "an end": lambda w, a: w.exchange.administration.end_account(SYSTEM, a.name),
    "a stop of the firm": lambda w, _: w.exchange.administration.set_organization_active(
        SYSTEM, "0001", active=False
    ),
    "a stop and start of the firm": lambda w, _: [
        w.exchange.administration.set_organization_active(SYSTEM, "0001", active=active)
        for active in (False, True)
    ],
    "other networks": lambda w, a: w.exchange.administration.allow_networks(
        SYSTEM, a.name, ["10.0.0.0/8"]
    ),
}


@pytest.mark.parametrize("change", ENDS)
def test_a_token_ends_within_ten_seconds_of(sqlite_world: World, change: str) -> None:
    firm = sqlite_world.account()
    keys = keys_of(granted(firm))
    assert permits(sqlite_world, keys)

    ENDS[change](sqlite_world, firm)
    sqlite_world.clock.pass_time(timedelta(seconds=FRESH_SECONDS))

    assert not permits(sqlite_world, keys)


def test_a_right_that_is_withdrawn_leaves_the_token(sqlite_world: World) -> None:
    firm = sqlite_world.account(may="download")
    sqlite_world.entitle(firm, "0001", "app1", "submit")
    keys = keys_of(granted(firm))

    sqlite_world.exchange.administration.end_entitlement(
        SYSTEM, Entitlement(firm.id, "0001", "app1", "", Level.SUBMIT)
    )
    sqlite_world.clock.pass_time(timedelta(seconds=FRESH_SECONDS))

    session = redeem(sqlite_world, sign(sqlite_world, keys))
    assert places(session) == (["0001/app1/in_arcv", "0001/app1/out"], [])


def test_a_right_that_is_given_is_for_the_next_token(sqlite_world: World) -> None:
    firm = sqlite_world.account(may="submit")
    before = keys_of(granted(firm))
    assert permits(sqlite_world, before)

    sqlite_world.entitle(firm, "0001", "app1", "download")
    after = keys_of(granted(firm))

    assert places(redeem(sqlite_world, sign(sqlite_world, before)))[0] == []
    assert places(redeem(sqlite_world, sign(sqlite_world, after)))[0] != []


def test_another_process_sees_what_was_changed_before_a_token_was_made(
    sqlite_world: World,
) -> None:
    firm, other = sqlite_world.account(may="submit"), tokens_with(sqlite_world)
    other.redeem(sign(sqlite_world, keys_of(granted(firm))).arrived(), SOURCE, "")
    sqlite_world.clock.pass_time(timedelta(seconds=1))

    sqlite_world.exchange.administration.rotate_secret(SYSTEM, firm.name)
    sqlite_world.entitle(firm, "0001", "app1", "download")
    request = sign(sqlite_world, keys_of(granted(firm))).arrived()

    assert places(other.redeem(request, SOURCE, "").session)[0] != []


def test_requests_read_the_database_once_in_ten_seconds(sqlite_world: World) -> None:
    keys = keys_of(granted(sqlite_world.account()))
    statements: list[str] = []
    for database in sqlite_world.program.databases.each():
        event.listen(
            database.engine, "before_cursor_execute", lambda *call: statements.append(call[2])
        )

    for _ in range(5):
        assert permits(sqlite_world, keys)
    assert statements == []

    sqlite_world.clock.pass_time(timedelta(seconds=FRESH_SECONDS))
    for _ in range(5):
        assert permits(sqlite_world, keys)
    assert sum("principals" in each for each in statements) == 1


def test_a_database_that_is_down_is_done_without_for_a_minute(sqlite_world: World) -> None:
    identity = Breakable(sqlite_world)
    tokens = tokens_with(sqlite_world, identity=identity)
    keys = keys_of(tokens.grant(sqlite_world.account().actor, ORG, "app1"))
    identity.is_broken = True

    for _ in range(int(TRUSTED_SECONDS) - 1):
        sqlite_world.clock.pass_time(timedelta(seconds=1))
        assert tokens.redeem(sign(sqlite_world, keys).arrived(), SOURCE, "")

    sqlite_world.clock.pass_time(timedelta(seconds=1))
    with pytest.raises(Unavailable):
        tokens.redeem(sign(sqlite_world, keys).arrived(), SOURCE, "")

    identity.is_broken = False
    assert tokens.redeem(sign(sqlite_world, keys).arrived(), SOURCE, "")


def test_an_account_never_seen_is_refused_while_the_database_is_down(sqlite_world: World) -> None:
    identity = Breakable(sqlite_world)
    keys = keys_of(granted(sqlite_world.account()))
    identity.is_broken = True

    with pytest.raises(Unavailable):
        tokens_with(sqlite_world, identity=identity).redeem(
            sign(sqlite_world, keys).arrived(), SOURCE, ""
        )


def test_more_accounts_than_are_remembered_are_read_again(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present, "_MAX_ENTRIES", 1)
    both = [keys_of(granted(sqlite_world.account())) for _ in range(2)]

    for _ in range(2):
        assert all(permits(sqlite_world, keys) for keys in both)
    assert len(sqlite_world.exchange.transfer_tokens._present._kept) == 1


def test_every_refusal_has_a_code_of_its_own() -> None:
    kinds = [AccessKeyUnknown(), TokenAltered(), TokenExpired(TIME)]

    assert len({each.code for each in kinds}) == len({each.message for each in kinds}) == 3
    assert all(isinstance(each, SignatureRefused) for each in kinds)
