"""transom-server admin: organizations, accounts and entitlements."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import replace
from typing import Annotated, Literal

import typer

from transom.core.administration import NewAccount
from transom.core.exchange import Exchange
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Actor, Entitlement, Level
from transom.domain.identity import Organization
from transom.domain.space import OrgKind
from transom.server.opening import Config, group, open_exchange

admin = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Organizations, accounts and entitlements.",
)
org = group(admin, "org", "Organizations.")
account = group(admin, "account", "Accounts for file transfer.")
entitlement = group(admin, "entitlement", "What accounts may do, and where.")

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's user name.")]
PlaceText = Annotated[
    str, typer.Argument(metavar="PLACE", help="organization/application[/sub-space]")
]
May = Annotated[
    Literal["submit", "download", "both"],
    typer.Argument(metavar="LEVEL", help="submit, download or both"),
]


def _operator() -> Actor:
    """Who acts here, for the audit record: the exchange, told to by this user of the machine."""
    return replace(SYSTEM, source=f"uid {os.getuid()}")


def _done(what: str) -> None:
    typer.echo(what, err=True)


@org.command("create")
def org_create(
    org_id: Annotated[str, typer.Argument(metavar="ORG", help="Its id, digits such as 0001.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    config: Config,
    kind: Annotated[
        Literal["firm", "designating_authority", "service_provider"],
        typer.Option(help="What it is; some sub-spaces are for one kind only."),
    ] = "firm",
) -> None:
    """Add an organization."""
    with open_exchange(config) as exchange:
        organization = Organization(org_id, name, OrgKind(kind))
        exchange.administration.add_organization(_operator(), organization)
    _done(f"Organization {org_id}, {name}, is there.")


@account.command("create")
def account_create(
    name: AccountName,
    config: Config,
    of: Annotated[str, typer.Option("--org", metavar="ORG", help="Its home organization.")],
    networks: Annotated[
        list[str] | None,
        typer.Option("--network", metavar="CIDR", help="From here only; may be repeated."),
    ] = None,
) -> None:
    """Add an account, and print its password this once."""
    new = NewAccount(name, of, networks=tuple(map(_network, networks or ())))
    with open_exchange(config) as exchange:
        _, secret = exchange.administration.add_account(_operator(), new)
    typer.echo(secret)
    _done(f"Account {name} of {of} is there, with the password above. It may do nothing yet.")


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as wrong:
        raise typer.BadParameter(f"{wrong}", param_hint="--network") from None


@account.command("rotate")
def account_rotate(name: AccountName, config: Config) -> None:
    """Give it a new password, printed this once.

    The old one, its tokens and its signed URLs end at once.
    """
    with open_exchange(config) as exchange:
        secret = exchange.administration.rotate_secret(_operator(), name)
    typer.echo(secret)
    _done(f"Account {name} has the password above; the old one and every token have ended.")


@account.command("unlock")
def account_unlock(name: AccountName, config: Config) -> None:
    """Open it again after wrong passwords."""
    with open_exchange(config) as exchange:
        exchange.administration.unlock(_operator(), name)
    _done(f"Account {name} is open to every source.")


@account.command("end")
def account_end(name: AccountName, config: Config) -> None:
    """Stop it: it may do nothing more, from now on."""
    with open_exchange(config) as exchange:
        exchange.administration.set_account_active(_operator(), name, active=False)
    _done(f"Account {name} is stopped; its tokens and signed URLs have ended.")


@account.command("resume")
def account_resume(name: AccountName, config: Config) -> None:
    """Let a stopped account act again."""
    with open_exchange(config) as exchange:
        exchange.administration.set_account_active(_operator(), name, active=True)
    _done(f"Account {name} may act again.")


@entitlement.command("grant")
def entitlement_grant(name: AccountName, place: PlaceText, level: May, config: Config) -> None:
    """Let an account submit to a place, download from it, or both."""
    with open_exchange(config) as exchange:
        granted = _entitlement(exchange, name, place, level)
        exchange.administration.entitle(_operator(), granted)
    _done(f"Account {name} has {level} in {place}.")


@entitlement.command("end")
def entitlement_end(name: AccountName, place: PlaceText, level: May, config: Config) -> None:
    """Take an entitlement away, at once."""
    with open_exchange(config) as exchange:
        granted = _entitlement(exchange, name, place, level)
        exchange.administration.end_entitlement(_operator(), granted)
    _done(f"Account {name} no longer has {level} in {place}.")


def _entitlement(exchange: Exchange, name: str, place: str, level: str) -> Entitlement:
    match place.split("/"):
        case [org_id, application, *sub_space] if len(sub_space) <= 1:
            principal = exchange.administration.account(name)
            sub = "".join(sub_space)
            return Entitlement(principal.id, org_id, application, sub, Level(level))
        case _:
            raise typer.BadParameter("organization/application[/sub-space]", param_hint="PLACE")
