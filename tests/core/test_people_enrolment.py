"""How people are invited and enrol: each step in its turn, each link once."""

import threading
from datetime import timedelta

import pytest
from folk import ANSWERS, ELSEWHERE, HOME, PASSWORD, enrolled, invited
from world import World

from transom.core.people.administration import NewPerson
from transom.core.people.password_rules import judge
from transom.core.retention import SYSTEM
from transom.domain.errors import (
    BadCredentials,
    BadParameter,
    FactorRejected,
    InvitationEnded,
    NotFound,
    NotSupported,
    SessionEnded,
    WrongState,
)
from transom.domain.people import (
    Assurance,
    FactorKind,
    InvitationState,
    Period,
    Person,
    Role,
    Step,
)

MARIA = Person("1", "maria@northgate.example", "Maria Alvarez", "0001", "Org", Role.USER)


def state_of(world: World, email: str = "maria@northgate.example") -> InvitationState:
    found = world.exchange.people.administration.show(email).invitation
    assert found is not None
    return found.state


def test_an_invited_person_enrols_step_by_step_and_is_signed_in(world: World) -> None:
    maria = invited(world)
    steps = world.exchange.people.enrolment
    session = maria.start()

    assert session.assurance is Assurance.ENROLLING
    seen = []
    for do in (
        lambda: steps.set_password(session, HOME, PASSWORD),
        lambda: steps.set_questions(session, HOME, ANSWERS),
        lambda: maria.add_app(session),
        lambda: steps.skip_another(session, HOME),
        lambda: steps.recovery_codes(session, HOME),
    ):
        seen.append((steps.state(session).now, state_of(world).value))
        do()
    entered = steps.finish(session, HOME)

    assert [step for step, _ in seen] == list(Step)
    states = ["opened", "password set", "password set", "factor set", "factor set"]
    assert [state for _, state in seen] == states
    assert state_of(world) is InvitationState.COMPLETE
    assert entered.session.assurance is Assurance.FULL
    assert entered.session.token not in ("", session.token)
    found = world.exchange.people.sign_in.resume(HOME, entered.session.token)
    assert found.id == entered.session.id
    with pytest.raises(SessionEnded):
        world.exchange.people.sign_in.resume(HOME, session.token)


def test_a_link_works_once(world: World) -> None:
    maria = invited(world)
    link = maria.link()
    maria.start()

    with pytest.raises(InvitationEnded):
        world.exchange.people.enrolment.start(ELSEWHERE, link)


def test_a_link_used_twice_at_once_works_once(world: World) -> None:
    maria = invited(world)
    link, came = maria.link(), []

    def use() -> None:
        try:
            world.exchange.people.enrolment.start(HOME, link)
            came.append("in")
        except InvitationEnded:
            came.append("refused")

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(came) == ["in", "refused", "refused", "refused"]


@pytest.mark.parametrize("link", ["", "x", "é", "a" * 43, "a" * 500, "../../etc", "%00"])
def test_a_link_that_nobody_sent_is_refused(sqlite_world: World, link: str) -> None:
    with pytest.raises(InvitationEnded):
        sqlite_world.exchange.people.enrolment.start(HOME, link)


def test_a_link_ends_after_72_hours_and_so_does_what_was_begun_with_it(world: World) -> None:
    maria, paul = invited(world), invited(world, "paul@northgate.example")
    session = maria.start()
    world.clock.pass_time(timedelta(hours=72, seconds=1))

    with pytest.raises(InvitationEnded):
        paul.start()
    with pytest.raises(SessionEnded) as ended:
        world.exchange.people.sign_in.resume(HOME, session.token)
    assert ended.value.why == "old"
    assert state_of(world, "paul@northgate.example") is InvitationState.ENDED


def test_a_new_invitation_kills_the_old_link_and_whatever_was_done_with_it(world: World) -> None:
    maria = invited(world)
    old = maria.link()
    session = maria.start()
    world.exchange.people.enrolment.set_password(session, HOME, PASSWORD)
    world.clock.pass_time(timedelta(minutes=1))
    world.exchange.people.administration.resend(SYSTEM, maria.email)

    with pytest.raises(SessionEnded):
        world.exchange.people.sign_in.resume(HOME, session.token)
    with pytest.raises(SessionEnded):
        world.exchange.people.enrolment.state(session)
    with pytest.raises(InvitationEnded):
        world.exchange.people.enrolment.start(HOME, old)
    assert maria.link() != old
    assert world.exchange.people.enrolment.state(maria.start()).now is Step.PASSWORD


def test_no_step_can_be_skipped(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    people, session = sqlite_world.exchange.people, maria.start()

    early = (
        lambda: people.enrolment.set_questions(session, HOME, ANSWERS),
        lambda: people.setup.begin(session, HOME, FactorKind.AUTHENTICATOR),
        lambda: people.enrolment.skip_another(session, HOME),
        lambda: people.enrolment.recovery_codes(session, HOME),
        lambda: people.enrolment.finish(session, HOME),
    )
    for step in early:
        with pytest.raises(WrongState):
            step()
    people.enrolment.set_password(session, HOME, PASSWORD)
    for step in early[1:]:
        with pytest.raises(WrongState):
            step()


def test_half_enrolled_people_cannot_sign_in(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    sqlite_world.exchange.people.enrolment.set_password(maria.start(), HOME, PASSWORD)

    with pytest.raises(BadCredentials):
        maria.begin()


def test_an_enrolling_session_reaches_nothing_of_the_account(sqlite_world: World) -> None:
    people, session = sqlite_world.exchange.people, invited(sqlite_world).start()

    for reach in (
        lambda: people.account.view(session),
        lambda: people.account.sessions(session),
        lambda: people.account.activity(session),
        lambda: people.account.end_other_sessions(session, HOME),
        lambda: people.account.new_recovery_codes(session, HOME),
        lambda: people.account.change_password(session, HOME, "x", PASSWORD),
        lambda: people.sign_in.factors(session),
        lambda: people.sign_in.challenge(session, HOME, "recovery"),
        lambda: people.sign_in.verify(session, HOME, "recovery", "x"),
    ):
        with pytest.raises(SessionEnded):
            reach()


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 12"),
        ("x" * 257, "at most 256"),
        ("Password2026!", "easy to guess"),
        ("P4$$w0rd!!!!", "easy to guess"),
        ("aaaaaaaaaaaaaaaa", "easy to guess"),
        ("abcdefghijklmnop", "easy to guess"),
        ("1234567890123", "easy to guess"),
        ("qwertyuiopasdf", "easy to guess"),
        ("summerwinter2026", "easy to guess"),
        ("alvarez-Maria1", "your name"),
        ("northgate 2026", "your name"),
        ("tab\tand more words", "can be seen"),
    ],
)
def test_a_password_that_guessers_try_first_is_refused(password: str, why: str) -> None:
    assert why in judge(password, MARIA).refusal


def test_a_refused_password_is_not_set(sqlite_world: World) -> None:
    session = invited(sqlite_world).start()
    enrolment = sqlite_world.exchange.people.enrolment

    with pytest.raises(BadParameter) as refused:
        enrolment.set_password(session, HOME, "Password2026!")
    assert refused.value.parameter == "password"
    assert enrolment.state(session).now is Step.PASSWORD


@pytest.mark.parametrize(
    "password",
    [
        "violet anchor tundra",
        "x9K#mQ2$vLp7",
        "größere Wörter für alle",
        "青い海と白い砂浜と風の音色",
    ],
)
def test_length_and_any_script_are_welcome_in_a_password(
    sqlite_world: World, password: str
) -> None:
    maria = invited(sqlite_world)
    enrolment, session = sqlite_world.exchange.people.enrolment, maria.start()

    enrolment.set_password(session, HOME, password)

    assert Step.PASSWORD in enrolment.state(session).done


def test_the_strength_goes_up_with_the_length(sqlite_world: World) -> None:
    session = invited(sqlite_world).start()
    judged = sqlite_world.exchange.people.enrolment.judge
    texts = ("violet", "violet anchor", "violet anchor tundra", "violet anchor tundra seven moss")

    scores = [judged(session, text).score for text in texts]

    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (0, 4)
    assert judged(session, "").score == 0


def test_answers_are_three_different_ones_and_kept_hashed(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    enrolment, session = sqlite_world.exchange.people.enrolment, maria.start()
    enrolment.set_password(session, HOME, PASSWORD)

    for answers, parameter in (
        ({}, "questions"),
        ({"street": "Elm", "teacher": "Ngo"}, "questions"),
        (ANSWERS | {"nosuch": "Elm"}, "questions"),
        (ANSWERS | {"job": "  !! "}, "job"),
        (ANSWERS | {"job": "elm street"}, "job"),
        (ANSWERS | {"job": "x" * 101}, "job"),
        (ANSWERS | {"job": "a\x00bc"}, "job"),
    ):
        with pytest.raises(BadParameter) as refused:
            enrolment.set_questions(session, HOME, answers)
        assert refused.value.parameter == parameter
    enrolment.set_questions(session, HOME, ANSWERS)

    with sqlite_world.database.reading() as tx:
        kept = tx.exec_driver_sql("SELECT digest FROM answers").scalars().all()
    assert len(kept) == 3
    assert all(each.startswith("$argon2id$") for each in kept)


def test_the_questions_are_a_step_only_where_the_operator_wants_them(questionless: World) -> None:
    maria = invited(questionless)
    enrolment, session = questionless.exchange.people.enrolment, maria.start()
    enrolment.set_password(session, HOME, PASSWORD)

    assert Step.QUESTIONS not in enrolment.state(session).steps
    assert enrolment.state(session).now is Step.FACTOR
    with pytest.raises(WrongState):
        enrolment.set_questions(session, HOME, ANSWERS)


def test_a_factor_counts_only_once_it_is_confirmed(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    people, session = sqlite_world.exchange.people, maria.start()
    people.enrolment.set_password(session, HOME, PASSWORD)
    people.enrolment.set_questions(session, HOME, ANSWERS)
    setup = people.setup.begin(session, HOME, FactorKind.AUTHENTICATOR)

    with pytest.raises(FactorRejected):
        people.setup.confirm(session, HOME, setup.id, "000000")
    with pytest.raises(NotFound):
        people.setup.confirm(session, HOME, "another", "000000")
    with pytest.raises(WrongState):
        people.enrolment.recovery_codes(session, HOME)
    assert people.enrolment.state(session).factors == ()
    assert people.setup.pending(session) == setup
    sqlite_world.clock.pass_time(timedelta(minutes=16))
    assert people.setup.pending(session) is None
    maria.secret = setup.secret.replace(" ", "")
    with pytest.raises(FactorRejected) as late:
        people.setup.confirm(session, HOME, setup.id, maria.app_code())
    assert late.value.why == "expired"


def test_a_kind_that_is_retired_or_not_there_yet_cannot_be_set_up(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    people, session, now = sqlite_world.exchange.people, maria.start(), sqlite_world.clock.now()
    people.enrolment.set_password(session, HOME, PASSWORD)
    people.enrolment.set_questions(session, HOME, ANSWERS)
    set_period = people.administration.set_factor_period

    set_period(SYSTEM, "", FactorKind.SMS, Period(ends_at=now))
    set_period(SYSTEM, "0001", FactorKind.CALL, Period(starts_at=now + timedelta(days=1)))
    set_period(SYSTEM, "0002", FactorKind.PASSKEY, Period(ends_at=now))

    kinds = people.enrolment.state(session).kinds
    assert kinds == (FactorKind.PASSKEY, FactorKind.AUTHENTICATOR)
    for kind in (FactorKind.SMS, FactorKind.CALL, FactorKind.RECOVERY):
        with pytest.raises(NotSupported):
            people.setup.begin(session, HOME, kind, "+1 212 555 0142")
    with pytest.raises(BadParameter):
        set_period(SYSTEM, "", FactorKind.SMS, Period(now, now))
    with pytest.raises(NotFound):
        set_period(SYSTEM, "7777", FactorKind.SMS, Period())


def test_recovery_codes_can_be_made_anew_until_the_end(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    session = maria.begin()

    assert len(maria.codes) == len(set(maria.codes)) == 10
    left = sqlite_world.exchange.people.sign_in.factors(session)[-1].left
    assert left == 10


@pytest.mark.parametrize(
    ("new", "parameter"),
    [
        (NewPerson("nobody", "A", "0001", Role.USER), "email"),
        (NewPerson("a@b@c.example", "A", "0001", Role.USER), "email"),
        (NewPerson("a\x00@x.example", "A", "0001", Role.USER), "email"),
        (NewPerson("a" * 64 + "@" + "b" * 60 + ".example", "A", "0001", Role.USER), "email"),
        (NewPerson("a@x.example", "", "0001", Role.USER), "name"),
        (NewPerson("a@x.example", "A\x07", "0001", Role.USER), "name"),
        (NewPerson("a@x.example", "A", "0001", Role.SUPPORT), "role"),
        (NewPerson("a@x.example", "A", "0", Role.USER), "role"),
    ],
)
def test_only_an_address_a_name_and_a_fitting_role_can_be_invited(
    sqlite_world: World, new: NewPerson, parameter: str
) -> None:
    with pytest.raises(BadParameter) as refused:
        sqlite_world.exchange.people.administration.invite(SYSTEM, new)
    assert refused.value.parameter == parameter


def test_a_user_name_is_taken_once_in_whatever_case(sqlite_world: World) -> None:
    invited(sqlite_world)

    with pytest.raises(WrongState):
        invited(sqlite_world, "MARIA@Northgate.example")
    assert sqlite_world.exchange.people.administration.find(" Maria@northgate.example ").id


def test_an_organization_has_one_super_account_administrator(sqlite_world: World) -> None:
    invited(sqlite_world, "saa@northgate.example", Role.SUPER_ADMINISTRATOR)

    with pytest.raises(WrongState):
        invited(sqlite_world, "saa2@northgate.example", Role.SUPER_ADMINISTRATOR)
    invited(sqlite_world, "saa@harbor.example", Role.SUPER_ADMINISTRATOR, org="0002")
    invited(sqlite_world, "aa@northgate.example", Role.ACCOUNT_ADMINISTRATOR)


def test_nobody_is_invited_to_a_disabled_organization(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    sqlite_world.exchange.administration.set_organization_active(SYSTEM, "0001", active=False)

    with pytest.raises(WrongState):
        invited(sqlite_world, "paul@northgate.example")
    with pytest.raises(InvitationEnded):
        maria.start()


def test_the_invitation_names_the_person_and_escapes_what_it_holds(sqlite_world: World) -> None:
    maria = invited(sqlite_world, name="<b>Maria</b>")
    (mail,) = maria.mails()

    assert "<b>" not in mail.html
    assert "&lt;b&gt;Maria" in mail.html
    assert "Start" in mail.text
    assert "It works once" in mail.text
