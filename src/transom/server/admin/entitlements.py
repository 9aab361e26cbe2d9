"""transom-server admin entitlement."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from transom.core.exchange import Exchange
from transom.core.register import Held
from transom.domain.entitlement import Entitlement, Level
from transom.server.opening import Config, open_exchange, operator
from transom.server.printing import AsJson, document, done, table

entitlement = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What accounts may do, and where."
)

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's user name.")]
PlaceText = Annotated[
    str,
    typer.Argument(
        metavar="PLACE",
        help="organization/application[/sub-space]; for process the application alone.",
    ),
]
May = Annotated[
    Literal["submit", "download", "both", "process"],
    typer.Argument(metavar="LEVEL", help="submit, download, both; process is an application's."),
]


@entitlement.command("add")
def entitlement_add(
    name: AccountName, place: PlaceText, level: May, config: Config, *, as_json: AsJson = False
) -> None:
    """Let an account submit, download, do both, or process.

    At a place, or, to process, in an application; at once. May be repeated. A person, named by
    e-mail address, gets at most what the accounts of the organization hold.
    """
    with open_exchange(config) as exchange:
        asked = _entitlement(exchange, name, place, level)
        is_new = exchange.administration.entitle(operator(), asked)
    if as_json:
        document(held_document(Held(asked, name)) | {"changed": is_new})
    done(f"{_who(name)} has {level} in {place}{'' if is_new else ' already'}.")


@entitlement.command("list")
def entitlement_list(
    config: Config,
    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="Only this account's.")] = "",
    org: Annotated[str, typer.Option(metavar="ORG", help="Only in this organization.")] = "",
    application: Annotated[str, typer.Option(metavar="APP", help="Only in this application.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List entitlements: all, or those that every option fits."""
    with open_exchange(config) as exchange:
        found = exchange.administration.register.entitlements(
            account=account, org=org, application=application
        )
    if as_json:
        document([held_document(each) for each in found])
        return
    table(
        ("PLACE", "ACCOUNT", "LEVEL"),
        [
            (place_of(each.entitlement), each.account or "(unknown)", each.entitlement.level)
            for each in found
        ],
    )


@entitlement.command("end")
def entitlement_end(
    name: AccountName, place: PlaceText, level: May, config: Config, *, as_json: AsJson = False
) -> None:
    """Take an entitlement away, at once, as it was granted."""
    with open_exchange(config) as exchange:
        asked = _entitlement(exchange, name, place, level)
        exchange.administration.end_entitlement(operator(), asked)
    if as_json:
        document(held_document(Held(asked, name)) | {"changed": True})
    done(f"{_who(name)} no longer has {level} in {place}.")


def _entitlement(exchange: Exchange, name: str, place: str, level: str) -> Entitlement:
    match level, place.split("/"):
        case "process", [application] if application:
            org_id, sub_space = "", ""
        case "submit" | "download" | "both", [org_id, application]:
            sub_space = ""
        case "submit" | "download" | "both", [org_id, application, sub_space] if sub_space:
            pass
        case _:
            form = "application" if level == "process" else "organization/application[/sub-space]"
            raise typer.BadParameter(form, param_hint="PLACE")
    principal = exchange.administration.account(name)
    return Entitlement(principal.id, org_id, application, sub_space, Level(level))


def _who(name: str) -> str:
    """How the holder is called; an e-mail address speaks for itself."""
    return name if "@" in name else f"Account {name}"


def place_of(what: Entitlement) -> str:
    """The place as an operator writes it."""
    return "/".join(part for part in (what.org, what.application, what.sub_space) if part)


def held_document(held: Held) -> dict[str, object]:
    """An entitlement for machines."""
    what = held.entitlement
    return {
        "account": held.account or None,
        "place": place_of(what),
        "org": what.org or None,
        "application": what.application,
        "subSpace": what.sub_space or None,
        "level": what.level,
    }
