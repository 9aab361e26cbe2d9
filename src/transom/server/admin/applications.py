"""transom-server admin application, and admin catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from transom.core import catalogue as catalogues
from transom.core.register import ApplicationRecord
from transom.domain.space import Application, Direction, OrgKind, SubSpace
from transom.records.spaces import Queue
from transom.server.admin.errors import Desk
from transom.server.opening import Config, open_exchange, operator
from transom.server.printing import AsJson, document, done, facts, table

application = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Applications, and how they stand."
)
catalogue = typer.Typer(
    cls=Desk,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Applications and their sub-spaces, as loaded from files.",
)


# --- applications --------------------------------------------------------------------------------


@application.command("add")
def application_add(  # noqa: PLR0913 - one for each option
    name: Annotated[str, typer.Argument(metavar="APP", help="Its short name, as in places.")],
    config: Config,
    title: Annotated[str, typer.Option(help="What people call it [default: APP].")] = "",
    days: Annotated[
        int, typer.Option(metavar="DAYS", help="How long results stay in each --out.")
    ] = 30,
    inbound: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="NAME", help="Where firms submit [default: in]."),
    ] = None,
    outbound: Annotated[
        list[str] | None,
        typer.Option("--out", metavar="NAME", help="Where firms fetch results [default: out]."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Add an application with the usual sub-spaces.

    May be repeated: the same one changes nothing, another of its name is refused. What else a
    sub-space can be is said in a file: admin catalogue load.
    """
    spaces: dict[str, object] = {each: {"direction": "inbound"} for each in inbound or ["in"]}
    for each in outbound or ["out"]:
        spaces[each] = {"direction": "outbound", "retention_days": days}
    wanted = catalogues.application(name, {"title": title or name, **spaces})
    with open_exchange(config) as exchange:
        is_new = exchange.administration.add_application(operator(), wanted)
        row = exchange.administration.register.application(name)
    if as_json:
        document(_record_document(row) | {"changed": is_new})
    done(
        f"Application {name} is there{'' if is_new else ' already'}.",
        f"transom-server admin account add {name}-app --application {name} --config {config}",
    )


@application.command("list")
def application_list(config: Config, *, as_json: AsJson = False) -> None:
    """List every application."""
    with open_exchange(config) as exchange:
        found = exchange.administration.register.applications()
    if as_json:
        document([_record_document(each) for each in found])
        return
    table(
        ("APPLICATION", "TITLE", "SUB-SPACES", "WAITING", "LEASED", "OWED", "ACCOUNTS"),
        [
            (
                each.application.name,
                each.application.title,
                f"{len(each.application.sub_spaces)}",
                *_counts(_total(each)),
                ", ".join(each.accounts) or "none",
            )
            for each in found
        ],
    )


@application.command("show")
def application_show(
    name: Annotated[str, typer.Argument(metavar="APP", help="Its short name.")],
    config: Config,
    *,
    as_json: AsJson = False,
) -> None:
    """Show an application, and what stands in it."""
    with open_exchange(config) as exchange:
        found = exchange.administration.register.application(name)
    if as_json:
        document(_record_document(found))
        return
    title = f"{found.application.title} ({found.application.name})"
    about = [("processed by", found.accounts or ("no account",))]
    if found.unheld:
        about.append(("temporary names", (f"no meaning in {', '.join(sorted(found.unheld))}",)))
    facts(title, about)
    typer.echo()
    spaces = found.application.sub_spaces.values()
    table(
        (*_HEAD[1:], "WAITING", "LEASED", "OWED"),
        [(*_cells(space)[1:], *_counts(_queue(found, space))) for space in spaces],
    )


def _queue(record: ApplicationRecord, space: SubSpace) -> Queue | None:
    if space.direction is not Direction.INBOUND:
        return None
    return record.queues.get(space.name, Queue())


def _total(record: ApplicationRecord) -> Queue:
    queues = record.queues.values()
    return Queue(
        sum(each.waiting for each in queues),
        sum(each.leased for each in queues),
        sum(each.acknowledged for each in queues),
    )


def _counts(queue: Queue | None) -> tuple[str, str, str]:
    if queue is None:
        return "", "", ""
    return f"{queue.waiting:,}", f"{queue.leased:,}", f"{queue.acknowledged:,}"


def _queue_document(queue: Queue | None) -> dict[str, int] | None:
    if queue is None:
        return None
    return {
        "waiting": queue.waiting,
        "leased": queue.leased,
        "acknowledged": queue.acknowledged,
    }


def _record_document(record: ApplicationRecord) -> dict[str, object]:
    spaces = record.application.sub_spaces.values()
    return {
        "application": record.application.name,
        "title": record.application.title,
        "accounts": list(record.accounts),
        "queue": _queue_document(_total(record)),
        "subSpaces": [
            _space_document(space)
            | {
                "queue": _queue_document(_queue(record, space)),
                "temporaryNames": _holds(record, space),
            }
            for space in spaces
        ],
    }


def _holds(record: ApplicationRecord, space: SubSpace) -> bool | None:
    return space.name not in record.unheld if space.direction is Direction.INBOUND else None


@application.command("temporary-names")
def application_temporary_names(
    name: Annotated[str, typer.Argument(metavar="APP", help="Its short name.")],
    sub_space: Annotated[str, typer.Argument(metavar="SUB-SPACE", help="An inbound one.")],
    wanted: Annotated[
        Literal["on", "off"], typer.Argument(metavar="on|off", help="on is how it begins.")
    ],
    config: Config,
    *,
    as_json: AsJson = False,
) -> None:
    """Whether temporary names are held there until renamed.

    Off, a file sent as data.zip.filepart is submitted under just this name.
    """
    with open_exchange(config) as exchange:
        admin = exchange.administration
        holds = wanted == "on"
        changes = admin.set_sub_space_holds(operator(), name, sub_space, holds=holds)
        found = admin.register.application(name)
    if as_json:
        document(_record_document(found) | {"changed": changes})
    already = "" if changes else " already"
    if wanted == "on":
        done(f"Uploads to {name}/{sub_space} under temporary names are held{already}.")
    else:
        done(f"Temporary names have no meaning{already} in {name}/{sub_space}.")


# --- the catalogue -------------------------------------------------------------------------------


@catalogue.command("load")
def catalogue_load(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="TOML; `admin catalogue guide` prints one."),
    ],
    config: Config,
    *,
    as_json: AsJson = False,
) -> None:
    """Add or change applications from a file.

    Those that it does not name stay as they are. May be repeated.
    """
    applications = catalogues.read(file)
    with open_exchange(config) as exchange:
        exchange.administration.load_catalogue(operator(), applications)
    if as_json:
        document([_application_document(each) for each in applications])
    spaces = sum(len(each.sub_spaces) for each in applications)
    done(f"{len(applications)} applications with {spaces} sub-spaces loaded.")


@catalogue.command("guide")
def catalogue_guide() -> None:
    """Print the catalogue of the fileX User Guide.

    Its section 9, as a file to start from.
    """
    typer.echo(catalogues.GUIDE.read_text(encoding="utf-8").rstrip())


@catalogue.command("list")
def catalogue_list(config: Config, *, as_json: AsJson = False) -> None:
    """List every application as loaded."""
    found = _loaded(config)
    if as_json:
        document([_application_document(each) for each in found])
        return
    table(
        ("APPLICATION", "TITLE", "SUB-SPACES"),
        [(each.name, each.title, ", ".join(each.sub_spaces)) for each in found],
    )


@catalogue.command("show")
def catalogue_show(config: Config, *, as_json: AsJson = False) -> None:
    """Show every application with its sub-spaces, as loaded."""
    spaces = [space for each in _loaded(config) for space in each.sub_spaces.values()]
    if as_json:
        document([_space_document(space) for space in spaces])
        return
    table(_HEAD, [_cells(space) for space in spaces])


def _loaded(config: Path) -> list[Application]:
    with open_exchange(config) as exchange:
        found = exchange.administration.catalogue().applications
    return [found[name] for name in sorted(found)]


def _application_document(each: Application) -> dict[str, object]:
    spaces = [_space_document(space) for space in each.sub_spaces.values()]
    return {"application": each.name, "title": each.title, "subSpaces": spaces}


# --- sub-spaces ----------------------------------------------------------------------------------

_HEAD = (
    "APPLICATION",
    "SUB-SPACE",
    "DIRECTION",
    "KEPT",
    "EMPTIED",
    "ARCHIVED",
    "WHO MAY SUBMIT",
    "GATE",
)


def _cells(space: SubSpace) -> tuple[str, ...]:
    is_inbound = space.direction is Direction.INBOUND
    kinds = ", ".join(sorted(kind.replace("_", " ") for kind in space.may_submit))
    everybody = space.may_submit == frozenset(OrgKind)
    return (
        space.application,
        space.name,
        space.direction,
        f"{space.retention_days} days" if space.retention_days else "until taken",
        space.emptied.replace("_", " ") if is_inbound else "",
        ("yes" if space.archived else "no") if is_inbound else "",
        kinds if not everybody else "everybody" if is_inbound else "",
        space.gate,
    )


def _space_document(space: SubSpace) -> dict[str, object]:
    return {
        "application": space.application,
        "subSpace": space.name,
        "direction": space.direction,
        "retentionDays": space.retention_days,
        "emptied": space.emptied,
        "archived": space.archived,
        "maySubmit": sorted(space.may_submit),
        "gate": space.gate,
    }
