"""How a refusal is told: what happened, then why and what to do; with --json as one object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import typer
from typer.core import TyperGroup

from transom.domain.errors import ExchangeError
from transom.server.failures import SchemaOutdated
from transom.server.opening import driver_says
from transom.server.printing import visible
from transom.server.settings import BadSettings

_REFUSED, _WRONG_USE, _BAD_SETTINGS = 1, 2, 78
_JSON: Final = "transom.json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What went wrong, in sentences, and the exit code that says so."""

    code: str
    sentences: Sequence[str]
    exit_code: int


class Desk(TyperGroup):
    """A group of commands whose refusals all have one form."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note whether the answer is for a machine, before anything can be wrong with the rest."""
        ctx.meta[_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what it refuses is told here, what nobody expected goes on."""
        try:
            return super().invoke(ctx)
        except ExchangeError as failure:
            known = Refusal(failure.code, _sentences(failure), _REFUSED)
            tell_refusal(known, as_json=ctx.meta[_JSON])
        except (SchemaOutdated, BadSettings, OSError, typer.TyperException) as failure:
            if not ctx.meta[_JSON]:
                raise  # the command line tells these as it does everywhere
            tell_refusal(_refusal(failure), as_json=True)


def tell_refusal(refusal: Refusal, *, as_json: bool) -> None:
    """Print it on standard error, and end with its exit code.

    Raises:
        typer.Exit
    """
    if as_json:
        error = {
            "code": refusal.code,
            "message": " ".join(refusal.sentences),
            "requestId": None,
            "exitCode": refusal.exit_code,
        }
        typer.echo(json.dumps({"error": error}), err=True)
    else:
        first, *more = map(visible, refusal.sentences)
        typer.echo("\n  ".join((f"Error: {first}", *([" ".join(more)] if more else []))), err=True)
    raise typer.Exit(refusal.exit_code)


def _sentences(failure: ExchangeError) -> list[str]:
    said = driver_says(failure)
    first, stop, rest = failure.message.partition(". ")
    return [part for part in (first + stop.strip(), rest, said and f"({said})") if part]


def _refusal(failure: Exception) -> Refusal:
    match failure:
        case BadSettings():
            problems = [str(problem) for problem in failure.problems]
            return Refusal("bad_settings", problems, _BAD_SETTINGS)
        case SchemaOutdated():
            return Refusal("schema_outdated", [str(failure)], _REFUSED)
        case typer.TyperException():
            return Refusal("wrong_use", [failure.format_message()], _WRONG_USE)
        case _:
            return Refusal("fault", [str(failure)], _REFUSED)
