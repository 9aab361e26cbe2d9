"""What attackers do to a sign-in: guess, replay, race, plant, redirect, tell names apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from requests.adapters import HTTPAdapter
from visitors import PASSWORD, SECRET, Human, Page, Visitor, invited, mail, person
from work import Work, counted
from world import Served, World

from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.people import Role

OFTEN_CHANGING = re.compile(
    r'name="form_token" value="[^"]*"|name="back" value="[^"]*"|value="[^"]*@[^"]*"'
)


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def maria(sqlite_world: World) -> Human:
    return person(sqlite_world)


@pytest.fixture
def visitors(served: Served) -> Iterator[Callable[..., Visitor]]:
    made_here: list[Visitor] = []

    def make(source: str = "127.0.0.1") -> Visitor:
        visitor = Visitor(served.portal.replace("localhost", "127.0.0.1"))
        visitor.headers = {"Host": served.portal.removeprefix("http://")}
        visitor.http.mount("http://", _From(source))
        made_here.append(visitor)
        return visitor

    yield make
    for each in made_here:
        each.close()


class _From(HTTPAdapter):
    """Comes from this address of the machine."""

    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *args: object, **kwargs: object) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(self._source, 0))


@pytest.fixture
def visitor(visitors: Callable[..., Visitor]) -> Visitor:
    return visitors()


# --- codes -------------------------------------------------------------------------------------


def test_a_code_works_once_also_for_another_browser(
    visitors: Callable[..., Visitor], maria: Human
) -> None:
    first, second = visitors(), visitors()
    pages = [each.give_password(maria) for each in (first, second)]
    code = maria.code()

    assert first.press(pages[0], "Sign in", answer=code).heading == "Home"
    again = second.press(pages[1], "Sign in", answer=code)
    assert again.status == 422
    assert "used already" in again.text


def test_of_many_that_send_one_code_at_once_one_gets_in(
    visitors: Callable[..., Visitor], maria: Human
) -> None:
    crowd = [visitors() for _ in range(4)]
    pages = [each.give_password(maria) for each in crowd]
    code = maria.code()

    def enter(at: int) -> Page:
        return crowd[at].press(pages[at], "Sign in", answer=code)

    with ThreadPoolExecutor(len(crowd)) as threads:
        found = list(threads.map(enter, range(len(crowd))))

    assert sorted(page.status for page in found) == [200, 422, 422, 422]


def test_guessing_codes_ends_long_before_it_gets_anywhere(visitor: Visitor, maria: Human) -> None:
    page = visitor.give_password(maria)
    tries = 0
    while page.status == 422 or not tries:
        tries += 1
        assert tries <= 10
        page = visitor.press(page, "Sign in", answer=f"{tries:06}")

    assert page.status in {401, 429}
    last = visitor.open("/sign-in/factor")
    assert last.status in {401, 429}
    assert last.heading not in {"Home", "Your account"}


def test_the_code_of_another_person_opens_nothing(
    visitor: Visitor, maria: Human, sqlite_world: World
) -> None:
    other = NewPerson("sam@harbor.example", "Sam", "0002", Role.USER)
    secret = "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"
    admin = sqlite_world.exchange.people.administration
    admin.have_ready(SYSTEM, ReadyPerson(other, PASSWORD, secret))
    sam = Human(sqlite_world, other.email, secret=secret)

    page = visitor.press(visitor.give_password(maria), "Sign in", answer=sam.code())

    assert page.status == 422


# --- sessions ------------------------------------------------------------------------------------


def test_a_session_id_that_was_planted_is_never_taken_over(
    visitor: Visitor, visitors: Callable[..., Visitor], maria: Human
) -> None:
    attacker = visitors()
    attacker.give_password(maria)
    planted = attacker.session
    victim = visitor
    victim.http.cookies.set("transom-session", planted, domain="localhost.local", path="/")

    page = victim.give_password(maria)
    page = victim.press(page, "Sign in", answer=maria.code())

    assert page.heading == "Home"
    assert victim.session != planted
    assert attacker.open("/account").status == 401


def test_a_copied_cookie_dies_with_the_session(
    visitor: Visitor, visitors: Callable[..., Visitor], maria: Human
) -> None:
    page = visitor.sign_in(maria)
    thief = visitors()
    thief.http.cookies.set("transom-session", visitor.session, domain="localhost.local", path="/")
    assert thief.open("/account").status == 200

    visitor.press(page, "Sign out")

    assert thief.open("/account").status == 401


@pytest.mark.parametrize("token", ["", "x", "a" * 600, "../../etc/passwd", "%00", "' or 1=1 --"])
def test_a_cookie_of_nonsense_is_no_session(visitor: Visitor, token: str) -> None:
    visitor.headers |= {"Cookie": f"transom-session={token}"}

    assert visitor.open("/account").status == 401


# --- names ---------------------------------------------------------------------------------------


def seen(page: Page) -> tuple[int, str, list[str]]:
    """What one sees of an answer, without what changes in each."""
    names = sorted(name for name in page.answer.headers if name.lower() != "date")
    return page.status, OFTEN_CHANGING.sub("", page.html), names


def test_known_and_unknown_names_are_answered_alike_also_when_paused(
    visitors: Callable[..., Visitor], maria: Human, sqlite_world: World
) -> None:
    ghost = Human(sqlite_world, "ghost@northgate.example")
    for number in range(7):
        known = visitors().give_password(maria, "wrong")
        unknown = visitors().give_password(ghost, "wrong")
        assert seen(known) == seen(unknown), number

    assert known.status == 429


def test_known_and_unknown_names_cost_the_same_work(
    visitors: Callable[..., Visitor], maria: Human, sqlite_world: World
) -> None:
    visitors("127.0.0.8").give_password(Human(sqlite_world, "first@northgate.example"), "wrong")
    known = visitors("127.0.0.20"), maria
    unknown = visitors("127.0.0.21"), Human(sqlite_world, "ghost@northgate.example")

    def work(visitor: Visitor, who: Human) -> Work:
        page = visitor.press(visitor.open("/sign-in"), "Continue", email=who.email)
        with counted(sqlite_world) as work:
            visitor.press(page, "Continue", password="wrong")
        return work

    for number in range(7):
        pair = work(*known), work(*unknown)
        assert pair[0] == pair[1], number
        assert (pair[0].hashes, bool(pair[0].statements)) == (1, True)


def test_wrong_passwords_from_elsewhere_do_not_keep_the_victim_out(
    visitors: Callable[..., Visitor], maria: Human
) -> None:
    attacker = visitors("127.0.0.9")
    for _ in range(6):
        page = attacker.give_password(maria, "wrong")
    assert page.status == 429

    assert visitors().sign_in(maria).heading == "Home"


def test_a_paused_name_is_paused_for_the_right_password_too_and_not_for_ever(
    visitors: Callable[..., Visitor], maria: Human, sqlite_world: World
) -> None:
    for _ in range(5):
        visitors().give_password(maria, "wrong")

    assert visitors().give_password(maria).status == 429
    sqlite_world.clock.pass_time(timedelta(minutes=2))
    assert visitors().sign_in(maria).heading == "Home"


# --- invitations -------------------------------------------------------------------------------


def test_a_scanner_that_opens_the_link_uses_nothing(
    visitor: Visitor, visitors: Callable[..., Visitor], sqlite_world: World
) -> None:
    link = invited(sqlite_world)
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        visitors().ask(method, link)

    page = visitor.press(visitor.open(link), "Start")

    assert page.heading == "Choose a password"


def test_used_replaced_late_and_invented_links_are_answered_alike(
    visitors: Callable[..., Visitor], sqlite_world: World
) -> None:
    used = invited(sqlite_world, "a@northgate.example")
    first = visitors()
    first.press(first.open(used), "Start")
    replaced = invited(sqlite_world, "b@northgate.example")
    sqlite_world.exchange.people.administration.resend(SYSTEM, "b@northgate.example")
    newest = mail(sqlite_world, "b@northgate.example").text
    assert replaced not in newest
    answers = []
    for link in (used, replaced, "/invitation/never-was"):
        visitor = visitors()
        answers.append(seen(visitor.press(visitor.open(link), "Start")))
    late = invited(sqlite_world, "c@northgate.example")
    sqlite_world.clock.pass_time(timedelta(hours=73))
    visitor = visitors()
    answers.append(seen(visitor.press(visitor.open(late), "Start")))

    assert answers[0][0] == 410
    assert all(each == answers[0] for each in answers)


# --- where one is led ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "onward",
    [
        "https://evil.example/",
        "//evil.example/account",
        "/\\evil.example",
        "/account/../../evil",
        "/sign-out",
        "javascript:alert(1)",
        "/account%0d%0aSet-Cookie:x=y",
        "/account?next=https://evil.example",
        "\thttps://evil.example",
    ],
)
def test_nobody_is_led_away_after_the_sign_in(visitor: Visitor, maria: Human, onward: str) -> None:
    page = visitor.sign_in(maria, onward)

    assert (page.path, page.heading) == ("/home", "Home")
    assert "evil" not in page.html


def test_names_and_browsers_full_of_markup_are_text(
    visitors: Callable[..., Visitor], sqlite_world: World
) -> None:
    markup = "<img src=x onerror=alert(1)>'\"&"
    new = NewPerson("x@northgate.example", markup, "0001", Role.USER)
    admin = sqlite_world.exchange.people.administration
    admin.have_ready(SYSTEM, ReadyPerson(new, PASSWORD, SECRET))
    villain = Human(sqlite_world, new.email)
    visitor = visitors()
    visitor.headers |= {"User-Agent": '"><script>alert(1)</script>'}

    page = visitor.sign_in(villain, "/account")
    factor = page.html.split("/account/factors/")[1].split("/")[0]
    visitor.press(visitor.open(f"/account/factors/{factor}/rename"), "Rename", label=markup[:60])
    page = visitor.open("/account")

    assert page.text.count("<img src=x onerror=alert(1)>") >= 2
    assert "<img src=x" not in page.html
    assert "<script>alert" not in page.html


def test_a_persons_password_alone_opens_no_other_door(served: Served, maria: Human) -> None:
    url = f"{served.rest}/fip/rest/ews/oauth2/access_token?grant_type=client_credentials"
    right = requests.post(url, auth=(maria.email, maria.password), timeout=20)
    wrong = requests.post(url, auth=(maria.email, "wrong"), timeout=20)

    assert (right.status_code, right.json()["error"]) == (400, "invalid_client")
    assert {**right.json(), "requestId": ""} == {**wrong.json(), "requestId": ""}


def test_guesses_at_the_token_service_count_at_the_portal_too(
    served: Served, visitor: Visitor, maria: Human
) -> None:
    url = f"{served.rest}/fip/rest/ews/oauth2/access_token?grant_type=client_credentials"
    for _ in range(5):
        requests.post(url, auth=(maria.email, "wrong"), timeout=20)

    assert visitor.give_password(maria).status == 429
