"""Passkeys and codes by phone: bound to their request, counted, and good for one person only."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from folk import ELSEWHERE, HOME, Human, enrolled
from passkeys import SoftPasskey
from world import World

from transom.core.people.kinds.phone import masked, read_number
from transom.core.retention import SYSTEM
from transom.domain.errors import (
    BadParameter,
    ExchangeError,
    FactorRejected,
    LockedOut,
    ProofNeeded,
    TooMany,
    WrongState,
)
from transom.domain.people import Assurance, FactorKind, Period, Visit

NUMBER = "+1 212 555 0142"
SMS, CALL, PASSKEY = FactorKind.SMS, FactorKind.CALL, FactorKind.PASSKEY


def with_phone(world: World, kind: FactorKind = SMS, number: str = NUMBER) -> Human:
    maria = enrolled(world).sign_in()
    assert maria.session is not None
    setup = maria.people.setup.begin(maria.session, maria.visit, kind, number)
    answer = maria.phone_code()
    maria.people.setup.confirm(maria.session, maria.visit, setup.id, answer, "My phone")
    maria.pass_seconds(60)
    return maria


def with_passkey(world: World, **facts: bool) -> tuple[Human, SoftPasskey]:
    maria = enrolled(world).sign_in()
    assert maria.session is not None
    passkey = SoftPasskey(str(world.program.settings.portal.public_url), **facts)
    setup = maria.people.setup.begin(maria.session, maria.visit, PASSKEY)
    answer = passkey.create(setup.options)
    maria.people.setup.confirm(maria.session, maria.visit, setup.id, answer, "Blue key")
    return maria, passkey


# --- by phone ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SMS, CALL])
def test_a_code_by_phone_signs_in_once(world: World, kind: FactorKind) -> None:
    maria = with_phone(world, kind)
    session = maria.begin()
    factor = maria.factor(session, kind)
    challenge = maria.people.sign_in.challenge(session, HOME, factor)
    code = maria.phone_code()

    assert challenge.sent_to == "+1 *** *** 0142"
    assert challenge.resend_at == world.clock.now() + timedelta(seconds=30)
    entered = maria.people.sign_in.verify(session, HOME, factor, code)
    assert entered.session.assurance is Assurance.FULL
    again = maria.begin()
    with pytest.raises(FactorRejected) as expired:
        maria.people.sign_in.verify(again, HOME, factor, code)
    assert expired.value.why == "expired"
    assert maria.people.sign_in.factors(again)[0].kind is kind  # the last used comes first


def test_a_code_of_one_request_is_wrong_for_another(sqlite_world: World) -> None:
    maria = with_phone(sqlite_world)
    first, second = maria.begin(), maria.begin()
    factor = maria.factor(first, SMS)
    maria.people.sign_in.challenge(first, HOME, factor)
    of_first = maria.phone_code()
    maria.pass_seconds(31)
    maria.people.sign_in.challenge(second, HOME, factor)
    assert maria.phone_code() != of_first

    with pytest.raises(FactorRejected) as wrong:
        maria.people.sign_in.verify(second, HOME, factor, of_first)
    assert wrong.value.why == "wrong"
    assert maria.people.sign_in.verify(first, HOME, factor, of_first)


def test_a_code_sent_again_voids_the_one_before(sqlite_world: World) -> None:
    maria = with_phone(sqlite_world)
    session = maria.begin()
    factor = maria.factor(session, SMS)
    maria.people.sign_in.challenge(session, HOME, factor)
    old = maria.phone_code()
    maria.pass_seconds(31)
    maria.people.sign_in.challenge(session, HOME, factor)

    with pytest.raises(FactorRejected):
        maria.people.sign_in.verify(session, HOME, factor, old)
    assert maria.people.sign_in.verify(session, HOME, factor, maria.phone_code())


def test_a_code_by_phone_lasts_five_minutes(sqlite_world: World) -> None:
    maria = with_phone(sqlite_world)
    session = maria.begin()
    factor = maria.factor(session, SMS)
    maria.people.sign_in.challenge(session, HOME, factor)
    code = maria.phone_code()
    maria.pass_seconds(300)

    with pytest.raises(FactorRejected) as late:
        maria.people.sign_in.verify(session, HOME, factor, code)
    assert late.value.why == "expired"


def test_codes_are_limited_for_each_number(world: World) -> None:
    maria = with_phone(world)
    session = maria.begin()
    factor = maria.factor(session, SMS)
    ask = maria.people.sign_in.challenge

    ask(session, HOME, factor)
    with pytest.raises(TooMany) as soon:
        ask(session, HOME, factor)
    assert soon.value.retry_after <= timedelta(seconds=30)
    for _ in range(3):
        maria.pass_seconds(31)
        ask(session, HOME, factor)
    maria.pass_seconds(31)
    with pytest.raises(TooMany) as full:  # with the one of the set-up it is five in an hour
        ask(session, HOME, factor)
    assert full.value.retry_after > timedelta(minutes=5)
    assert len([each for each in maria.messages() if not hasattr(each, "subject")]) == 5


def test_codes_are_limited_for_each_account_and_source(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    assert maria.session is not None
    begin = maria.people.setup.begin

    for last in range(8):
        begin(maria.session, maria.visit, SMS, f"+1 212 555 01{last:02}")
    with pytest.raises(TooMany):
        begin(maria.session, maria.visit, SMS, "+1 212 555 0199")


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "type a telephone number"),
        ("hello", "no telephone number"),
        ("1" * 60, "type a telephone number"),
        ("+1 212 555", "no such number"),
        ("+44 20 7946 0018", "these countries: US, CA"),
        ("+1 900 234 5678", "numbers of this kind"),
        ("+1 212 555 0142 ext. 5", "no such number"),
        ("+1 876 555 0142", "these countries"),
        ("+1;ext=5", "no telephone number"),
    ],
)
def test_codes_go_to_numbers_that_exist_in_countries_that_are_served(typed: str, why: str) -> None:
    with pytest.raises(BadParameter, match=why) as refused:
        read_number(typed, ("US", "CA"))
    assert refused.value.parameter == "phone"


def test_a_number_has_one_form() -> None:
    for typed in ("(212) 555-0142", "212.555.0142", "+12125550142", "  1 212 555 0142"):
        assert read_number(typed, ("US", "CA")) == "+12125550142"
    assert masked("+442079460018") == "+44 *** *** 0018"


def test_another_number_needs_a_proof_and_the_old_one_is_told(sqlite_world: World) -> None:
    maria = with_phone(sqlite_world)
    assert maria.session is not None
    people, session = maria.people, maria.session
    phone = next(each for each in people.account.view(session).factors if each.kind is SMS)
    maria.pass_seconds(600)

    with pytest.raises(ProofNeeded):
        people.setup.begin(session, maria.visit, SMS, "+1 212 555 0177")
    with pytest.raises(ProofNeeded):
        people.account.remove_factor(session, maria.visit, phone.id)
    answer = maria.next_code()
    session = people.sign_in.verify(session, maria.visit, maria.factor(session), answer).session
    people.account.remove_factor(session, maria.visit, phone.id)
    told = [each for each in maria.messages() if not hasattr(each, "subject")]
    assert (told[0].to, "no longer signs you in" in told[0].text) == ("+12125550142", True)
    assert "Transom: A way to sign in was removed: text message" in maria.subjects()


def test_phones_are_retired_by_a_date_that_people_see(sqlite_world: World) -> None:
    maria = with_phone(sqlite_world)
    set_period = sqlite_world.exchange.people.administration.set_factor_period
    ends = sqlite_world.clock.now() + timedelta(days=40)
    set_period(SYSTEM, "", SMS, Period(ends_at=ends))
    set_period(SYSTEM, "0001", SMS, Period(ends_at=ends + timedelta(days=1)))
    session = maria.begin()

    (phone,) = [each for each in maria.people.sign_in.factors(session) if each.kind is SMS]
    assert (phone.ends_at, phone.hint, phone.label) == (ends, "+1 *** *** 0142", "My phone")


# --- passkeys ------------------------------------------------------------------------------------


def test_a_passkey_signs_in_after_the_password(world: World) -> None:
    maria, passkey = with_passkey(world, verifies=False)
    session = maria.begin()
    factor = maria.factor(session, PASSKEY)
    challenge = maria.people.sign_in.challenge(session, HOME, factor)
    answer = passkey.get(challenge.options)

    assert maria.people.sign_in.verify(session, HOME, factor, answer).session.proven_at
    again = maria.begin()
    maria.people.sign_in.challenge(again, HOME, factor)
    with pytest.raises(FactorRejected):
        maria.people.sign_in.verify(again, HOME, factor, answer)


def test_a_passkey_that_verifies_its_user_is_enough_alone(world: World) -> None:
    maria, passkey = with_passkey(world)
    request = world.exchange.people.sign_in.passkey_options()
    entered = world.exchange.people.sign_in.passkey_sign_in(
        ELSEWHERE, request.token, passkey.get(request.options)
    )

    assert entered.session.person.email == maria.email
    assert entered.session.assurance is Assurance.FULL
    assert entered.session.is_proven(world.clock.now())
    assert entered.device


def test_a_key_that_does_not_verify_its_user_is_not_enough_alone(sqlite_world: World) -> None:
    _, key = with_passkey(sqlite_world, verifies=False)
    sign_in = sqlite_world.exchange.people.sign_in
    request = sign_in.passkey_options()

    with pytest.raises(FactorRejected):
        sign_in.passkey_sign_in(HOME, request.token, key.get(request.options))


@pytest.mark.parametrize("counts", [True, False])
def test_an_answer_of_a_passkey_counts_once_also_at_the_same_moment(
    world: World, counts: bool
) -> None:
    _, passkey = with_passkey(world, counts=counts)
    sign_in = world.exchange.people.sign_in
    request = sign_in.passkey_options()
    answer, came = passkey.get(request.options), []

    def use() -> None:
        try:
            came.append(sign_in.passkey_sign_in(HOME, request.token, answer))
        except ExchangeError as refused:
            came.append(refused)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len([each for each in came if isinstance(each, FactorRejected)]) == 2


def test_an_answer_that_was_overheard_is_worth_nothing_and_makes_no_source_known(
    world: World,
) -> None:
    maria, passkey = with_passkey(world, counts=False)
    sign_in = world.exchange.people.sign_in
    request = sign_in.passkey_options()
    answer = passkey.get(request.options)
    sign_in.passkey_sign_in(HOME, request.token, answer)

    for _ in range(5):
        with pytest.raises(FactorRejected) as used:
            sign_in.passkey_sign_in(ELSEWHERE, request.token, answer)
        assert used.value.why == "used"
    with pytest.raises(LockedOut):
        maria.begin(visit=ELSEWHERE)
    wrong = world.audited("person.factor_wrong")
    assert {(each.object, each.source) for each in wrong} == {(maria.email, ELSEWHERE.source)}


def test_a_clock_that_ran_ahead_makes_no_used_answer_good_again(sqlite_world: World) -> None:
    _, passkey = with_passkey(sqlite_world, counts=False)
    sign_in = sqlite_world.exchange.people.sign_in
    request = sign_in.passkey_options()
    answer = passkey.get(request.options)
    sign_in.passkey_sign_in(HOME, request.token, answer)
    sqlite_world.clock.jump(timedelta(days=1))
    sqlite_world.exchange.retention.sweep()
    sqlite_world.clock.jump(timedelta(days=-1))

    with pytest.raises(FactorRejected) as refused:
        sign_in.passkey_sign_in(HOME, request.token, answer)
    assert refused.value.why == "used"


def test_a_request_for_a_passkey_ends_and_cannot_be_altered(sqlite_world: World) -> None:
    _, passkey = with_passkey(sqlite_world)
    sign_in = sqlite_world.exchange.people.sign_in
    request, other = sign_in.passkey_options(), sign_in.passkey_options()
    altered = request.token[:-6] + ("A" if request.token[-6] != "A" else "B") + request.token[-5:]

    for token in ("", "x", "nokey:AAAA", altered, "é:é", other.token):
        with pytest.raises(FactorRejected):
            sign_in.passkey_sign_in(Visit("192.0.2.9"), token, passkey.get(request.options))
    sqlite_world.clock.pass_time(timedelta(minutes=5))
    with pytest.raises(FactorRejected) as late:
        sign_in.passkey_sign_in(HOME, request.token, passkey.get(request.options))
    assert late.value.why == "expired"


def test_a_passkey_of_another_site_is_refused(sqlite_world: World) -> None:
    maria, passkey = with_passkey(sqlite_world)
    passkey.origin = "https://transom.attacker.example"
    session = maria.begin()
    factor = maria.factor(session, PASSKEY)
    challenge = maria.people.sign_in.challenge(session, HOME, factor)

    with pytest.raises(FactorRejected):
        maria.people.sign_in.verify(session, HOME, factor, passkey.get(challenge.options))


def test_a_copy_of_a_key_that_counts_lower_is_refused(sqlite_world: World) -> None:
    maria, passkey = with_passkey(sqlite_world)
    copy = replace(passkey)
    for key, fits in ((passkey, True), (passkey, True), (copy, False)):
        session = maria.begin()
        factor = maria.factor(session, PASSKEY)
        challenge = maria.people.sign_in.challenge(session, HOME, factor)
        if fits:
            assert maria.people.sign_in.verify(session, HOME, factor, key.get(challenge.options))
        else:
            with pytest.raises(FactorRejected):
                maria.people.sign_in.verify(session, HOME, factor, key.get(challenge.options))


def test_a_passkey_belongs_to_one_person(sqlite_world: World) -> None:
    _, passkey = with_passkey(sqlite_world)
    paul = enrolled(sqlite_world, "paul@northgate.example").sign_in()
    assert paul.session is not None
    setup = paul.people.setup.begin(paul.session, paul.visit, PASSKEY)

    with pytest.raises(FactorRejected) as refused:
        answer = passkey.create(setup.options)
        paul.people.setup.confirm(paul.session, paul.visit, setup.id, answer)
    assert refused.value.why == "used"


def hostile_answers(passkey: SoftPasskey) -> list[str]:
    """Answers as an attacker sends them: cut, swapped, and of every other shape."""
    sound = json.loads(passkey.get('{"rpId": "localhost", "challenge": "x"}'))
    shapes = ["", "null", "[]", "{}", "1", '"x"', "{" * 2000, "\x00", "é", "x" * 30_000, "[" * 9000]
    for broken in (None, 1, [], {}, "", "!!", "AAAA", "A" * 5000):
        shapes.append(json.dumps(sound | {"rawId": broken}))
        shapes.append(json.dumps(sound | {"response": broken}))
        shapes.extend(
            json.dumps(sound | {"response": sound["response"] | {field: broken}})
            for field in ("authenticatorData", "clientDataJSON", "signature")
        )
    return shapes


def test_whatever_an_attacker_sends_as_a_passkey_is_refused(sqlite_world: World) -> None:
    maria, passkey = with_passkey(sqlite_world)
    sign_in, session = maria.people.sign_in, maria.session
    assert session is not None
    factor = maria.factor(session, PASSKEY)
    for number, shape in enumerate(hostile_answers(passkey)):
        request = sign_in.passkey_options()
        with pytest.raises(FactorRejected):
            sign_in.passkey_sign_in(Visit(f"10.0.{number}.1"), request.token, shape)
        sign_in.challenge(session, maria.visit, factor)
        with pytest.raises(FactorRejected):
            sign_in.verify(session, maria.visit, factor, shape)
        maria.people.administration.unlock(SYSTEM, maria.email)


def test_a_new_key_must_be_made_for_this_very_set_up(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    assert maria.session is not None
    passkey = SoftPasskey(str(sqlite_world.program.settings.portal.public_url))
    first = maria.people.setup.begin(maria.session, maria.visit, PASSKEY)
    answer = passkey.create(first.options)
    second = maria.people.setup.begin(maria.session, maria.visit, PASSKEY)

    for bad in (answer, "{}", passkey.create(second.options.replace("localhost", "elsewhere"))):
        with pytest.raises(FactorRejected):
            maria.people.setup.confirm(maria.session, maria.visit, second.id, bad)


def test_there_are_at_most_ten_factors(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    assert maria.session is not None
    for _ in range(9):
        maria.pass_seconds(31)
        maria.add_app(maria.session)

    with pytest.raises(WrongState):
        maria.add_app(maria.session)
