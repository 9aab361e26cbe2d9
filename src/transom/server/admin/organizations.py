"""transom-server admin org."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from transom.domain.identity import Organization
from transom.domain.space import OrgKind
from transom.records.identities import OrganizationRow
from transom.server.admin.options import (
    Anywhere,
    FewerNetworks,
    MoreNetworks,
    require_one_wish,
    tell_networks,
)
from transom.server.opening import Config, open_exchange, operator
from transom.server.printing import AsJson, document, done, facts, instant, moment, table

org = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Organizations.")

OrgId = Annotated[str, typer.Argument(metavar="ORG", help="Its id, digits such as 0001.")]


@org.command("add")
def org_add(
    org_id: OrgId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    config: Config,
    kind: Annotated[
        Literal["firm", "designating_authority", "service_provider"],
        typer.Option(help="What it is; some sub-spaces are for one kind only."),
    ] = "firm",
    *,
    as_json: AsJson = False,
) -> None:
    """Add an organization.

    May be repeated: the same one changes nothing, another with its id is refused.
    """
    with open_exchange(config) as exchange:
        admin = exchange.administration
        is_new = admin.add_organization(operator(), Organization(org_id, name, OrgKind(kind)))
        row = admin.register.organization(org_id)
    if as_json:
        document(_document(row) | {"changed": is_new})
    done(
        f"Organization {_told(row)} is there{'' if is_new else ' already'}.",
        f"transom-server admin account add NAME --org {org_id} --config {config}",
    )


@org.command("list")
def org_list(config: Config, *, as_json: AsJson = False) -> None:
    """List every organization."""
    with open_exchange(config) as exchange:
        found = exchange.administration.register.organizations()
    if as_json:
        document([_document(row) for row in found])
        return
    table(
        ("ORG", "NAME", "KIND", "STATE", "ACCOUNTS"),
        [
            (
                row.organization.id,
                row.organization.name,
                row.organization.kind,
                _state(row),
                f"{row.accounts:,}",
            )
            for row in found
        ],
    )


@org.command("show")
def org_show(org_id: OrgId, config: Config, *, as_json: AsJson = False) -> None:
    """Show an organization."""
    with open_exchange(config) as exchange:
        row = exchange.administration.register.organization(org_id)
        zone = exchange.administration.zone
    if as_json:
        document(_document(row))
        return
    facts(
        _told(row),
        (
            ("kind", [row.organization.kind]),
            ("state", [_state(row)]),
            ("networks", row.organization.networks or ["anywhere"]),
            ("accounts", [f"{row.accounts:,}"]),
            ("since", [moment(row.created_at, zone)]),
        ),
    )


@org.command("disable")
def org_disable(org_id: OrgId, config: Config, *, as_json: AsJson = False) -> None:
    """Stop an organization.

    Its accounts may do nothing more, and their tokens and signed URLs end at once; nobody else
    reaches its places.
    """
    _set_active(org_id, config, active=False, as_json=as_json)


@org.command("enable")
def org_enable(org_id: OrgId, config: Config, *, as_json: AsJson = False) -> None:
    """Let a stopped organization act again."""
    _set_active(org_id, config, active=True, as_json=as_json)


@org.command("allow-network")
def org_allow_network(
    org_id: OrgId,
    config: Config,
    networks: MoreNetworks = None,
    remove: FewerNetworks = None,
    *,
    anywhere: Anywhere = False,
    as_json: AsJson = False,
) -> None:
    """Say from where its accounts may come, or list it.

    Networks such as 192.0.2.0/24; with none named, those allowed are listed. Where an account has
    networks of its own, both must allow.
    """
    more, fewer = tuple(networks or ()), tuple(remove or ())
    require_one_wish(anywhere=anywhere, named=bool(more or fewer))
    with open_exchange(config) as exchange:
        admin = exchange.administration
        before = admin.register.organization(org_id)
        if anywhere:
            admin.set_organization_networks(operator(), org_id, ())
        elif more or fewer:
            admin.change_organization_networks(operator(), org_id, more=more, fewer=fewer)
        after = admin.register.organization(org_id)
    if as_json:
        document(_document(after) | {"changed": before != after})
    if anywhere or more or fewer:
        done(_allowed(after))
    elif not as_json:
        tell_networks(after.organization.networks, _allowed(after))


def _allowed(row: OrganizationRow) -> str:
    here = ", ".join(row.organization.networks)
    return f"Accounts of {_told(row)} may come from {f'{here} only' if here else 'anywhere'}."


def _set_active(org_id: str, config: Path, *, active: bool, as_json: bool) -> None:
    with open_exchange(config) as exchange:
        admin = exchange.administration
        changes = admin.set_organization_active(operator(), org_id, active=active)
        row = admin.register.organization(org_id)
    if as_json:
        document(_document(row) | {"changed": changes})
    already = "" if changes else " already"
    if active:
        done(f"Organization {_told(row)} is enabled{already}: its accounts may act.")
    else:
        done(
            f"Organization {_told(row)} is disabled{already}: its accounts may do nothing, and"
            " their tokens and signed URLs have ended."
        )


def _told(row: OrganizationRow) -> str:
    return f"{row.organization.name} ({row.organization.id})"


def _state(row: OrganizationRow) -> str:
    return "active" if row.organization.active else "disabled"


def _document(row: OrganizationRow) -> dict[str, object]:
    return {
        "org": row.organization.id,
        "name": row.organization.name,
        "kind": row.organization.kind,
        "state": _state(row),
        "networks": list(row.organization.networks),
        "accounts": row.accounts,
        "createdAt": instant(row.created_at),
    }
