"""Which language a reader gets, that nothing on a page is left out of it, and what it writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from gettext import NullTranslations

import pytest
from answering import answer
from filing import entitled
from visitors import PASSWORD, Human, Page, Visitor, delivered, invited, mail
from world import Served, World

from transom.core.people.administration import NewPerson
from transom.core.retention import SYSTEM
from transom.domain.errors import (
    BadName,
    BadParameter,
    NotFound,
    TooMany,
    Unavailable,
    WrongState,
)
from transom.domain.messages import Mail, TextMessage, VoiceCall
from transom.domain.names import parse_upload_name
from transom.domain.people import FactorKind, Role
from transom.domain.said import said
from transom.domain.submission import Finding, State
from transom.frontends.portal import language, words
from transom.frontends.portal.language import LANGUAGES, Language

AT = datetime(2026, 11, 20, 20, 36, 1, tzinfo=UTC)
SPANISH = {"Accept-Language": "es-US,es;q=0.9,en;q=0.8"}
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""What a text message holds 160 of; one other sign, and it holds 70."""


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """Each test ends in the language that it began in."""
    yield
    language.settle("en")


def spoken(page: Page) -> str:
    found = re.search(r'<html lang="([^"]*)" dir="([^"]*)"', page.html)
    assert found
    assert found[2] == "ltr"
    return found[1]


# --- what is chosen ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "accepted", "code"),
    [
        ("", "", "en"),
        ("es", "", "es"),
        ("es", "en", "es"),
        ("", "es", "es"),
        ("", "es-MX", "es"),
        ("", "ES", "es"),
        ("", "fr, es;q=0.5", "es"),
        ("", "en;q=0.4, es;q=0.5", "es"),
        ("", "es;q=0.4, en;q=0.5", "en"),
        ("", "es, en", "es"),
        ("", "es;q=0", "en"),
        ("", "es;q=2, en;q=x, es;level=1", "en"),
        ("", "tlh", "en"),
        ("", ",;=,", "en"),
        ("xx", "es", "es"),
        ("../../etc", "", "en"),
        ("", "fr," * 60 + "es", "en"),
    ],
)
def test_the_choice_comes_first_then_the_browser_then_english(
    chosen: str, accepted: str, code: str
) -> None:
    assert language.settle(chosen, accepted) == code
    assert language.present().code == code


def test_a_browser_that_asks_for_spanish_gets_it(stranger: Visitor) -> None:
    page = stranger.open("/sign-in", headers=SPANISH)

    assert (spoken(page), page.heading) == ("es", "Iniciar sesión")
    assert spoken(stranger.open("/sign-in")) == "en"


def test_one_chooses_at_the_foot_of_each_page_and_stays_there(stranger: Visitor) -> None:
    page = stranger.press(stranger.open("/help"), "Español")

    assert (page.path, spoken(page), page.heading) == ("/help", "es", "Ayuda para iniciar sesión")
    assert spoken(stranger.open("/sign-in", headers={"Accept-Language": "en"})) == "es"
    assert spoken(stranger.press(page, "English")) == "en"


def test_the_page_that_was_asked_for_is_not_forgotten_over_it(stranger: Visitor) -> None:
    page = stranger.press(stranger.open("/sign-in?next=/submissions"), "Español")

    assert page.answer.url.endswith("/sign-in?next=%2Fsubmissions")
    assert "next=/submissions" in page.html.replace("%2F", "/")


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "/nowhere", "", "help"]
)
def test_nobody_is_led_away_by_it(stranger: Visitor, back: str) -> None:
    page = stranger.press(stranger.open("/help"), "Español", back=back)

    assert page.path == "/sign-in"
    assert page.answer.url.startswith(stranger.portal)


def test_a_language_that_there_is_none_of_changes_nothing(stranger: Visitor) -> None:
    page = stranger.press(stranger.open("/help"), "Español", language="xx")

    assert spoken(page) == "en"


def test_another_site_does_not_choose_for_us(stranger: Visitor) -> None:
    stranger.open("/help")
    page = stranger.ask("POST", "/language", data={"language": "es", "back": "/help"})

    assert page.status == 403
    assert spoken(stranger.open("/help")) == "en"


def test_what_the_account_says_counts_behind_the_sign_in_and_before_the_next(
    visitor: Visitor, another: Callable[[], Visitor], maria: Human
) -> None:
    page = visitor.sign_in(maria, "/account")
    page = visitor.press(page, "Save display", language="es")

    assert spoken(page) == "es"
    assert "Las páginas se muestran como usted eligió." in page.text
    assert visitor.press(page, "Cerrar sesión").heading == "Iniciar sesión"
    elsewhere = another()
    elsewhere.headers |= {"Accept-Language": "en"}
    assert spoken(elsewhere.open("/sign-in")) == "en"
    assert spoken(elsewhere.sign_in(maria)) == "es"


def test_the_account_takes_no_language_that_there_is_none_of(
    visitor: Visitor, maria: Human
) -> None:
    page = visitor.press(visitor.sign_in(maria, "/account"), "Save display", language="xx")

    assert page.status == 422
    assert "Choose a language." in page.text


# --- nothing is left out -------------------------------------------------------------------------


class Bracketed(NullTranslations):
    """Each text in brackets: what stands outside them was never asked for."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"


BRACKETS = Language("xx", "Brackets", catalogue=Bracketed())
NOT_TEXT = re.compile(
    r"https?://\S+|\S+@\S+|[\w.-]+/[\w./-]+|\w*\d[\w.-]*|\b[A-Z]{2,4}\b|Maria Alvarez|Org"
    r"|English|Español|Brackets|\b(transom|Transom|curl|sftp|kB|MB|min|in|in_arcv|out)\b"
)
PAGES = (
    *("/home", "/browse", "/browse/0001/app1", "/browse/0001/app1/in", "/browse/0001/app1/out"),
    *("/submissions", "/submissions?q=nothing", "/submissions?from=2026-02-31", "/nowhere"),
    *("/account", "/account/activity", "/account/factor", "/account/password", "/account/codes"),
    *("/account/factor/phone/sms", "/account/factor/phone/call", "/account/proof", "/help"),
    *("/browse/0001/app1/nothing", "/submissions/none", "/acting-for", "/browse/0002/app1/in"),
)


def outside(page: Page) -> str:
    """What a page says that was never asked for."""
    text = re.sub(r"(?s)<(select|code|pre|samp|kbd)\b.*?</\1>|<[^>]*>", " ", page.html)
    before = ""
    while before != text:
        before, text = text, re.sub("⟦[^⟦⟧]*⟧", " ", text)
    text = re.sub(r"&\w+;|&#\d+;", " ", text)
    return " ".join(re.findall(r"[^\W\d_]{2,}", NOT_TEXT.sub(" ", text)))


def test_no_page_says_anything_that_is_not_translated(
    visitor: Visitor, maria: Human, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LANGUAGES, "xx", BRACKETS)
    firm, app = entitled(sqlite_world, maria), sqlite_world.processor()
    found = firm.submit("0001/app1/in/4530.xml", b"x" * 4_711)
    answer(app, State.PARTIALLY_REJECTED, [Finding("1", "2", "3", "4")])
    app.publish("0001/app1/out/4530_result.xml", b"x", about=found.tracking_id)
    firm.submit("0001/app1/in/4530_2.xml")
    visitor.sign_in(maria)
    visitor.press(visitor.open("/account"), "Save display", language="xx")

    said_outside = {
        path: outside(visitor.open(path))
        for path in (*PAGES, f"/submissions/{found.tracking_id}", "/sandbox/inbox")
    }

    assert {path: text for path, text in said_outside.items() if text} == {}


def test_no_step_of_sign_in_and_enrolment_says_anything_that_is_not_translated(
    another: Callable[[], Visitor],
    maria: Human,
    sqlite_world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(LANGUAGES, "xx", BRACKETS)
    visitor, newcomer = another(), another()
    visitor.headers |= {"Accept-Language": "xx"}
    newcomer.headers |= {"Accept-Language": "xx"}
    seen = [page := visitor.open("/sign-in")]
    seen.append(visitor.press(page, "⟦Continue⟧", email="maria"))
    seen.append(page := visitor.press(page, "⟦Continue⟧", email=maria.email))
    seen.append(visitor.press(page, "⟦Continue⟧", password=""))
    seen.append(visitor.press(page, "⟦Continue⟧", password="wrong"))
    seen.append(page := visitor.press(page, "⟦Continue⟧", password=PASSWORD))
    seen.append(visitor.press(page, "⟦Sign in⟧", answer="000000"))
    seen.append(visitor.press(page, "⟦text message⟧"))
    seen.append(visitor.press(seen[-1], "⟦Send a code⟧"))
    seen.append(visitor.press(seen[-1], "⟦Send it again⟧"))
    seen.append(visitor.press(seen[-1], "⟦Stop signing in⟧"))
    seen.append(page := newcomer.open(invited(sqlite_world)))
    seen.append(page := newcomer.press(page, "⟦Start⟧"))
    weak = ("short", "password1234", "new@northgate.example", "x" * 300, "\t" * 20)
    seen += [newcomer.press(page, "⟦Continue⟧", password=each) for each in weak]
    seen.append(page := newcomer.press(page, "⟦Continue⟧", password=PASSWORD))
    seen.append(newcomer.press(page, "⟦Continue⟧"))
    asked = {"question1": "street", "question2": "street", "question3": "book"}
    seen.append(newcomer.press(page, "⟦Continue⟧", **asked, answer1="a", answer3="Longer"))
    asked |= {"question2": "job", "answer1": "One way", "answer2": "Two ways", "answer3": "Oslo"}
    seen.append(page := newcomer.press(page, "⟦Continue⟧", **asked))
    seen.append(newcomer.press(page, "⟦Set up⟧ ⟦Authenticator app⟧"))
    seen.append(newcomer.open("/account"))

    assert [(each.path, outside(each)) for each in seen if outside(each)] == []


# --- sentences of the core -----------------------------------------------------------------------


def bad_name(name: str) -> BadName:
    with pytest.raises(BadName) as refused:
        parse_upload_name(name)
    return refused.value


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            NotFound(said("This session"), said("It may have ended already.")),
            "Esta sesión: no se encuentra. Puede que ya haya terminado.",
        ),
        (
            TooMany(said("codes"), timedelta(seconds=9)),
            "Demasiadas solicitudes (códigos). Vuelva a intentarlo dentro de 9 s.",
        ),
        (
            BadParameter("phone", said("codes do not go to numbers of this kind")),
            "phone: no se envían códigos a números de esta clase. Corríjalo y vuelva a intentarlo.",
        ),
    ],
)
def test_a_refusal_is_said_in_the_readers_language_and_in_english_to_programs(
    error: NotFound | TooMany | BadParameter, told: str
) -> None:
    language.settle("es")

    assert language.told_of(error) == told
    assert error.message == str(error)
    assert language.in_language("en", error.said) == error.message


@pytest.mark.parametrize(
    "error",
    [
        bad_name("draft#2.xml"),
        bad_name("x" * 300),
        bad_name(""),
        bad_name("a."),
        WrongState(said("This factor"), said("your last"), said("smaller")),
        Unavailable("storage"),
    ],
    ids=lambda error: error.message[:24],
)
def test_the_values_of_a_refusal_stand_in_its_translation(
    error: BadName | WrongState | Unavailable,
) -> None:
    language.settle("es")
    told = language.told_of(error)

    assert told != error.message
    assert "%(" not in told
    assert re.findall(r"\d+|[\w#]+\.xml", told) == re.findall(r"\d+|[\w#]+\.xml", error.message)


def test_a_factor_that_nobody_named_is_called_what_it_is(visitor: Visitor, maria: Human) -> None:
    visitor.headers |= SPANISH
    page = visitor.open("/sign-in")
    page = visitor.press(page, "Continuar", email=maria.email)
    page = visitor.press(page, "Continuar", password=maria.password)

    assert "Authenticator" not in page.text
    assert language.in_language("es", FactorKind.AUTHENTICATOR.words) in page.text.lower()


# --- mails, text messages, calls -----------------------------------------------------------------


def test_a_mail_is_in_the_language_that_the_person_reads_at_that_time(
    another: Callable[[], Visitor], maria: Human, sqlite_world: World
) -> None:
    visitor = another()
    visitor.headers |= SPANISH
    page = visitor.press(visitor.open("/sign-in"), "Continuar", email=maria.email)
    page = visitor.press(page, "Continuar", password=maria.password)
    visitor.press(page, "Iniciar sesión", answer=maria.code())
    found = mail(sqlite_world, maria.email)

    assert found.subject == "Transom: Inicio de sesión en un dispositivo nuevo"
    assert "Hola, Maria Alvarez:" in found.text
    assert '<html lang="es">' in found.html
    assert re.search(
        r"\d{1,2} (ene|feb|mar|abr|may|jun|jul|ago|sept?|oct|nov|dic) 20\d\d", found.text
    )


def test_a_mail_that_an_administrator_causes_is_in_the_language_that_the_person_chose(
    visitor: Visitor, maria: Human, sqlite_world: World
) -> None:
    visitor.press(visitor.sign_in(maria, "/account"), "Save display", language="es")
    admin = sqlite_world.exchange.people.administration
    row = admin.find(maria.email)
    letters = sqlite_world.exchange.people.administration._kit.letters

    assert row.language == "es"
    letter = letters.in_language(row.language).invitation(
        row, "x", datetime(2026, 5, 4, tzinfo=UTC), "M", "1"
    )
    assert letter.subject.startswith("Configure su acceso")  # fmt: skip


def test_an_invitation_is_in_the_language_that_the_inviter_named(sqlite_world: World) -> None:
    admin = sqlite_world.exchange.people.administration
    new = NewPerson("nueva@northgate.example", "Nora New", "0001", Role.USER, "es")
    admin.invite(SYSTEM, new)

    assert mail(sqlite_world, new.email).subject == "Configure su acceso a Transom"


def test_who_never_chose_is_written_to_in_english(sqlite_world: World) -> None:
    admin = sqlite_world.exchange.people.administration
    admin.invite(SYSTEM, NewPerson("new@northgate.example", "Nora New", "0001", Role.USER))

    assert mail(sqlite_world, "new@northgate.example").subject == "Set up your access to Transom"


@pytest.mark.parametrize(
    ("way", "send"),
    [("Mensaje de texto", "Enviar un código"), ("Llamada de voz", "Llamarme")],
)
def test_a_code_comes_in_the_language_of_the_page_that_asked_for_it(
    visitor: Visitor, maria: Human, sqlite_world: World, way: str, send: str
) -> None:
    visitor.headers |= SPANISH
    page = visitor.press(visitor.open("/sign-in"), "Continuar", email=maria.email)
    page = visitor.press(page, "Continuar", password=maria.password)
    visitor.press(visitor.press(page, way), send)
    delivered(sqlite_world)
    message = next(each.message for each in sqlite_world.inbox.messages())

    assert not isinstance(message, Mail)
    if isinstance(message, VoiceCall):
        assert message.language == "es"
        assert "código de Transom" in message.words
    else:
        assert set(message.text) <= GSM_7
        assert message.text.splitlines()[-1].startswith("@")


def test_what_the_old_number_is_told_fits_one_text_message(sqlite_world: World) -> None:
    letters = sqlite_world.exchange.people.administration._kit.letters.in_language("es")
    message = letters.number_removed("+13125550142")

    assert isinstance(message, TextMessage)
    assert len(message.text) <= 160
    assert set(message.text) <= GSM_7


def test_to_rename_a_factor_is_told_by_mail_like_every_other_change(
    visitor: Visitor, maria: Human, sqlite_world: World
) -> None:
    page = visitor.sign_in(maria, "/account")
    found = re.search(r"/account/factors/([^/]+)/rename", page.html)
    assert found
    form = visitor.open(found[0])
    page = visitor.press(form, "Rename", label="<b>Blue</b> phone")
    told = mail(sqlite_world, maria.email)

    assert "We sent you a mail about it." in page.text
    assert (
        told.subject == "Transom: A way to sign in was renamed: it is called <b>Blue</b> phone now"
    )
    assert "&lt;b&gt;Blue&lt;/b&gt; phone" in told.html


# --- dates and numbers ---------------------------------------------------------------------------


def test_dates_and_numbers_are_written_as_the_language_does() -> None:
    zone = "America/Chicago"
    english = (words.moment(AT, zone).striptags(), words.size(2_308_114), words.count(1_243))
    language.settle("es")
    spanish = (words.moment(AT, zone).striptags(), words.size(2_308_114), words.count(12_430))

    assert english == ("Nov 20, 2026, 2:36 PM CST", "2.31 MB", "1,243")
    assert spanish == ("20 nov 2026, 14:36 CST", "2,31 MB", "12.430")
    assert words.count(1_243) == "1243"
    assert words.stamp(AT, zone).striptags() == "2026-11-20 14:36"


def test_a_served_portal_has_every_language(common: Served) -> None:
    visitor = Visitor(common.portal)
    pages = {code: visitor.open("/help", headers={"Accept-Language": code}) for code in LANGUAGES}
    visitor.close()

    assert {code: spoken(page) for code, page in pages.items()} == {
        code: code for code in LANGUAGES
    }
