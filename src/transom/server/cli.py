"""transom-server: demo, run, migrate, check-settings, catalogue, audit."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from transom import __version__
from transom.core import catalogue as catalogues
from transom.core.retention import SYSTEM
from transom.core.sealing import Sealer
from transom.domain.errors import ExchangeError
from transom.records import migrate as migrations
from transom.server import logs, sandbox, settings
from transom.server.assemble import assemble, build_exchange, connect, key_ring
from transom.server.run import SchemaOutdated, require_schema
from transom.server.run import run as serve
from transom.server.system import SystemClock, SystemEntropy

FAULT, WRONG_USE, BAD_SETTINGS = 1, 2, 78

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The exchange: run it, try it, look after it.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
migrate = typer.Typer(no_args_is_help=True, help="The database's schema.")
catalogue = typer.Typer(no_args_is_help=True, help="Applications and their sub-spaces.")
audit = typer.Typer(no_args_is_help=True, help="The sealed audit record.")
keys = typer.Typer(no_args_is_help=True, help="The server's own keys.")
app.add_typer(migrate, name="migrate")
app.add_typer(catalogue, name="catalogue")
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")

Config = Annotated[Path, typer.Option("--config", help="The settings file.", metavar="FILE")]


def main() -> None:
    """Run the command line; a known failure is one line on standard error and an exit code."""
    try:
        app()
    except settings.BadSettings as bad:
        _end(BAD_SETTINGS, "The settings cannot be used:", *map(str, bad.problems))
    except (ExchangeError, SchemaOutdated, sandbox.DemoBusy) as failure:
        _end(FAULT, f"Error: {failure}")
    except OSError as failure:
        where = f" ({failure.filename})" if failure.filename else ""
        _end(FAULT, f"Error: {failure.strerror or failure}{where}")


def _end(code: int, *lines: str) -> NoReturn:
    print("\n  ".join(lines), file=sys.stderr)  # noqa: T201
    raise SystemExit(code)


def _say(text: str) -> None:
    typer.echo(text)


@app.command()
def demo(
    data: Annotated[Path, typer.Option(help="Where the demo keeps its world.")] = Path(".demo"),
    http_port: Annotated[int, typer.Option(help="REST and tokens; 0 is any free port.")] = 8080,
    s3_port: Annotated[int, typer.Option(help="Transfers; 0 is any free port.")] = 9000,
    *,
    tls: Annotated[bool, typer.Option("--tls", help="Serve TLS from a demo authority.")] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write addresses and accounts there once all answers.")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "warning",
) -> None:
    """Run a whole exchange on loopback, with accounts, files and two small applications."""
    logs.configure(log_level)
    sandbox.run_demo(sandbox.DemoOptions(data, http_port, s3_port, tls, ready_file))


@app.command()
def run(config: Config) -> None:
    """Run the exchange."""
    chosen = settings.load(config)
    logs.configure(chosen.logs.level)
    serve(assemble(chosen, SystemClock(), SystemEntropy()))


@app.command("check-settings")
def check_settings(file: Annotated[Path, typer.Argument(help="The settings file.")]) -> None:
    """Say everything that is wrong with a settings file, at once; start nothing."""
    settings.load(file)
    _say(f"{file}: the settings can be used.")


@app.command()
def version() -> None:
    """Print the version."""
    _say(f"transom-server {__version__}")


@migrate.command("up")
def migrate_up(config: Config, to: Annotated[str, typer.Option(help="Revision.")] = "head") -> None:
    """Bring every database's schema up to this program's, or to a revision."""
    databases = connect(settings.load(config))
    for database in databases.each():
        migrations.up(database, to)
        _say(f"{_named(database)}: schema {migrations.status(database).present}")


@migrate.command("down")
def migrate_down(config: Config, to: Annotated[str, typer.Option(help="Revision.")] = "-1") -> None:
    """Take the schema back: one step, to a revision, or to "base". Data of newer tables is lost."""
    databases = connect(settings.load(config))
    for database in databases.each():
        migrations.down(database, to)
        _say(f"{_named(database)}: schema {migrations.status(database).present or 'none'}")


@migrate.command("status")
def migrate_status(config: Config) -> None:
    """Say which schema each database has, and which one is wanted; exit code 1 when they differ."""
    behind = False
    for database in connect(settings.load(config)).each():
        found = migrations.status(database)
        behind |= not found.is_current
        _say(f"{_named(database)}: schema {found.present or 'none'}, wanted {found.wanted}")
    raise typer.Exit(FAULT if behind else 0)


def _named(database: object) -> str:
    url = database.engine.url  # type: ignore[attr-defined]
    return str(url.render_as_string(hide_password=True))


@catalogue.command("load")
def catalogue_load(
    file: Annotated[Path, typer.Argument(help="A catalogue file.")], config: Config
) -> None:
    """Add or change applications from a file; those it does not name stay as they are."""
    chosen = settings.load(config)
    databases = connect(chosen)
    require_schema(databases)
    applications = catalogues.read(file)
    exchange = build_exchange(chosen, databases, SystemClock(), SystemEntropy())
    exchange.administration.load_catalogue(SYSTEM, applications)
    _say(f"{len(applications)} applications loaded.")


@catalogue.command("guide")
def catalogue_guide() -> None:
    """Print the catalogue of the fileX User Guide, section 9, to start from."""
    _say(catalogues.GUIDE.read_text(encoding="utf-8").rstrip())


@catalogue.command("show")
def catalogue_show(
    config: Config,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One document.")] = False,
) -> None:
    """Show every application with its sub-spaces."""
    chosen = settings.load(config)
    databases = connect(chosen)
    require_schema(databases)
    exchange = build_exchange(chosen, databases, SystemClock(), SystemEntropy())
    shown = [
        {
            "application": space.application,
            "subSpace": space.name,
            "direction": space.direction,
            "retentionDays": space.retention_days,
            "maySubmit": sorted(space.may_submit),
        }
        for application in exchange.administration.catalogue().applications.values()
        for space in application.sub_spaces.values()
    ]
    if as_json:
        _say(json.dumps(shown, indent=2))
        return
    for row in shown:
        kept = f"{row['retentionDays']} days" if row["retentionDays"] else "moved at once"
        _say(f"{row['application']:<16} {row['subSpace']:<24} {row['direction']:<9} {kept}")


@audit.command("verify")
def audit_verify(config: Config) -> None:
    """Walk the chain of seals; exit code 1 when an entry was changed, removed or put between."""
    chosen = settings.load(config)
    ring = key_ring(chosen)
    sound = True
    for database in connect(chosen).each():
        verdict = Sealer(database, ring).verify()
        sound &= verdict.is_sound
        _say(
            f"{_named(database)}: {verdict.checked} entries sealed, {verdict.unsealed} to be sealed"
        )
        for fault in verdict.faults:
            _say(f"  {fault}")
    raise typer.Exit(0 if sound else FAULT)


@keys.command("new")
def keys_new(name: Annotated[str, typer.Argument(help="A short id, such as 2026-11.")]) -> None:
    """Print a fresh key line for a keys file. Put it first there, and the file's mode at 0600."""
    _say(f"{name}:{secrets.token_hex(32)}")
