"""How days and networks are written on the command line, and what an allow-list is told as."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import date
from typing import Annotated

import typer


def parse_day(text: str) -> date:
    """A day such as 2026-12-31."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a day, such as 2026-12-31") from None


def parse_network(text: str) -> str:
    """A network in CIDR form, such as 192.0.2.0/24."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as wrong:
        raise typer.BadParameter(f"{wrong}; write it like 192.0.2.0/24") from None


MoreNetworks = Annotated[
    list[str] | None,
    typer.Argument(metavar="CIDR", parser=parse_network, help="Networks to add."),
]
FewerNetworks = Annotated[
    list[str] | None,
    typer.Option(
        "--remove", metavar="CIDR", parser=parse_network, help="Take away; may be repeated."
    ),
]
Anywhere = Annotated[bool, typer.Option("--any", help="Take all away: allowed from anywhere.")]


def require_one_wish(*, anywhere: bool, named: bool) -> None:
    """Raises typer.BadParameter when networks are named beside --any."""
    if anywhere and named:
        raise typer.BadParameter("leaves no network to name beside it", param_hint="--any")


def tell_networks(networks: Sequence[str], otherwise: str) -> None:
    """Print an allow-list on standard output, or on standard error that there is none."""
    for each in networks:
        typer.echo(each)
    if not networks:
        typer.echo(otherwise, err=True)
