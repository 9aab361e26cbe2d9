"""What people do with their own account, and what administrators do with theirs."""

from dataclasses import replace
from datetime import timedelta

import pytest
from folk import ANSWERS, ELSEWHERE, HOME, PASSWORD, Human, at_once, enrolled, invited
from world import World

from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Actor, PrincipalKind, Rights
from transom.domain.errors import (
    BadCredentials,
    BadParameter,
    FactorPaused,
    FactorRejected,
    InvitationEnded,
    LockedOut,
    NotFound,
    ProofNeeded,
    SessionEnded,
    Unavailable,
    WrongState,
)
from transom.domain.people import Display, FactorKind, InvitationState, Role, Session

NEW = "copper lantern meadow nine"
CONSOLE = Actor("system", "system", PrincipalKind.SYSTEM, "", Rights(), source="uid 0")


def session_of(maria: Human) -> Session:
    assert maria.session is not None
    return maria.session


# --- one's own account ---------------------------------------------------------------------------


def test_the_page_shows_what_there_is(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    view = maria.people.account.view(session_of(maria))

    assert [each.kind for each in view.factors] == [FactorKind.AUTHENTICATOR]
    assert view.factors[0].last_used_at == sqlite_world.clock.now()
    assert (view.recovery_left, view.remembered_devices) == (10, 0)
    assert view.password_changed_at < sqlite_world.clock.now()
    assert view.kinds[0] is FactorKind.PASSKEY
    assert view.person.role.words == "firm user"


def test_every_change_needs_a_proof_of_the_last_ten_minutes(world: World) -> None:
    maria = enrolled(world).sign_in()
    account, session = maria.people.account, session_of(maria)
    factor = maria.factor(session)
    changes = (
        lambda: account.rename_factor(session, HOME, factor, "x"),
        lambda: account.remove_factor(session, HOME, factor),
        lambda: account.new_recovery_codes(session, HOME),
        lambda: account.change_password(session, HOME, PASSWORD, NEW),
        lambda: maria.people.setup.begin(session, HOME, FactorKind.AUTHENTICATOR),
    )
    world.clock.pass_time(timedelta(minutes=10))

    for change in changes:
        with pytest.raises(ProofNeeded):
            change()
    answer = maria.next_code()
    session = maria.people.sign_in.verify(session, maria.visit, factor, answer).session
    assert len(account.new_recovery_codes(session, HOME)) == 10


def test_a_proof_makes_no_session_last_longer(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    session, visit = session_of(maria), maria.visit
    told = len(maria.mails())
    sqlite_world.clock.pass_time(timedelta(minutes=20))
    answer = maria.next_code()
    entered = maria.people.sign_in.verify(session, visit, maria.factor(session), answer)

    assert entered.session.ends_at == session.ends_at
    assert entered.session.opened_at == session.opened_at
    assert entered.session.is_proven(sqlite_world.clock.now())
    assert len(maria.mails()) == told


def test_wrong_codes_at_a_set_up_pause_it_and_close_nothing(world: World) -> None:
    maria = invited(world)
    people, session = world.exchange.people, maria.start()
    people.enrolment.set_password(session, HOME, PASSWORD)
    people.enrolment.set_questions(session, HOME, ANSWERS)
    setup = people.setup.begin(session, HOME, FactorKind.AUTHENTICATOR)
    for _ in range(10):
        with pytest.raises(FactorRejected):
            people.setup.confirm(session, HOME, setup.id, "000000")

    with pytest.raises(FactorPaused):
        people.setup.confirm(session, HOME, setup.id, "000000")
    assert people.sign_in.resume(HOME, session.token)
    world.clock.pass_time(timedelta(minutes=31))
    maria.add_app(session)
    assert len(people.enrolment.state(session).factors) == 1


def test_a_set_up_begun_in_time_is_not_confirmed_too_late(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    setup = maria.people.setup.begin(session_of(maria), HOME, FactorKind.AUTHENTICATOR)
    maria.secret = setup.secret.replace(" ", "")
    sqlite_world.clock.pass_time(timedelta(minutes=10))

    with pytest.raises(ProofNeeded):
        maria.people.setup.confirm(session_of(maria), HOME, setup.id, maria.app_code())


def test_a_factor_is_renamed_and_another_one_removed_with_a_notice(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    account, session = maria.people.account, session_of(maria)
    first = maria.factor(session)
    maria.add_app(session)
    account.rename_factor(session, HOME, first, "  Maria's   Pixel ")
    names = {each.id: each.label for each in account.view(session).factors}
    account.remove_factor(session, HOME, first)

    assert names[first] == "Maria's Pixel"
    assert first not in {each.id for each in account.view(session).factors}
    assert (
        "Transom: A way to sign in was renamed: it is called Maria's Pixel now" in maria.subjects()
    )
    assert "Transom: A way to sign in was removed: authenticator app" in maria.subjects()
    assert "Transom: A new way to sign in was added: authenticator app" in maria.subjects()
    for label in ("", "x" * 61, "a\x00b"):
        with pytest.raises(BadParameter):
            account.rename_factor(session, HOME, maria.factor(session), label)
    with pytest.raises(NotFound):
        account.rename_factor(session, HOME, first, "gone")
    with pytest.raises(NotFound):
        account.remove_factor(session, HOME, first)


def test_the_last_factor_stays(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    session = session_of(maria)

    with pytest.raises(WrongState):
        maria.people.account.remove_factor(session, HOME, maria.factor(session))


def test_a_new_password_ends_every_other_session_and_known_device(world: World) -> None:
    maria = enrolled(world).sign_in()
    other, device = session_of(maria), maria.visit.device
    maria.sign_in(ELSEWHERE)
    session = session_of(maria)
    maria.people.account.change_password(session, maria.visit, PASSWORD, NEW)

    with pytest.raises(SessionEnded):
        maria.people.sign_in.resume(HOME, other.token)
    assert maria.people.sign_in.resume(maria.visit, session.token)
    assert [each.id for each in maria.people.account.sessions(session)] == [session.id]
    with pytest.raises(BadCredentials):
        maria.begin(PASSWORD, replace(HOME, device=device))
    assert maria.begin(NEW)
    assert "Transom: Your password was changed" in maria.subjects()


def test_a_new_password_must_do_and_the_present_one_be_right(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    change, session = maria.people.account.change_password, session_of(maria)

    for current, new, parameter in (
        (PASSWORD, "short", "password"),
        (PASSWORD, PASSWORD, "password"),
        ("wrong", NEW, "current"),
        ("", NEW, "current"),
        ("wrong", "short", "current"),
    ):
        with pytest.raises(BadParameter) as refused:
            change(session, maria.visit, current, new)
        assert refused.value.parameter == parameter
    assert maria.begin(PASSWORD)


def test_guessing_the_present_password_ends_the_session(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    session = session_of(maria)
    refused = []
    for _ in range(5):
        with pytest.raises((BadParameter, LockedOut)) as wrong:
            maria.people.account.change_password(session, maria.visit, "wrong", NEW)
        refused.append(wrong.value.code)

    assert refused == ["bad_parameter"] * 4 + ["locked_out"]
    with pytest.raises(SessionEnded):
        maria.people.account.view(session)


def test_sessions_are_listed_and_ended_one_by_one_or_all(world: World) -> None:
    maria = enrolled(world).sign_in()
    first = session_of(maria)
    second = session_of(maria.sign_in(ELSEWHERE))
    maria.begin(visit=ELSEWHERE)  # half a login is no place where one is signed in
    third = session_of(maria.sign_in())
    account = maria.people.account

    assert [each.id for each in account.sessions(third)] == [third.id, second.id, first.id]
    assert account.sessions(third)[1].software == "curl"
    assert account.sessions(third)[1].token == ""
    account.end_session(third, HOME, first.id)
    with pytest.raises(NotFound):
        account.end_session(third, HOME, first.id)
    assert account.end_other_sessions(third, HOME) == 2
    for ended in (first, second):
        with pytest.raises(SessionEnded):
            maria.people.sign_in.resume(HOME, ended.token)


def test_nobody_ends_the_sessions_of_others(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    paul = enrolled(sqlite_world, "paul@northgate.example").sign_in()

    with pytest.raises(NotFound):
        paul.people.account.end_session(session_of(paul), HOME, session_of(maria).id)
    assert paul.people.account.end_other_sessions(session_of(paul), HOME) == 0
    assert maria.people.sign_in.resume(HOME, session_of(maria).token)


def test_what_happened_is_told_newest_first_and_of_oneself_only(world: World) -> None:
    maria, paul = enrolled(world), enrolled(world, "paul@northgate.example").sign_in()
    with pytest.raises(BadCredentials):
        maria.begin("wrong")
    maria.sign_in()
    told = maria.people.account.activity(session_of(maria))

    assert [each.words for each in told[:3]] == [
        "Signed in with authenticator app",
        "Wrong password",
        "Signed out",
    ]
    assert len(maria.people.account.activity(session_of(maria), 2)) == 2
    assert all("Wrong" not in each.words for each in paul.people.account.activity(paul.session))


def test_the_display_is_kept(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    account, session = maria.people.account, session_of(maria)
    wanted = Display("dark", "compact", "America/Chicago", slash_focus=False, language="es")
    account.set_display(session, wanted)

    assert account.view(session).display == wanted
    assert maria.people.sign_in.resume(HOME, session.token).display == wanted
    wrong = (("theme", "pink"), ("density", "x"), ("language", "../x"), ("zone", "Mars"))
    for field, value in (*wrong, ("zone", "../x")):
        with pytest.raises(BadParameter) as refused:
            account.set_display(session, replace(wanted, **{field: value}))
        assert refused.value.parameter == field


# --- administration ------------------------------------------------------------------------------


def test_a_bounced_invitation_is_seen_by_the_inviter(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    admin = sqlite_world.exchange.people.administration
    carrier = _Refusing("550 no such user")
    maria.people.post._messenger = carrier
    maria.people.post.deliver()

    (told,) = admin.invitations("0001")
    assert (told.state, told.detail) == (InvitationState.BOUNCED, "550 no such user")
    assert admin.invitations("0002") == []


class _Refusing:
    """A mail server that knows nobody."""

    def __init__(self, why: str) -> None:
        self.why = why

    def can_call(self) -> bool:
        return False

    def send(self, message: object) -> None:  # noqa: ARG002
        from transom.ports import Undeliverable  # noqa: PLC0415

        raise Undeliverable(self.why)


def test_locked_people_are_out_until_they_are_unlocked(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    admin = sqlite_world.exchange.people.administration

    assert admin.lock(SYSTEM, maria.email)
    assert not admin.lock(SYSTEM, maria.email)
    with pytest.raises(BadCredentials):
        maria.begin()
    assert admin.unlock(SYSTEM, maria.email)
    assert maria.sign_in().session
    view = admin.show(maria.email)
    assert (view.person.active, view.sessions, len(view.factors)) == (True, 1, 2)


def test_whoever_is_locked_in_the_middle_of_a_change_is_out_and_nobody_waits_for_ever(
    world: World,
) -> None:
    maria = enrolled(world)
    admin, account = world.exchange.people.administration, maria.people.account
    for number in range(4):
        session = session_of(maria.sign_in())
        passwords = (PASSWORD, NEW) if number % 2 == 0 else (NEW, PASSWORD)
        came = at_once(
            lambda: admin.lock(SYSTEM, maria.email),
            lambda: account.change_password(session, HOME, *passwords),  # noqa: B023 - runs now
            lambda: account.end_other_sessions(session, HOME),  # noqa: B023
        )

        assert not [each for each in came if isinstance(each, Unavailable)]
        with pytest.raises(SessionEnded):
            maria.people.sign_in.resume(HOME, session.token)
        admin.unlock(SYSTEM, maria.email)
        maria.password = next(each for each in (NEW, PASSWORD) if begins(maria, each))


def begins(maria: Human, password: str) -> bool:
    try:
        maria.begin(password)
    except BadCredentials:
        return False
    return True


def test_ended_people_never_come_back(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    admin = sqlite_world.exchange.people.administration
    admin.end(SYSTEM, maria.email)

    for again in (admin.end, admin.unlock, admin.resend):
        with pytest.raises(WrongState):
            again(SYSTEM, maria.email)
    with pytest.raises(WrongState):
        invited(sqlite_world)
    assert admin.show(maria.email).invitation is not None
    assert [each.email for each in admin.people()] == [maria.email]


@pytest.mark.parametrize("what", ["find", "show"])
def test_whoever_is_not_there_is_not_found(sqlite_world: World, what: str) -> None:
    account = sqlite_world.account()
    admin = sqlite_world.exchange.people.administration

    for name in ("nobody@northgate.example", account.name):
        with pytest.raises(NotFound):
            getattr(admin, what)(name)


def test_commands_for_accounts_do_not_touch_people(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    admin = sqlite_world.exchange.administration

    for change in (
        lambda: admin.rotate_secret(SYSTEM, maria.email),
        lambda: admin.choose_secret(SYSTEM, maria.email, "x" * 20),
        lambda: admin.set_account_active(SYSTEM, maria.email, active=False),
    ):
        with pytest.raises(NotFound):
            change()
    assert maria.begin()


def test_enrolled_people_are_not_invited_again(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)

    with pytest.raises(WrongState):
        sqlite_world.exchange.people.administration.resend(SYSTEM, maria.email)


def two_helpers(world: World) -> tuple[Human, Human]:
    return (
        enrolled(world, "saa@northgate.example", role=Role.SUPER_ADMINISTRATOR),
        enrolled(world, "aa@northgate.example", role=Role.ACCOUNT_ADMINISTRATOR),
    )


def test_a_reset_takes_two_administrators_and_ends_all_there_was(world: World) -> None:
    saa, aa = two_helpers(world)
    maria = enrolled(world).sign_in()
    reset = world.exchange.people.administration.reset

    asked = reset(CONSOLE, maria.email, saa.email, saa.next_code())
    assert (asked.done, asked.asked_by) == (False, saa.email)
    again = reset(CONSOLE, maria.email, saa.email, saa.next_code())
    assert not again.done
    assert maria.people.sign_in.resume(HOME, session_of(maria).token)
    done = reset(CONSOLE, maria.email, aa.email, aa.app_code())

    assert (done.done, done.asked_by) == (True, saa.email)
    with pytest.raises(SessionEnded):
        maria.people.sign_in.resume(HOME, session_of(maria).token)
    with pytest.raises(BadCredentials):
        maria.begin()
    assert "Transom: An administrator asked to reset your access" in maria.subjects()
    assert "Transom: Two administrators reset your access" in maria.subjects()
    old = maria.codes[0]
    maria.enrol()
    session = maria.begin()
    with pytest.raises(FactorRejected):
        maria.people.sign_in.verify(session, HOME, "recovery", old)


def test_a_wish_for_a_reset_is_good_for_a_day(sqlite_world: World) -> None:
    saa, aa = two_helpers(sqlite_world)
    maria = enrolled(sqlite_world)
    reset = sqlite_world.exchange.people.administration.reset
    reset(CONSOLE, maria.email, saa.email, saa.next_code())
    sqlite_world.clock.pass_time(timedelta(hours=24))

    assert not reset(CONSOLE, maria.email, aa.email, aa.next_code()).done


def test_the_wish_of_an_administrator_who_was_locked_since_counts_no_more(
    sqlite_world: World,
) -> None:
    saa, aa = two_helpers(sqlite_world)
    maria = enrolled(sqlite_world)
    admin = sqlite_world.exchange.people.administration
    admin.reset(CONSOLE, maria.email, saa.email, saa.next_code())
    admin.lock(SYSTEM, saa.email)

    asked = admin.reset(CONSOLE, maria.email, aa.email, aa.next_code())
    assert (asked.done, asked.asked_by) == (False, aa.email)
    admin.unlock(SYSTEM, saa.email)
    assert admin.reset(CONSOLE, maria.email, saa.email, saa.next_code()).done


def test_only_administrators_of_the_firm_or_security_staff_reset(sqlite_world: World) -> None:
    sqlite_world.organization("0")
    maria = enrolled(sqlite_world)
    reset = sqlite_world.exchange.people.administration.reset
    for email, role, org, may in (
        ("paul@northgate.example", Role.USER, "0001", False),
        ("aa@harbor.example", Role.ACCOUNT_ADMINISTRATOR, "0002", False),
        ("support@operator.example", Role.SUPPORT, "0", False),
        ("security@operator.example", Role.SECURITY, "0", True),
    ):
        helper = enrolled(sqlite_world, email, role=role, org=org)
        if may:
            assert not reset(CONSOLE, maria.email, email, helper.next_code()).done
        else:
            with pytest.raises(BadParameter):
                reset(CONSOLE, maria.email, email, helper.next_code())


def test_nobody_helps_to_reset_the_own_access_or_without_a_code(sqlite_world: World) -> None:
    saa, _ = two_helpers(sqlite_world)
    maria = enrolled(sqlite_world)
    reset = sqlite_world.exchange.people.administration.reset

    with pytest.raises(BadParameter):
        reset(CONSOLE, saa.email, saa.email, saa.next_code())
    with pytest.raises(FactorRejected):
        reset(CONSOLE, maria.email, saa.email, saa.app_code())  # used a moment ago
    for _ in range(4):
        with pytest.raises(FactorRejected):
            reset(CONSOLE, maria.email, saa.email, "000000")
    with pytest.raises(LockedOut):
        reset(CONSOLE, maria.email, saa.email, saa.next_code())
    with pytest.raises(NotFound):
        reset(CONSOLE, maria.email, "nobody@northgate.example", "000000")
    wrong = sqlite_world.audited("person.factor_wrong")
    assert [(each.object, each.source) for each in wrong] == [(saa.email, CONSOLE.source)] * 5


def test_only_enrolled_people_are_reset(sqlite_world: World) -> None:
    saa, _ = two_helpers(sqlite_world)
    maria = invited(sqlite_world)

    with pytest.raises(WrongState):
        reset = sqlite_world.exchange.people.administration.reset
        reset(CONSOLE, maria.email, saa.email, saa.next_code())


def test_ready_people_of_the_demo_can_sign_in_and_are_made_once(sqlite_world: World) -> None:
    new = NewPerson("demo@northgate.example", "Demo User", "0001", Role.USER)
    ready = ReadyPerson(new, PASSWORD, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "+1 212 555 0142")
    admin = sqlite_world.exchange.people.administration
    made = admin.have_ready(SYSTEM, ready)
    human = Human(sqlite_world, made.email, secret=ready.totp_secret)

    assert admin.have_ready(SYSTEM, ready) == made
    assert human.sign_in().session
    kinds = {each.kind for each in human.people.account.view(human.session).factors}
    assert kinds == {FactorKind.AUTHENTICATOR, FactorKind.SMS, FactorKind.CALL}


def test_the_retention_sweep_forgets_what_has_ended(world: World) -> None:
    maria = enrolled(world).sign_in()
    maria.begin()
    world.clock.pass_time(timedelta(days=40))
    world.exchange.retention.sweep()

    with world.database.reading() as tx:
        for table in ("person_sessions", "devices", "challenges"):
            assert tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0


def test_an_old_link_says_no_more_than_an_unknown_one(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    link = maria.link()
    sqlite_world.exchange.people.administration.end(SYSTEM, maria.email)

    with pytest.raises(InvitationEnded) as ended:
        maria.people.enrolment.start(HOME, link)
    with pytest.raises(InvitationEnded) as unknown:
        maria.people.enrolment.start(HOME, "nosuch")
    assert ended.value.message == unknown.value.message
