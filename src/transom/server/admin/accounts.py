"""transom-server admin account."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import typer

from transom.core.administration import OPERATOR, NewAccount
from transom.core.exchange import Exchange
from transom.core.register import Registered
from transom.domain.entitlement import PrincipalKind
from transom.domain.identity import Principal
from transom.server.admin import account_pages as pages
from transom.server.admin.keys import key
from transom.server.admin.options import (
    Anywhere,
    FewerNetworks,
    MoreNetworks,
    parse_day,
    parse_network,
    require_one_wish,
    tell_networks,
)
from transom.server.admin.secrets import SecretFile, confirm, hand_over, room_for_secret
from transom.server.opening import Config, open_exchange, operator
from transom.server.printing import AsJson, document, done, facts, moment, table

account = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Accounts of firms and of applications."
)
account.add_typer(key, name="key")


AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's user name.")]


# --- added, listed, shown ------------------------------------------------------------------------


@account.command("add")
def account_add(  # noqa: PLR0913 - one for each option
    name: AccountName,
    config: Config,
    org: Annotated[str, typer.Option(metavar="ORG", help="Its home organization.")] = "",
    application: Annotated[
        str,
        typer.Option(
            metavar="APP",
            help="Make it this application's own account, which takes and answers submissions.",
        ),
    ] = "",
    network: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", parser=parse_network, help="From here only; may be repeated."),
    ] = None,
    *,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Add an account, and print its secret this once.

    --org ORG for a firm's account, which may do nothing until it is given entitlements;
    --application APP for an application's own. May be repeated: the same one changes nothing, and
    prints no secret; another of its name is refused.
    """
    if not org and not application:
        raise typer.BadParameter("say whose it is", param_hint=["--org", "--application"])
    kind = PrincipalKind.APPLICATION if application else PrincipalKind.ACCOUNT
    new = NewAccount(name, org or OPERATOR.id, kind, tuple(network or ()))
    with room_for_secret(secret_file) as keep, open_exchange(config) as exchange:
        admin = exchange.administration
        if application:
            _, secret = admin.connect_application(operator(), application, new)
        else:
            _, secret = admin.have_account(operator(), new)
        keep(secret)
        added = admin.register.account(name)
    shown = pages.registered(added.account) | {"changed": secret is not None}
    hand_over(shown, secret, secret_file, as_json=as_json)
    may = f"processes {application}" if application else "may do nothing yet"
    whose = f"Account {name} of organization {new.home_org}"
    if secret is None:
        done(
            f"{whose} is there already{_standing(added.account)}; its secret was shown once. For a"
            f" new one: transom-server admin account rotate-secret {name} --config {config}"
        )
    else:
        done(
            f"{whose} is there and {may}.",
            ""
            if application
            else f"transom-server admin entitlement add {name} {org}/APPLICATION LEVEL"
            f" --config {config}",
        )


def _standing(added: Registered) -> str:
    return "" if added.state == "active" else f" ({pages.STATES[added.state]})"


@account.command("list")
def account_list(
    config: Config,
    org: Annotated[str, typer.Option(metavar="ORG", help="Only of this organization.")] = "",
    application: Annotated[
        str, typer.Option(metavar="APP", help="Only those entitled in this application.")
    ] = "",
    *,
    active: Annotated[
        bool | None,
        typer.Option("--active/--ended", help="Only those that may act, or that have ended."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List accounts, all or those that fit."""
    with open_exchange(config) as exchange:
        found = exchange.administration.register.accounts(org=org, application=application)
        zone = exchange.administration.zone
    if active is not None:
        found = tuple(each for each in found if each.state == ("active" if active else "ended"))
    if as_json:
        document([pages.registered(each) for each in found])
        return
    table(
        ("ACCOUNT", "ORG", "KIND", "STATE", "ENDS", "NETWORKS"),
        [
            (
                each.principal.name,
                each.principal.home_org,
                each.principal.kind,
                pages.STATES[each.state],
                moment(each.principal.ends_at, zone),
                ", ".join(each.principal.networks) or "anywhere",
            )
            for each in found
        ],
    )


@account.command("show")
def account_show(name: AccountName, config: Config, *, as_json: AsJson = False) -> None:
    """Show what is known of an account; never a secret."""
    with open_exchange(config) as exchange:
        found = exchange.administration.register.account(name)
        zone = exchange.administration.zone
    if as_json:
        document(pages.record(found))
    else:
        facts(f"Account {name}", pages.lines(found, zone))


# --- stopped, closed, ended ----------------------------------------------------------------------


@account.command("disable")
def account_disable(name: AccountName, config: Config, *, as_json: AsJson = False) -> None:
    """Stop an account; its tokens and signed URLs end at once."""
    with open_exchange(config) as exchange:
        admin = exchange.administration
        changes = admin.set_account_active(operator(), name, active=False)
        _answer(exchange, name, changes=changes, as_json=as_json)
    already = "" if changes else " already"
    done(
        f"Account {name} is disabled{already}: it may do nothing, and its tokens and signed URLs"
        " have ended."
    )


@account.command("enable")
def account_enable(name: AccountName, config: Config, *, as_json: AsJson = False) -> None:
    """Let a disabled account act again. One that has ended stays so."""
    with open_exchange(config) as exchange:
        admin = exchange.administration
        changes = admin.set_account_active(operator(), name, active=True)
        _answer(exchange, name, changes=changes, as_json=as_json)
    done(f"Account {name} is enabled{'' if changes else ' already'}.")


@account.command("unlock")
def account_unlock(name: AccountName, config: Config, *, as_json: AsJson = False) -> None:
    """Open sign-in to it again after wrong passwords."""
    with open_exchange(config) as exchange:
        changes = exchange.administration.unlock(operator(), name)
        _answer(exchange, name, changes=changes, as_json=as_json)
    done(f"Account {name} is open to every source{'' if changes else ' already'}.")


@account.command("end")
def account_end(
    name: AccountName,
    config: Config,
    on: Annotated[
        date | None,
        typer.Option(metavar="DATE", parser=parse_day, help="Its last day, instead of now."),
    ] = None,
    *,
    never: Annotated[bool, typer.Option("--never", help="Take a set last day back.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for its name.")] = False,
    as_json: AsJson = False,
) -> None:
    """End an account for good: it cannot be enabled again.

    Its secrets, keys, tokens and signed URLs end at once, so its name is asked for. With --on it
    acts on until the end of that day, which may be set anew or taken back until then.
    """
    if on is not None and never:
        raise typer.BadParameter("say one of the two", param_hint=["--on", "--never"])
    if on is not None or never:
        _set_end(name, config, on, as_json=as_json)
        return
    with open_exchange(config) as exchange:
        admin = exchange.administration
        has_ended = admin.register.account(name).account.state == "ended"
        if not yes and not has_ended:
            confirm(f"Account {name} ends for good and cannot be enabled again.", name)
        ended_at = admin.end_account(operator(), name)
        _answer(exchange, name, changes=not has_ended, as_json=as_json)
        since = moment(ended_at, admin.zone)
    if has_ended:
        done(f"Account {name} has ended already, at {since}.")
    else:
        ended = "its secrets, keys, tokens and signed URLs"
        done(f"Account {name} has ended for good, with {ended}.")


def _set_end(name: str, config: Path, last_day: date | None, *, as_json: bool) -> None:
    with open_exchange(config) as exchange:
        admin = exchange.administration
        before = admin.account(name).ends_at
        ends_at = admin.set_account_end(operator(), name, last_day)
        _answer(exchange, name, changes=before != ends_at, as_json=as_json)
        at = moment(ends_at, admin.zone)
    done(f"Account {name} ends at {at}." if at else f"Account {name} has no end set.")


# --- secrets and networks ------------------------------------------------------------------------


@account.command("rotate-secret")
def account_rotate_secret(
    name: AccountName, config: Config, *, secret_file: SecretFile = None, as_json: AsJson = False
) -> None:
    """Give an account a new secret, printed this once.

    The old one, its tokens and its signed URLs end at once.
    """
    with room_for_secret(secret_file) as keep, open_exchange(config) as exchange:
        admin = exchange.administration
        secret = admin.rotate_secret(operator(), name)
        keep(secret)
        found = admin.register.account(name)
    shown = pages.registered(found.account) | {"changed": True}
    hand_over(shown, secret, secret_file, as_json=as_json)
    done(f"Account {name} has a new secret; the old one and every token have ended.")


@account.command("allow-network")
def account_allow_network(
    name: AccountName,
    config: Config,
    networks: MoreNetworks = None,
    remove: FewerNetworks = None,
    *,
    anywhere: Anywhere = False,
    as_json: AsJson = False,
) -> None:
    """Say from where an account may come, or list it.

    Networks such as 192.0.2.0/24; with none named, those allowed are listed. An account may come
    from anywhere until the first is added; where its organization has networks, both must allow.
    """
    more, fewer = tuple(networks or ()), tuple(remove or ())
    require_one_wish(anywhere=anywhere, named=bool(more or fewer))
    with open_exchange(config) as exchange:
        admin = exchange.administration
        before = admin.account(name)
        if anywhere:
            admin.allow_networks(operator(), name, ())
        elif more or fewer:
            admin.change_networks(operator(), name, more=more, fewer=fewer)
        after = admin.account(name)
        if as_json:
            _answer(exchange, name, changes=before != after, as_json=True)
    if anywhere or more or fewer:
        done(_allowed(after))
    elif not as_json:
        tell_networks(after.networks, _allowed(after))


def _allowed(found: Principal) -> str:
    here = ", ".join(found.networks)
    return f"Account {found.name} may come from {f'{here} only' if here else 'anywhere'}."


# --- temporary names -----------------------------------------------------------------------------


@account.command("temporary-names")
def account_temporary_names(
    name: AccountName,
    wanted: Annotated[
        Literal["on", "off"], typer.Argument(metavar="on|off", help="on is how it begins.")
    ],
    config: Config,
    *,
    as_json: AsJson = False,
) -> None:
    """Whether its temporary names are held until renamed.

    Off, a file sent as data.zip.filepart is submitted under just this name.
    """
    with open_exchange(config) as exchange:
        admin = exchange.administration
        changes = admin.set_account_holds(operator(), name, holds=wanted == "on")
        _answer(exchange, name, changes=changes, as_json=as_json)
    already = "" if changes else " already"
    if wanted == "on":
        done(f"Uploads of account {name} under temporary names are held{already}.")
    else:
        done(f"Temporary names have no meaning{already} for account {name}.")


def _answer(exchange: Exchange, name: str, *, changes: bool, as_json: bool) -> None:
    """For machines, the account as it stands now."""
    if as_json:
        found = exchange.administration.register.account(name)
        document(pages.registered(found.account) | {"changed": changes})
