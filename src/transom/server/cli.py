"""transom-server: demo, run, check-settings, migrate, catalogue, admin, audit, keys.

Exit codes: 0 done, 1 a fault or a "no", 2 wrong use, 78 settings that cannot be used.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

import typer
from alembic.util import CommandError
from cryptography import x509
from sqlalchemy.exc import DBAPIError

from transom import __version__
from transom.core import catalogue as catalogues
from transom.core.administration import NewAccount
from transom.core.exchange import Exchange
from transom.core.retention import SYSTEM
from transom.core.sealing import Sealer
from transom.domain.entitlement import Actor, Entitlement, Level
from transom.domain.errors import ExchangeError
from transom.domain.identity import Organization
from transom.domain.space import OrgKind
from transom.records import migrate as migrations
from transom.records.database import Database
from transom.server import logs, sandbox, settings
from transom.server.assemble import Databases, assemble, build_exchange, connect, key_ring
from transom.server.run import CannotListen, SchemaOutdated, require_schema
from transom.server.run import run as serve
from transom.server.settings import Settings
from transom.server.system import SystemClock, SystemEntropy

FAULT, BAD_SETTINGS, INTERRUPTED = 1, 78, 130
_HIGHEST_PORT: Final = 65535
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_KEY_BYTES: Final = 32
_SOON: Final = timedelta(days=30)
_KNOWN: Final = (
    ExchangeError,
    SchemaOutdated,
    CannotListen,
    sandbox.DemoBusy,
    CommandError,
    ModuleNotFoundError,
    OSError,
)

# Plain text: an operator's terminal may be a log file, a serial line or a screen reader.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The exchange: try it, run it, look after it.",
    epilog="Exit codes: 0 done, 1 fault, 2 wrong use, 78 settings that cannot be used.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _group(name: str, about: str, within: typer.Typer = app) -> typer.Typer:
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=about)
    within.add_typer(group, name=name)
    return group


migrate = _group("migrate", "Bring the database's schema up or down.")
catalogue = _group("catalogue", "Applications and their sub-spaces.")
admin = _group("admin", "Organizations, accounts and entitlements.")
org = _group("org", "Organizations.", admin)
account = _group("account", "Accounts for file transfer.", admin)
entitlement = _group("entitlement", "What accounts may do, and where.", admin)
audit = _group("audit", "The sealed audit record.")
keys = _group("keys", "The server's own keys.")

Config = Annotated[Path, typer.Option("--config", help="The settings file.", metavar="FILE")]


def main() -> None:
    """Run the command line; a known failure is one line on standard error and an exit code."""
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except settings.BadSettings as bad:
        _end(BAD_SETTINGS, "The settings cannot be used:", *map(str, bad.problems))
    except _KNOWN as failure:
        if known := _explained(failure):
            _end(FAULT, f"Error: {known}")
        raise


def _explained(failure: Exception) -> str:
    """A failure in one line, or "" when it is a defect after all."""
    match failure:
        case ExchangeError():
            return f"{failure.message}{_reason(failure)}"
        case CommandError():
            return f"The schema stays as it is: {failure}."
        case ModuleNotFoundError():
            driver = failure.name == "psycopg"
            return "PostgreSQL needs its driver: pip install 'transom[postgres]'" if driver else ""
        case OSError():
            where = f" ({failure.filename})" if failure.filename else ""
            return f"{failure.strerror or failure}{where}."
        case _:
            return str(failure)


def _reason(failure: ExchangeError) -> str:
    """What the database's own driver says, in its first line: for operators, who can mend it."""
    cause = failure.__cause__
    lines = str(cause.orig).splitlines() if isinstance(cause, DBAPIError) else []
    return f" ({lines[0]})" if lines else ""


def _end(code: int, *lines: str) -> NoReturn:
    typer.echo("\n  ".join(lines), err=True)
    raise SystemExit(code)


# --- to try it, to run it ------------------------------------------------------------------------


@app.command()
def demo(
    data: Annotated[
        Path, typer.Option(help="Where the demo keeps its world, between starts too.")
    ] = Path(".demo"),
    http_port: Annotated[
        int,
        typer.Option(min=0, max=_HIGHEST_PORT, help="REST API and tokens; 0 takes a free port."),
    ] = 8080,
    s3_port: Annotated[
        int, typer.Option(min=0, max=_HIGHEST_PORT, help="Transfers; 0 takes a free port.")
    ] = 9000,
    *,
    tls: Annotated[
        bool, typer.Option("--tls", help="Speak TLS, with certificates of an own authority.")
    ] = False,
    ready_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write addresses and accounts there (JSON, mode 0600) once everything answers;"
            " removed at the end.",
        ),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        typer.Option(help="The least important events written to standard error."),
    ] = "warning",
) -> None:
    """Run a demonstration: a whole exchange, on loopback only.

    With accounts, files and two small applications; in the foreground, until Ctrl-C or SIGTERM,
    after which it ends within 10 s.
    """
    if http_port == s3_port != 0:
        raise typer.BadParameter("must not be the port of --http-port", param_hint="--s3-port")
    logs.configure(log_level)
    sandbox.run_demo(sandbox.DemoOptions(data, http_port, s3_port, tls, ready_file))


@app.command()
def run(config: Config) -> None:
    """Run the exchange with your settings.

    In the foreground, if the database's schema is the one of this program. After SIGTERM or Ctrl-C
    requests under way have 5 s to finish, and it ends within 10 s.
    """
    chosen = settings.load(config)
    logs.configure(chosen.logs.level)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells each look at the schema
    serve(assemble(chosen, SystemClock(), SystemEntropy()))


@app.command("check-settings")
def check_settings(
    file: Annotated[Path, typer.Argument(help="The settings file.", metavar="FILE")],
) -> None:
    """Say everything that is wrong with a settings file.

    All at once, and nothing is started. Exit code 78 when it cannot be used. Variables such as
    TRANSOM_REST__LISTEN count.
    """
    chosen = settings.load(file)
    typer.echo(f"{file}: the settings can be used.")
    for line in (*_plan(chosen), *_notes(chosen)):
        typer.echo(f"  {line}")


def _plan(chosen: Settings) -> Iterator[str]:
    """What `run` would do with these settings, for a second look."""
    doors = (
        ("rest", chosen.rest.listen, chosen.rest.public_url),
        ("token", chosen.token.listen, chosen.token_public_url),
        ("s3", chosen.s3.listen, chosen.s3.public_url),
        ("metrics", chosen.metrics.listen, ""),
    )
    for name, listen, url in doors:
        at = f"at {listen}" if listen else "nowhere" if name == "metrics" else "with rest"
        yield f"{name:<9} {at}{f', known as {url}' if url else ''}"
    yield f"{'records':<9} {_shown(chosen.database.sqlalchemy_url())}"
    if chosen.database.identity_url:
        yield f"{'accounts':<9} {_shown(chosen.database.identity_sqlalchemy_url())}"
    yield f"{'files':<9} {chosen.blobs.root}"


def _notes(chosen: Settings) -> Iterator[str]:
    """What works today, and needs a hand soon."""
    soon = SystemClock().wall() + _SOON
    sections = {"rest": chosen.rest.tls, "token": chosen.token.tls, "s3": chosen.s3.tls}
    for name, tls in sections.items():
        for file in (tls.certificate_file, tls.ecdsa_certificate_file) if tls else ():
            ends = _end_of(file) if file else soon
            if ends < soon:
                yield f"Note: {name}.tls: the certificate {file} ends on {ends:%Y-%m-%d}."


def _end_of(certificate: Path) -> datetime:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"transom-server {__version__}")


# --- databases -----------------------------------------------------------------------------------


@contextmanager
def _databases(chosen: Settings) -> Iterator[Databases]:
    databases = connect(chosen)
    try:
        yield databases
    finally:
        databases.dispose()


@contextmanager
def _exchange(chosen: Settings) -> Iterator[Exchange]:
    with _databases(chosen) as databases:
        require_schema(databases)
        yield build_exchange(chosen, databases, SystemClock(), SystemEntropy())


def _shown(url: object) -> str:
    return str(url)  # SQLAlchemy's URL prints its password as ***


def _told(database: Database) -> str:
    return f"{_shown(database.engine.url)}: schema {migrations.status(database).present or 'none'}"


@migrate.command("up")
def migrate_up(
    config: Config,
    to: Annotated[str, typer.Option(help="A revision, or head for the newest.")] = "head",
) -> None:
    """Bring every database's schema up to this program's.

    May be repeated: what is done already is left as it is.
    """
    with _databases(settings.load(config)) as databases:
        for database in databases.each():
            migrations.up(database, to)
            typer.echo(_told(database))


@migrate.command("down")
def migrate_down(
    config: Config,
    to: Annotated[str, typer.Option(help="-1 for one step, a revision, or base for all.")] = "-1",
) -> None:
    """Take every database's schema back.

    What only the newer schema can hold is lost: make a copy first.
    """
    with _databases(settings.load(config)) as databases:
        for database in databases.each():
            migrations.down(database, to)
            typer.echo(_told(database))


@migrate.command("status")
def migrate_status(config: Config) -> None:
    """Say which schema each database has.

    And which one is wanted; exit code 1 when they differ.
    """
    behind = False
    with _databases(settings.load(config)) as databases:
        for database in databases.each():
            found = migrations.status(database)
            behind |= not found.is_current
            typer.echo(f"{_told(database)}, wanted {found.wanted}")
    raise typer.Exit(FAULT if behind else 0)


# --- applications --------------------------------------------------------------------------------


@catalogue.command("load")
def catalogue_load(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="TOML; `catalogue guide` prints one to start from."),
    ],
    config: Config,
) -> None:
    """Add or change applications from a file.

    Those that it does not name stay as they are.
    """
    applications = catalogues.read(file)
    with _exchange(settings.load(config)) as exchange:
        exchange.administration.load_catalogue(SYSTEM, applications)
    spaces = sum(len(application.sub_spaces) for application in applications)
    typer.echo(f"{len(applications)} applications with {spaces} sub-spaces loaded.")


@catalogue.command("guide")
def catalogue_guide() -> None:
    """Print the catalogue of the fileX User Guide.

    Its section 9, as a file to start from.
    """
    typer.echo(catalogues.GUIDE.read_text(encoding="utf-8").rstrip())


@catalogue.command("show")
def catalogue_show(
    config: Config,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show every application with its sub-spaces."""
    with _exchange(settings.load(config)) as exchange:
        applications = exchange.administration.catalogue().applications.values()
    spaces = [space for each in applications for space in each.sub_spaces.values()]
    if as_json:
        shown = [
            {
                "application": space.application,
                "subSpace": space.name,
                "direction": space.direction,
                "retentionDays": space.retention_days,
                "emptied": space.emptied,
                "archived": space.archived,
                "maySubmit": sorted(space.may_submit),
                "gate": space.gate,
            }
            for space in spaces
        ]
        typer.echo(json.dumps(shown, indent=2))
        return
    typer.echo(f"{'APPLICATION':<16} {'SUB-SPACE':<24} {'DIRECTION':<10} KEPT")
    for space in spaces:
        kept = f"{space.retention_days} days" if space.retention_days else "until taken"
        typer.echo(f"{space.application:<16} {space.name:<24} {space.direction:<10} {kept}")


# --- who may do what -----------------------------------------------------------------------------

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
    with _exchange(settings.load(config)) as exchange:
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
    with _exchange(settings.load(config)) as exchange:
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
    with _exchange(settings.load(config)) as exchange:
        secret = exchange.administration.rotate_secret(_operator(), name)
    typer.echo(secret)
    _done(f"Account {name} has the password above; the old one and every token have ended.")


@account.command("unlock")
def account_unlock(name: AccountName, config: Config) -> None:
    """Open it again after wrong passwords."""
    with _exchange(settings.load(config)) as exchange:
        exchange.administration.unlock(_operator(), name)
    _done(f"Account {name} is open to every source.")


@account.command("end")
def account_end(name: AccountName, config: Config) -> None:
    """Stop it: it may do nothing more, from now on."""
    with _exchange(settings.load(config)) as exchange:
        exchange.administration.set_account_active(_operator(), name, active=False)
    _done(f"Account {name} is stopped; its tokens and signed URLs have ended.")


@account.command("resume")
def account_resume(name: AccountName, config: Config) -> None:
    """Let a stopped account act again."""
    with _exchange(settings.load(config)) as exchange:
        exchange.administration.set_account_active(_operator(), name, active=True)
    _done(f"Account {name} may act again.")


@entitlement.command("grant")
def entitlement_grant(name: AccountName, place: PlaceText, level: May, config: Config) -> None:
    """Let an account submit to a place, download from it, or both."""
    with _exchange(settings.load(config)) as exchange:
        granted = _entitlement(exchange, name, place, level)
        exchange.administration.entitle(_operator(), granted)
    _done(f"Account {name} has {level} in {place}.")


@entitlement.command("end")
def entitlement_end(name: AccountName, place: PlaceText, level: May, config: Config) -> None:
    """Take an entitlement away, at once."""
    with _exchange(settings.load(config)) as exchange:
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


# --- what proves and protects --------------------------------------------------------------------


@audit.command("verify")
def audit_verify(config: Config) -> None:
    """Verify the chain of seals.

    Exit code 1 when an entry was changed, removed or put between.
    """
    chosen = settings.load(config)
    ring = key_ring(chosen)
    sound = True
    with _databases(chosen) as databases:
        require_schema(databases)
        for database in databases.each():
            verdict = Sealer(database, ring).verify()
            sound &= verdict.is_sound
            counts = f"{verdict.checked} entries sealed, {verdict.unsealed} to be sealed"
            word = "sound" if verdict.is_sound else "NOT SOUND"
            typer.echo(f"{_shown(database.engine.url)}: {word}, {counts}")
            for fault in verdict.faults:
                typer.echo(f"  {fault}")
    raise typer.Exit(0 if sound else FAULT)


@keys.command("new")
def keys_new(
    name: Annotated[str, typer.Argument(help="A short id, such as 2026-11.")],
) -> None:
    """Print a fresh key line for a keys file.

    Put it first there; the file's mode must be 0600.
    """
    if not _KEY_NAME.fullmatch(name):
        raise typer.BadParameter("letters, digits, dots, dashes and underscores", param_hint="NAME")
    typer.echo(f"{name}:{secrets.token_hex(_KEY_BYTES)}")
