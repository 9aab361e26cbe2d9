"""How people get in, and what keeps everybody else out."""

from dataclasses import replace
from datetime import timedelta

import pytest
from folk import ELSEWHERE, HOME, PASSWORD, Human, at_once, enrolled, invited
from sqlalchemy import text
from work import counted
from world import CHEAP, World

from transom.core.retention import SYSTEM
from transom.core.sign_in import Attempt
from transom.domain.errors import (
    BadCredentials,
    ExchangeError,
    FactorPaused,
    FactorRejected,
    LockedOut,
    NotFound,
    SessionEnded,
)
from transom.domain.people import Assurance, FactorKind, Period, Visit
from transom.server.portal import Sandbox
from transom.server.program import assemble
from transom.server.system import SystemEntropy

MINUTE = timedelta(minutes=1)
PAUSED = "Transom: Wrong answers after your password paused a sign-in"


def wrong_passwords(maria: Human, visit: Visit, count: int) -> list[str]:
    """The codes of what came of so many wrong passwords."""
    found = []
    for _ in range(count):
        with pytest.raises(ExchangeError) as refused:
            maria.begin("not the password", visit)
        found.append(refused.value.code)
    return found


# --- the two steps -------------------------------------------------------------------------------


def test_a_password_alone_gets_no_further_than_the_challenge(world: World) -> None:
    maria = enrolled(world)
    people, session = world.exchange.people, maria.begin()

    assert session.assurance is Assurance.PASSWORD
    for reach in (
        lambda: people.account.view(session),
        lambda: people.account.sessions(session),
        lambda: people.account.activity(session),
        lambda: people.account.end_other_sessions(session, HOME),
        lambda: people.account.forget_devices(session, HOME),
        lambda: people.account.rename_factor(session, HOME, maria.factor(session), "x"),
        lambda: people.account.remove_factor(session, HOME, maria.factor(session)),
        lambda: people.account.new_recovery_codes(session, HOME),
        lambda: people.account.change_password(session, HOME, PASSWORD, PASSWORD * 2),
        lambda: people.account.set_display(session, session.display),
        lambda: people.setup.begin(session, HOME, FactorKind.AUTHENTICATOR),
        lambda: people.enrolment.state(session),
        lambda: people.enrolment.set_password(session, HOME, PASSWORD * 2),
        lambda: people.enrolment.finish(session, HOME),
    ):
        with pytest.raises(SessionEnded):
            reach()


def test_each_level_has_a_new_id_and_the_old_one_ends(world: World) -> None:
    maria = enrolled(world)
    half = maria.begin()
    full = maria.people.sign_in.verify(half, HOME, maria.factor(half), maria.next_code()).session
    again = maria.people.sign_in.verify(full, HOME, maria.factor(full), maria.next_code()).session

    tokens = [half.token, full.token, again.token]
    assert len({*tokens, half.id, full.id, again.id, half.csrf, full.csrf, again.csrf}) == 9
    for token in tokens[:2]:
        with pytest.raises(SessionEnded):
            maria.people.sign_in.resume(HOME, token)
    assert maria.people.sign_in.resume(HOME, again.token).csrf == again.csrf


def test_the_database_holds_no_cookie_secret_code_or_link(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    assert maria.session is not None
    kept = ""
    with sqlite_world.database.reading() as tx:
        tables = tx.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars()
        for table in tables.all():
            kept += str(tx.execute(text(f"SELECT * FROM {table}")).all())

    secrets = (maria.session.token, maria.secret, maria.visit.device, PASSWORD, maria.link())
    for secret in (*secrets, *maria.codes, maria.codes[0].replace("-", "")):
        assert secret
        assert secret not in kept


def test_a_user_name_is_known_in_whatever_case(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    maria.email = "  MARIA@Northgate.Example "

    assert maria.begin().person.email == "maria@northgate.example"


def test_a_password_is_the_same_however_the_keyboard_composed_it(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    maria.password = "größere Wörter für alle"
    maria.enrol()

    assert maria.begin("größere Wo\u0308rter fu\u0308r alle")


@pytest.mark.parametrize(
    "email",
    ["nobody@northgate.example", "paul@northgate.example", "ended@northgate.example", "0001ftp01"],
)
def test_unknown_names_get_the_same_answer(sqlite_world: World, email: str) -> None:
    admin = sqlite_world.exchange.people.administration
    paul = enrolled(sqlite_world, "paul@northgate.example")
    admin.lock(SYSTEM, paul.email)
    ended = enrolled(sqlite_world, "ended@northgate.example")
    admin.end(SYSTEM, ended.email)
    account = sqlite_world.account()
    nobody = Human(sqlite_world, email if email != "0001ftp01" else account.name)

    for password in (PASSWORD, account.secret, "not the password"):
        with pytest.raises(BadCredentials) as refused:
            nobody.begin(password)
        assert refused.value.message == BadCredentials().message


def test_whoever_is_named_a_wrong_password_costs_the_same_work(world: World) -> None:
    """A clock would tell one answer from another by their work: so it is the work that counts."""
    admin = world.exchange.people.administration
    names = {
        "enrolled": enrolled(world).email,
        "signed in elsewhere": enrolled(world, "nina@northgate.example").sign_in().email,
        "locked": enrolled(world, "paul@northgate.example").email,
        "ended": enrolled(world, "rosa@northgate.example").email,
        "invited": invited(world, "sven@northgate.example").email,
        "an account": world.account().name,
        "nobody": "nobody@northgate.example",
    }
    admin.lock(SYSTEM, names["locked"])
    admin.end(SYSTEM, names["ended"])
    wrong_passwords(Human(world, "first@northgate.example"), Visit("203.0.113.254"), 1)

    found: dict[str, list[tuple[int, list[str]]]] = {name: [] for name in names}
    for number, (name, email) in enumerate(names.items()):
        for _ in range(7):  # up to the pause, and in it
            with counted(world) as work:
                wrong_passwords(Human(world, email), Visit(f"203.0.113.{number}"), 1)
            found[name].append((work.hashes, work.statements))

    assert all(works == found["nobody"] for works in found.values())
    assert [hashes for hashes, _ in found["nobody"]] == [1] * 7
    assert all(statements for _, statements in found["nobody"])


@pytest.mark.parametrize("email", ["", "a\x00b", "x" * 129, "a\nb", "\ud800"])
@pytest.mark.parametrize("password", ["", PASSWORD, "a\x00b", "x" * 2000, "\ud800"])
def test_what_no_keyboard_types_is_refused_like_a_wrong_password(
    sqlite_world: World, email: str, password: str
) -> None:
    with pytest.raises(BadCredentials):
        sqlite_world.exchange.people.sign_in.begin(HOME, email, password)


def test_a_persons_password_opens_no_other_door(world: World) -> None:
    maria = enrolled(world)
    attempt = Attempt(maria.email, PASSWORD, HOME.source)

    with pytest.raises(BadCredentials):
        world.exchange.tokens.grant(attempt)
    with pytest.raises(BadCredentials):
        world.exchange.sign_in.enter(attempt)


def test_whoever_is_allowed_from_some_networks_only_comes_from_there(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    assert maria.session is not None
    admin = sqlite_world.exchange.administration
    admin.set_organization_networks(SYSTEM, "0001", ["198.51.100.0/24"])

    assert maria.people.sign_in.resume(maria.visit, maria.session.token)
    with pytest.raises(SessionEnded):
        maria.people.sign_in.resume(ELSEWHERE, maria.session.token)
    with pytest.raises(BadCredentials):
        maria.begin(visit=ELSEWHERE)


# --- codes of an app -----------------------------------------------------------------------------


def test_a_code_counts_once_also_at_the_same_moment(world: World) -> None:
    maria = enrolled(world)
    first, second = maria.begin(), maria.begin()
    code, factor = maria.app_code(), maria.factor(first)
    verify = maria.people.sign_in.verify

    came = at_once(
        lambda: verify(first, HOME, factor, code), lambda: verify(second, HOME, factor, code)
    )

    refused = [each for each in came if isinstance(each, FactorRejected)]
    assert [each.why for each in refused] == ["used"]
    assert len(came) == 2


def test_the_codes_of_this_step_and_the_one_before_count_and_no_others(world: World) -> None:
    maria = enrolled(world)
    for step, counts in ((-2, False), (1, False), (-1, True), (0, True)):
        session = maria.begin()
        verify, factor = maria.people.sign_in.verify, maria.factor(session)
        if counts:
            assert verify(session, HOME, factor, maria.app_code(step)).session
        else:
            with pytest.raises(FactorRejected):
                verify(session, HOME, factor, maria.app_code(step))


def test_a_code_older_than_the_last_used_counts_no_more(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    maria.sign_in()
    session = maria.begin()

    with pytest.raises(FactorRejected) as refused:
        answer = maria.app_code(-1)
        maria.people.sign_in.verify(session, maria.visit, maria.factor(session), answer)
    assert refused.value.why == "used"


@pytest.mark.parametrize(
    "answer", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\x00" * 6, "{" * 9999]
)
def test_what_is_no_code_is_wrong(sqlite_world: World, answer: str) -> None:
    maria = enrolled(sqlite_world)
    session = maria.begin()

    with pytest.raises(FactorRejected):
        maria.people.sign_in.verify(session, HOME, maria.factor(session), answer)


def test_a_code_may_be_typed_with_a_blank(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    session, code = maria.begin(), maria.app_code()
    spaced = f" {code[:3]} {code[3:]} "

    assert maria.people.sign_in.verify(session, HOME, maria.factor(session), spaced).session


def test_codes_follow_the_worlds_time_and_not_the_sandboxes(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    sqlite_world.clock.move(timedelta(days=3))

    assert maria.sign_in().session


def test_another_persons_factor_is_not_there(sqlite_world: World) -> None:
    maria, paul = enrolled(sqlite_world), enrolled(sqlite_world, "paul@northgate.example")
    session, theirs = maria.begin(), paul.factor(paul.begin())

    for call in (
        lambda: maria.people.sign_in.verify(session, HOME, theirs, paul.app_code()),
        lambda: maria.people.sign_in.challenge(session, HOME, theirs),
        lambda: maria.people.sign_in.challenge(session, HOME, "nosuch"),
    ):
        with pytest.raises(NotFound):
            call()


# --- recovery codes ------------------------------------------------------------------------------


def test_a_recovery_code_counts_once_also_at_the_same_moment(world: World) -> None:
    maria = enrolled(world)
    first, second, code = maria.begin(), maria.begin(), maria.codes[3].upper()
    verify = maria.people.sign_in.verify

    came = at_once(
        lambda: verify(first, HOME, "recovery", code),
        lambda: verify(second, HOME, "recovery", code),
    )

    refused = [each for each in came if isinstance(each, FactorRejected)]
    assert [each.why for each in refused] == ["used"]
    assert maria.people.sign_in.factors(maria.begin())[-1].left == 9
    assert "Transom: A recovery code was used" in maria.subjects()


def test_recovery_codes_are_offered_last_and_not_remembered_as_the_last_used(
    sqlite_world: World,
) -> None:
    maria = enrolled(sqlite_world)
    session = maria.begin()
    challenge = maria.people.sign_in.challenge(session, HOME, "recovery")
    assert challenge.factor.left == 10
    maria.people.sign_in.verify(session, HOME, "recovery", maria.codes[0])

    kinds = [each.kind for each in maria.people.sign_in.factors(maria.begin())]

    assert kinds == [FactorKind.AUTHENTICATOR, FactorKind.RECOVERY]


def test_codes_made_before_a_new_enrolment_count_no_more(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    old = maria.codes[0]
    assert maria.session is not None
    new = maria.people.account.new_recovery_codes(maria.session, maria.visit)
    session = maria.begin()

    with pytest.raises(FactorRejected):
        maria.people.sign_in.verify(session, maria.visit, "recovery", old)
    assert maria.people.sign_in.verify(session, maria.visit, "recovery", new[0])


# --- the lock-out rule ---------------------------------------------------------------------------


def test_five_wrong_tries_pause_a_name_at_its_source_known_or_not(world: World) -> None:
    maria, nobody = enrolled(world), Human(world, "nobody@northgate.example")

    for human in (maria, nobody):
        assert wrong_passwords(human, ELSEWHERE, 7) == ["bad_credentials"] * 5 + ["locked_out"] * 2
        with pytest.raises(LockedOut) as paused:
            human.begin(PASSWORD, ELSEWHERE)
        assert paused.value.until == world.clock.now() + MINUTE
    assert maria.begin().assurance is Assurance.PASSWORD
    world.clock.pass_time(MINUTE)
    assert maria.begin(PASSWORD, ELSEWHERE)


def test_wrong_codes_and_wrong_passwords_count_together_and_end_the_half_done_login(
    world: World,
) -> None:
    maria = enrolled(world)
    wrong_passwords(maria, HOME, 2)
    session, other = maria.begin(), maria.begin()
    verify, factor = maria.people.sign_in.verify, maria.factor(session)

    for _ in range(2):
        with pytest.raises(FactorRejected):
            verify(session, HOME, factor, "000000")
    with pytest.raises(LockedOut):
        verify(session, HOME, factor, "000000")

    for ended in (session, other):
        with pytest.raises(SessionEnded):
            maria.people.sign_in.resume(HOME, ended.token)
    with pytest.raises(LockedOut):
        maria.begin()


def test_the_right_password_does_not_make_wrong_codes_forgotten(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    refused = []
    for _ in range(5):
        session = maria.begin()
        with pytest.raises((FactorRejected, LockedOut)) as wrong:
            maria.people.sign_in.verify(session, HOME, maria.factor(session), "000000")
        refused.append(wrong.value.code)

    assert refused == ["factor_rejected"] * 4 + ["locked_out"]


@pytest.mark.parametrize("factor", ["app", "recovery"])
def test_wrong_answers_after_the_password_end_the_login_pause_the_name_and_are_told(
    world: World, factor: str
) -> None:
    maria = enrolled(world)
    session = maria.begin(visit=ELSEWHERE)
    factor_id = maria.factor(session) if factor == "app" else factor
    for _ in range(4):
        with pytest.raises(FactorRejected):
            maria.people.sign_in.verify(session, ELSEWHERE, factor_id, "aaaa-aaaa-aaaa-aaaa")
    assert PAUSED not in maria.subjects()
    with pytest.raises(LockedOut):
        maria.people.sign_in.verify(session, ELSEWHERE, factor_id, "aaaa-aaaa-aaaa-aaaa")

    with pytest.raises(LockedOut):
        maria.begin(visit=ELSEWHERE)
    assert maria.subjects().count(PAUSED) == 1
    assert ELSEWHERE.source in next(e.text for e in maria.mails() if e.subject == PAUSED)
    assert [each.source for each in world.audited("person.paused")] == [ELSEWHERE.source]


def test_two_nodes_count_together_and_take_a_code_once(world: World) -> None:
    maria = enrolled(world)
    here, it = maria.people.sign_in, world.program
    chance = (world.clock, SystemEntropy())
    other = assemble(it.settings, *chance, CHEAP, Sandbox(world.inbox, ()))
    there = other.exchange.people.sign_in
    try:
        sessions = [each.begin(HOME, maria.email, PASSWORD).session for each in (here, there)]
        code, factor = maria.app_code(), maria.factor(sessions[0])
        came = at_once(
            lambda: here.verify(sessions[0], HOME, factor, code),
            lambda: there.verify(sessions[1], HOME, factor, code),
        )
        refused = [each for each in came if isinstance(each, FactorRejected)]
        assert [each.why for each in refused] == ["used"]

        codes = []
        for number in range(6):
            with pytest.raises(ExchangeError) as wrong:
                (here, there)[number % 2].begin(ELSEWHERE, maria.email, "not the password")
            codes.append(wrong.value.code)
        assert codes == ["bad_credentials"] * 5 + ["locked_out"]
    finally:
        other.databases.dispose()


def test_a_lock_out_holds_at_every_door(world: World) -> None:
    account = world.account()
    human = Human(world, account.name, ELSEWHERE)
    wrong_passwords(human, ELSEWHERE, 5)

    with pytest.raises(BadCredentials):
        world.exchange.tokens.grant(Attempt(account.name, account.secret, ELSEWHERE.source))
    assert world.exchange.tokens.grant(Attempt(account.name, account.secret, "192.0.2.1"))


def test_failures_at_the_token_service_pause_the_portal_too(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    for _ in range(5):
        with pytest.raises(BadCredentials):
            sqlite_world.exchange.tokens.grant(Attempt(maria.email, "wrong", HOME.source))

    with pytest.raises(LockedOut):
        maria.begin()


def test_the_owner_gets_in_from_a_known_address_whatever_others_try(world: World) -> None:
    maria = enrolled(world).sign_in()
    for number in range(25):
        wrong_passwords(maria, Visit(f"203.0.113.{number}"), 1)

    with pytest.raises(LockedOut):
        maria.begin(visit=Visit("192.0.2.200"))
    assert maria.begin(visit=HOME)


def test_the_owner_gets_in_on_a_known_device_whatever_is_tried_at_the_same_address(
    world: World,
) -> None:
    maria = enrolled(world).sign_in()
    wrong_passwords(maria, HOME, 6)
    on_mine = replace(HOME, device=maria.visit.device)

    with pytest.raises(LockedOut):
        maria.begin(visit=HOME)
    assert maria.sign_in(on_mine).session


def test_a_device_is_known_to_its_person_only(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    paul = enrolled(sqlite_world, "paul@northgate.example")
    wrong_passwords(paul, HOME, 5)

    for device in (maria.visit.device, "nosuch", "é", "x" * 999):
        with pytest.raises(LockedOut):
            paul.begin(visit=replace(HOME, device=device))


def test_ten_wrong_codes_from_anywhere_pause_the_factor_and_not_its_owner(world: World) -> None:
    maria = enrolled(world).sign_in()
    for number in range(10):
        visit = Visit(f"203.0.113.{number}")
        session = maria.begin(visit=visit)
        with pytest.raises(FactorRejected):
            maria.people.sign_in.verify(session, visit, maria.factor(session), "000000")

    stranger = Visit("192.0.2.200")
    session = maria.begin(visit=stranger)
    for answer in (maria.next_code(), "000000"):
        with pytest.raises(FactorPaused) as paused:
            maria.people.sign_in.verify(session, stranger, maria.factor(session), answer)
    with pytest.raises(FactorPaused):
        maria.people.sign_in.challenge(session, stranger, maria.factor(session))
    assert paused.value.until <= world.clock.now() + timedelta(minutes=30)
    assert maria.subjects().count(PAUSED) == 1
    assert maria.people.sign_in.verify(session, stranger, "recovery", maria.codes[0])
    assert maria.sign_in(HOME).session


def test_guesses_in_flight_beside_one_another_all_count(world: World) -> None:
    maria = enrolled(world)
    session = maria.begin()
    verify, factor = maria.people.sign_in.verify, maria.factor(session)

    came = at_once(*[lambda: verify(session, HOME, factor, "000000")] * 8)

    rejected = [each for each in came if isinstance(each, FactorRejected)]
    assert len(rejected) == 4
    assert all(isinstance(each, FactorRejected | LockedOut | SessionEnded) for each in came)


def test_one_password_on_many_names_is_slowed_at_its_source(sqlite_world: World) -> None:
    codes = []
    for number in range(65):
        human = Human(sqlite_world, f"person{number}@northgate.example")
        codes += wrong_passwords(human, ELSEWHERE, 1)

    assert codes == ["bad_credentials"] * 60 + ["locked_out"] * 5


def test_an_administrators_unlock_ends_every_pause(world: World) -> None:
    maria = enrolled(world)
    wrong_passwords(maria, HOME, 6)
    admin = world.exchange.people.administration
    assert [source for source, _ in admin.show(maria.email).paused] == [HOME.source]

    assert admin.unlock(SYSTEM, maria.email)
    assert not admin.unlock(SYSTEM, maria.email)
    assert admin.show(maria.email).paused == ()
    assert maria.begin()


@pytest.mark.parametrize("factor", ["app", "recovery"])
def test_an_administrators_unlock_ends_the_pause_of_every_factor(
    sqlite_world: World, factor: str
) -> None:
    maria = enrolled(sqlite_world)
    sign_in = maria.people.sign_in
    for number in range(10):
        visit = Visit(f"203.0.113.{number}")
        session = maria.begin(visit=visit)
        factor_id = maria.factor(session) if factor == "app" else factor
        with pytest.raises(FactorRejected):
            sign_in.verify(session, visit, factor_id, "000000")
    with pytest.raises(FactorPaused):
        sign_in.challenge(session, visit, factor_id)

    assert sqlite_world.exchange.people.administration.unlock(SYSTEM, maria.email)
    answer = maria.next_code() if factor == "app" else maria.codes[0]
    assert sign_in.verify(maria.begin(visit=visit), visit, factor_id, answer)


# --- ends ----------------------------------------------------------------------------------------


def test_a_session_ends_when_nothing_happens_and_in_any_case(world: World) -> None:
    maria = enrolled(world).sign_in()
    assert maria.session is not None
    resume, token = maria.people.sign_in.resume, maria.session.token
    for _ in range(10):
        world.clock.pass_time(29 * MINUTE)
        resume(maria.visit, token)
    world.clock.pass_time(31 * MINUTE)
    with pytest.raises(SessionEnded) as idle:
        resume(maria.visit, token)
    assert (idle.value.why, idle.value.at) == ("idle", world.clock.now() - MINUTE)

    maria.sign_in()
    for _ in range(36):
        world.clock.pass_time(19 * MINUTE)
        resume(maria.visit, maria.session.token)
    world.clock.pass_time(MINUTE * 37)
    with pytest.raises(SessionEnded) as old:
        resume(maria.visit, maria.session.token)
    assert old.value.why == "old"


def test_half_a_login_lasts_ten_minutes(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    session = maria.begin()
    factor = maria.factor(session)
    sqlite_world.clock.pass_time(10 * MINUTE)

    with pytest.raises(SessionEnded):
        maria.people.sign_in.verify(session, HOME, factor, maria.app_code())
    with pytest.raises(SessionEnded):
        maria.people.sign_in.resume(HOME, session.token)


def test_a_cookie_is_worth_nothing_after_the_sign_out(world: World) -> None:
    maria = enrolled(world).sign_in()
    assert maria.session is not None
    maria.people.sign_in.end(maria.session, maria.visit)
    maria.people.sign_in.end(maria.session, maria.visit)

    with pytest.raises(SessionEnded):
        maria.people.sign_in.resume(maria.visit, maria.session.token)
    with pytest.raises(SessionEnded):
        maria.people.account.view(maria.session)


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 5000, "\x00"])
def test_a_cookie_that_nobody_gave_is_no_session(sqlite_world: World, token: str) -> None:
    with pytest.raises(SessionEnded):
        sqlite_world.exchange.people.sign_in.resume(HOME, token)


@pytest.mark.parametrize("how", ["lock", "end", "organization"])
def test_whoever_is_stopped_is_out_at_once(sqlite_world: World, how: str) -> None:
    maria = enrolled(sqlite_world).sign_in()
    assert maria.session is not None
    admin, exchange = sqlite_world.exchange.people.administration, sqlite_world.exchange
    if how == "organization":
        exchange.administration.set_organization_active(SYSTEM, "0001", active=False)
    else:
        getattr(admin, how)(SYSTEM, maria.email)

    with pytest.raises(SessionEnded):
        maria.people.sign_in.resume(maria.visit, maria.session.token)
    with pytest.raises(BadCredentials):
        maria.begin()


def test_a_retired_kind_of_factor_is_offered_no_more(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    set_period = sqlite_world.exchange.people.administration.set_factor_period
    ends = sqlite_world.clock.now() + timedelta(days=1)
    set_period(SYSTEM, "0001", FactorKind.AUTHENTICATOR, Period(ends_at=ends))
    session = maria.begin()
    factor = maria.people.sign_in.factors(session)[0]

    assert factor.ends_at == ends
    sqlite_world.clock.pass_time(timedelta(days=1))
    session = maria.begin()
    kinds = [each.kind for each in maria.people.sign_in.factors(session)]
    assert kinds == [FactorKind.RECOVERY]
    with pytest.raises(NotFound):
        maria.people.sign_in.verify(session, HOME, factor.id, maria.app_code())


# --- devices -------------------------------------------------------------------------------------


def test_a_new_device_is_told_by_mail_and_a_known_one_is_not(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    told = maria.subjects().count("Transom: Signed in on a new device")
    maria.sign_in()
    maria.sign_in(ELSEWHERE)

    assert told == 1
    assert maria.subjects().count("Transom: Signed in on a new device") == 2


def test_a_remembered_device_needs_no_factor_for_a_short_while(questionless: World) -> None:
    maria = enrolled_without_questions(questionless)
    session = maria.begin()
    entered = maria.people.sign_in.verify(
        session, HOME, maria.factor(session), maria.next_code(), remember=True
    )
    mine = replace(HOME, device=entered.device)

    again = maria.begin(visit=mine)
    assert (again.assurance, again.proven_at) == (Assurance.FULL, None)
    assert maria.begin(visit=HOME).assurance is Assurance.PASSWORD
    assert maria.people.account.view(again).remembered_devices == 1
    questionless.clock.pass_time(timedelta(hours=12))
    assert maria.begin(visit=mine).assurance is Assurance.PASSWORD


def test_a_remembered_device_can_be_forgotten(questionless: World) -> None:
    maria = enrolled_without_questions(questionless)
    session = maria.begin()
    entered = maria.people.sign_in.verify(
        session, HOME, maria.factor(session), maria.next_code(), remember=True
    )
    mine = replace(HOME, device=entered.device)

    assert maria.people.account.forget_devices(entered.session, mine) == 1
    assert maria.begin(visit=mine).assurance is Assurance.PASSWORD


def test_no_device_is_remembered_where_the_operator_does_not_want_it(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world)
    session = maria.begin()
    entered = maria.people.sign_in.verify(
        session, HOME, maria.factor(session), maria.next_code(), remember=True
    )

    visit = replace(HOME, device=entered.device)
    assert maria.people.sign_in.remember_hours == 0
    assert maria.begin(visit=visit).assurance is Assurance.PASSWORD


def enrolled_without_questions(world: World) -> Human:
    maria = invited(world)
    steps, session = maria.people.enrolment, maria.start()
    steps.set_password(session, HOME, PASSWORD)
    maria.add_app(session)
    steps.skip_another(session, HOME)
    steps.recovery_codes(session, HOME)
    steps.finish(session, HOME)
    maria.pass_seconds(60)
    return maria
