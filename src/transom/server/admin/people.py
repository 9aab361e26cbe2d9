"""transom-server admin person, and which kinds of factor people may use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from transom.core.exchange import Exchange
from transom.core.people.administration import NewPerson, PeopleAdministration, PersonView
from transom.domain.people import FactorKind, Invitation, Period, Person, Role
from transom.server.admin.options import parse_day
from transom.server.admin.secrets import confirm
from transom.server.opening import Config, open_exchange, operator
from transom.server.printing import AsJson, document, done, facts, instant, moment, table

person = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="People who use the portal.")
factor = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Kinds of second factor, and until when."
)

Email = Annotated[
    str, typer.Argument(metavar="EMAIL", help="The e-mail address, which is the user name.")
]
KindOption = Literal["authenticator", "passkey", "sms", "call"]


@contextmanager
def _open(config: Path) -> Iterator[tuple[PeopleAdministration, Exchange]]:
    with open_exchange(config) as exchange:
        yield exchange.people.administration, exchange


# --- invited -------------------------------------------------------------------------------------


@person.command("invite")
def person_invite(  # noqa: PLR0913 - one for each option
    email: Email,
    name: Annotated[str, typer.Argument(metavar="NAME", help="First and last name.")],
    config: Config,
    org: Annotated[
        str, typer.Option(metavar="ORG", help="The organization; 0 is the operator.")
    ] = "0",
    role: Annotated[
        Literal["user", "aa", "saa", "support", "entitlement", "security", "auditor"],
        typer.Option(
            help="user, aa and saa (account administrator, super account administrator) of a firm; "
            "the others are the operator's own staff."
        ),
    ] = "user",
    language: Annotated[
        Literal["", "en", "es"],
        typer.Option(help="What mails and pages are in until the person chooses."),
    ] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Add a person, and mail an invitation that works once, for three days.

    The mail goes out through the running server.
    """
    new = NewPerson(email, name, org, Role(role), language)
    with _open(config) as (admin, exchange):
        if new.role.is_operator:
            exchange.administration.have_operator(operator())
        invitation = admin.invite(operator(), new)
        zone = exchange.administration.zone
    if as_json:
        document(_invitation(invitation))
    done(
        f"{name} is invited as {Role(role).words} of organization {org}, "
        f"until {moment(invitation.ends_at, zone)}.",
        f"transom-server admin person show {invitation.email} --config {config}",
    )


@person.command("resend")
def person_resend(email: Email, config: Config, *, as_json: AsJson = False) -> None:
    """Mail a new invitation.

    The old link ends, and with it whatever was done with it: somebody else may have opened it.
    """
    with _open(config) as (admin, exchange):
        invitation = admin.resend(operator(), email)
        zone = exchange.administration.zone
    if as_json:
        document(_invitation(invitation))
    done(f"A new invitation goes to {email}; it works until {moment(invitation.ends_at, zone)}.")


# --- looked at -----------------------------------------------------------------------------------


@person.command("list")
def person_list(
    config: Config,
    org: Annotated[str, typer.Option(metavar="ORG", help="Only of this organization.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List people with their invitations: sent, bounced, opened and so on up to complete."""
    with _open(config) as (admin, exchange):
        people = admin.people(org)
        states = {each.email: each for each in admin.invitations(org)}
        now = exchange.administration.now()
    if as_json:
        document([_person(each, now) | _state(states.get(each.email)) for each in people])
        return
    table(
        ("EMAIL", "NAME", "ORG", "ROLE", "STATE", "INVITATION"),
        [
            (
                each.email,
                each.name,
                each.org,
                each.role,
                _standing(each, now),
                states[each.email].state if each.email in states else "",
            )
            for each in people
        ],
    )


@person.command("show")
def person_show(email: Email, config: Config, *, as_json: AsJson = False) -> None:
    """Show a person: invitation, factors, sessions, and pauses with the sources of wrong tries."""
    with _open(config) as (admin, exchange):
        view = admin.show(email)
        zone, now = exchange.administration.zone, exchange.administration.now()
    if as_json:
        document(_document(view, now))
        return
    found, invitation = view.person, view.invitation
    facts(
        f"{found.name} ({found.email})",
        (
            ("role", [f"{found.role.words} of {found.org_name} ({found.org})"]),
            ("state", [_standing(found, now)]),
            ("invitation", [_told(invitation, zone)] if invitation else ["none"]),
            ("factors", [f"{each.kind.words}: {each.label}" for each in view.factors] or ["none"]),
            ("sessions", [str(view.sessions)]),
            ("paused", [f"{who} until {moment(at, zone)}" for who, at in view.paused] or ["no"]),
        ),
    )


# --- locked, reset, ended ------------------------------------------------------------------------


@person.command("lock")
def person_lock(email: Email, config: Config, *, as_json: AsJson = False) -> None:
    """Let a person do nothing more: every session ends at once."""
    with _open(config) as (admin, _):
        changes = admin.lock(operator(), email)
    _say(as_json=as_json, changes=changes, what=f"{email} is locked")


@person.command("unlock")
def person_unlock(email: Email, config: Config, *, as_json: AsJson = False) -> None:
    """Let a person act again, and forget every failed sign-in."""
    with _open(config) as (admin, _):
        changes = admin.unlock(operator(), email)
    _say(as_json=as_json, changes=changes, what=f"{email} may sign in")


@person.command("reset")
def person_reset(
    email: Email,
    config: Config,
    by: Annotated[
        str,
        typer.Option(
            metavar="EMAIL",
            help="The administrator who wants it: of the firm, or operator staff of role security.",
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Let a person who lost the factors enrol anew. It takes two administrators within a day.

    Each runs this command and proves with a code of the own authenticator app, which is asked for.
    At the second, password, factors and sessions end, and a new invitation goes.
    """
    code = _code_of(by)
    with _open(config) as (admin, exchange):
        reset = admin.reset(operator(), email, by, code)
        zone = exchange.administration.zone
    if as_json:
        waits = None if reset.done else instant(reset.waits_until)
        document({"done": reset.done, "askedBy": reset.asked_by, "waitsUntil": waits})
    if reset.done:
        done(f"{email} must enrol anew: all there was has ended, and an invitation goes.")
    else:
        until = moment(reset.waits_until, zone)
        done(f"Noted. A second administrator must run the same command before {until}.")


def _code_of(by: str) -> str:
    """Ask for a code without showing it; from a script, it is a line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    return str(typer.prompt(f"Code of {by}'s authenticator app", hide_input=True, err=True))


@person.command("end")
def person_end(
    email: Email,
    config: Config,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the address again.")] = False,
    as_json: AsJson = False,
) -> None:
    """End a person for good. The user name stays taken, and what was done stays on record."""
    if not yes:
        confirm(f"Person {email} ends for good: nothing brings the access back.", email)
    with _open(config) as (admin, _):
        admin.end(operator(), email)
    _say(as_json=as_json, changes=True, what=f"{email} has ended for good")


# --- kinds of factor -----------------------------------------------------------------------------


@factor.command("list")
def factor_list(
    config: Config,
    org: Annotated[str, typer.Option(metavar="ORG", help="In this organization.")] = "",
) -> None:
    """List the kinds that people may use now, the recommended first."""
    with _open(config) as (admin, _):
        kinds = admin.factor_kinds(org)
    for kind in kinds:
        typer.echo(kind)


@factor.command("set")
def factor_set(
    kind: Annotated[KindOption, typer.Argument(metavar="KIND", help="The kind of factor.")],
    config: Config,
    org: Annotated[str, typer.Option(metavar="ORG", help="Only in this organization.")] = "",
    start: Annotated[
        str, typer.Option("--from", metavar="DAY", help="The first day on which it may be used.")
    ] = "",
    last: Annotated[
        str, typer.Option("--until", metavar="DAY", help="The last day on which it may be used.")
    ] = "",
) -> None:
    """Say from when until when a kind may be used; without a day, always.

    For all, and for an organization beside that: both must allow.
    """
    with _open(config) as (admin, exchange):
        zone = exchange.administration.zone
        period = Period(_begin(start, zone), _begin(last, zone, after=True))
        admin.set_factor_period(operator(), org, FactorKind(kind), period)
    where = f"in organization {org}" if org else "by everybody"
    when = " ".join(
        part
        for part in (f"from {start}" if start else "", f"through {last}" if last else "")
        if part
    )
    done(f"A factor of kind {kind} may be used {where} {when or 'always'}.")


def _begin(day: str, zone: ZoneInfo, *, after: bool = False) -> datetime | None:
    """When a day begins, or the one after it."""
    if not day:
        return None
    first = parse_day(day) + (timedelta(days=1) if after else timedelta(0))
    return datetime.combine(first, time(), zone).astimezone(UTC)


# --- how they are told ---------------------------------------------------------------------------


def _say(*, as_json: bool, changes: bool, what: str) -> None:
    if as_json:
        document({"changed": changes})
    done(f"{what}{'' if changes else ' already'}.")


def _standing(found: Person, now: datetime) -> str:
    if found.ends_at is not None and found.ends_at <= now:
        return "ended"
    if not found.active:
        return "locked"
    return "active" if found.enrolled_at else "invited"


def _told(invitation: Invitation, zone: ZoneInfo) -> str:
    detail = f" ({invitation.detail})" if invitation.detail else ""
    ends = moment(invitation.ends_at, zone)
    return f"{invitation.state}{detail}, by {invitation.invited_by}, until {ends}"


def _person(found: Person, now: datetime) -> dict[str, object]:
    return {
        "email": found.email,
        "name": found.name,
        "org": found.org,
        "role": found.role,
        "state": _standing(found, now),
        "enrolledAt": instant(found.enrolled_at),
    }


def _state(invitation: Invitation | None) -> dict[str, object]:
    return {"invitation": invitation.state if invitation else None}


def _invitation(invitation: Invitation) -> dict[str, object]:
    return {
        "email": invitation.email,
        "org": invitation.org,
        "role": invitation.role,
        "state": invitation.state,
        "invitedBy": invitation.invited_by,
        "sentAt": instant(invitation.sent_at),
        "endsAt": instant(invitation.ends_at),
        "detail": invitation.detail,
    }


def _document(view: PersonView, now: datetime) -> dict[str, object]:
    return _person(view.person, now) | {
        "invitation": _invitation(view.invitation) if view.invitation else None,
        "factors": [
            {"kind": each.kind, "label": each.label, "lastUsedAt": instant(each.last_used_at)}
            for each in view.factors
        ],
        "sessions": view.sessions,
        "paused": [{"source": who, "until": instant(at)} for who, at in view.paused],
    }
