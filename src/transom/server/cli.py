# ruff: noqa: PLC0415 - what one command needs is loaded when it runs: the others answer sooner.
"""transom-server: demo, run, check-settings, migrate, catalogue, admin, audit, keys, host-keys.

Exit codes: 0 done, 1 a fault or a "no", 2 wrong use, 78 settings that cannot be used.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, NoReturn

import typer

from transom import __version__
from transom.domain.errors import ExchangeError
from transom.records.database import Database
from transom.records.revision import NoSuchRevision, status
from transom.server import logs, settings
from transom.server.admin import admin, catalogue
from transom.server.assemble import sealers
from transom.server.failures import BadHostKeys, Failure
from transom.server.opening import Config, driver_says, group, open_databases, shown
from transom.server.schema import require_schema
from transom.server.settings import Settings
from transom.server.system import SystemClock, SystemEntropy

if TYPE_CHECKING:
    from transom.server.host_keys import HostKeyDirectory

FAULT, BAD_SETTINGS, INTERRUPTED = 1, 78, 130
_HIGHEST_PORT: Final = 65535
_SFTP_PORT: Final = 2222
_PORTAL_PORT: Final = 8090
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_HEAD: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")
_KEY_BYTES: Final = 32
_SOON: Final = timedelta(days=30)
_KNOWN: Final = (ExchangeError, Failure, NoSuchRevision, ModuleNotFoundError, OSError)

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


migrate = group(app, "migrate", "Bring the database's schema up or down.")
app.add_typer(admin, name="admin")
app.add_typer(catalogue, name="catalogue", hidden=True)  # as it was spelled before `admin`
audit = group(app, "audit", "The sealed audit record.")
keys = group(app, "keys", "The server's own keys.")
host_keys = group(app, "host-keys", "The keys that the SFTP door proves itself with.")


def main() -> None:
    """Run the command line; a known failure is one line on standard error and an exit code."""
    os.umask(0o077)  # databases, logs of databases, keys: nobody else's business
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
            said = driver_says(failure)
            return f"{failure.message} ({said})" if said else failure.message
        case ModuleNotFoundError():
            driver = failure.name == "psycopg"
            return "PostgreSQL needs its driver: pip install 'transom[postgres]'" if driver else ""
        case OSError():
            where = f" ({failure.filename})" if failure.filename else ""
            return f"{failure.strerror or failure}{where}."
        case _:
            return str(failure)


def _end(code: int, *lines: str) -> NoReturn:
    typer.echo("\n  ".join(lines), err=True)
    raise SystemExit(code)


# --- to try it, to run it ------------------------------------------------------------------------


@app.command()
def demo(  # noqa: PLR0913 - each is an option
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
    sftp_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=_HIGHEST_PORT,
            help="SFTP; by default 2222, or a free port where --http-port takes one.",
        ),
    ] = None,
    portal_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=_HIGHEST_PORT,
            help="The portal for people; by default 8090, or a free port where --http-port takes"
            " one.",
        ),
    ] = None,
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
    mine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="APPLICATION",
            help="Leave this one (app1, app2, r4530) to a program of your own, and tell its"
            " account; may be repeated.",
        ),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        typer.Option(help="The least important events written to standard error."),
    ] = "warning",
) -> None:
    """Run a demonstration: a whole exchange, on loopback only.

    With accounts, files and three applications: app1 and app2 accept everything, r4530 judges
    Rule 4530 filings. In the foreground, until Ctrl-C or SIGTERM, after which it ends within 10 s.
    """
    if http_port == s3_port != 0:
        raise typer.BadParameter("must not be the port of --http-port", param_hint="--s3-port")
    sftp = sftp_port if sftp_port is not None else _SFTP_PORT if http_port else 0
    if sftp and sftp in (http_port, s3_port):
        raise typer.BadParameter("must not be the port of another door", param_hint="--sftp-port")
    portal = portal_port if portal_port is not None else _PORTAL_PORT if http_port else 0
    if portal and portal in (http_port, s3_port, sftp):
        raise typer.BadParameter("must not be the port of another door", param_hint="--portal-port")
    from transom.server import sandbox

    logs.configure(log_level)
    wanted = tuple(mine or ())
    options = sandbox.DemoOptions(data, http_port, s3_port, tls, ready_file, wanted, sftp, portal)
    sandbox.run_demo(options)


@app.command()
def run(config: Config) -> None:
    """Run the exchange with your settings.

    In the foreground, if the database's schema is the one of this program. After SIGTERM or Ctrl-C
    requests under way have 5 s to finish, and it ends within 10 s.
    """
    from transom.server.processes import Share, again
    from transom.server.program import assemble
    from transom.server.run import run as serve
    from transom.server.run import supervise

    chosen = settings.load(config)
    logs.configure(chosen.logs.level)
    share = Share.received()
    if share is None and chosen.exchange.workers > 1:
        raise typer.Exit(supervise(chosen, again(config)))
    serve(assemble(chosen, SystemClock(), SystemEntropy()), share)


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
        ("sftp", chosen.sftp.listen, ""),
        ("portal", chosen.portal.listen, chosen.portal.public_url or ""),
        ("metrics", chosen.metrics.listen, ""),
    )
    for name, listen, url in doors:
        at = f"at {listen}" if listen else "with rest" if name == "token" else "nowhere"
        yield f"{name:<9} {at}{f', known as {url}' if url else ''}"
    yield f"{'records':<9} {shown(chosen.database.sqlalchemy_url())}"
    if chosen.database.identity_url:
        yield f"{'accounts':<9} {shown(chosen.database.identity_sqlalchemy_url())}"
    yield f"{'files':<9} {chosen.blobs.root}"


def _notes(chosen: Settings) -> Iterator[str]:
    """What works today, and needs a hand soon."""
    soon = SystemClock().wall() + _SOON
    sections = {
        "rest": chosen.rest.tls,
        "token": chosen.token.tls,
        "s3": chosen.s3.tls,
        "portal": chosen.portal.tls,
    }
    for name, tls in sections.items():
        for file in (tls.certificate_file, tls.ecdsa_certificate_file) if tls else ():
            ends = _end_of(file) if file else soon
            if ends < soon:
                yield f"Note: {name}.tls: the certificate {file} ends on {ends:%Y-%m-%d}."


def _end_of(certificate: Path) -> datetime:
    from cryptography import x509

    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"transom-server {__version__}")


# --- databases -----------------------------------------------------------------------------------


def _told(database: Database) -> str:
    return f"{shown(database.engine.url)}: schema {status(database).present or 'none'}"


@migrate.command("up")
def migrate_up(
    config: Config,
    to: Annotated[str, typer.Option(help="A revision, or head for the newest.")] = "head",
) -> None:
    """Bring every database's schema up to this program's.

    May be repeated: what is done already is left as it is.
    """
    from transom.records import migrate as migrations

    with open_databases(settings.load(config)) as databases:
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
    from transom.records import migrate as migrations

    with open_databases(settings.load(config)) as databases:
        for database in databases.each():
            migrations.down(database, to)
            typer.echo(_told(database))


@migrate.command("status")
def migrate_status(config: Config) -> None:
    """Say which schema each database has.

    And which one is wanted; exit code 1 when they differ.
    """
    behind = False
    with open_databases(settings.load(config)) as databases:
        for database in databases.each():
            found = status(database)
            behind |= not found.is_current
            typer.echo(f"{_told(database)}, wanted {found.wanted}")
    raise typer.Exit(FAULT if behind else 0)


# --- what proves and protects --------------------------------------------------------------------


@audit.command("verify")
def audit_verify(
    config: Config,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LINK:SEAL", help="A head noted earlier and elsewhere; may be repeated."
        ),
    ] = None,
) -> None:
    """Verify the chain of seals.

    Exit code 1 when an entry was changed, removed or put between. Note the head that it prints, or
    the log's "audit sealed" lines, outside of this machine: only a head noted elsewhere shows that
    the end of the chain was not cut off and made anew.
    """
    chosen = settings.load(config)
    expected = [_head(each) for each in expect or ()]
    sound = True
    with open_databases(chosen) as databases:
        require_schema(databases)
        each_with_sealer = zip(databases.each(), sealers(chosen, databases), strict=True)
        for database, sealer in each_with_sealer:
            verdict = sealer.verify(expected if database is databases.exchange else ())
            sound &= verdict.is_sound
            counts = f"{verdict.checked} entries sealed, {verdict.unsealed} to be sealed"
            word = "sound" if verdict.is_sound else "NOT SOUND"
            typer.echo(f"{shown(database.engine.url)}: {word}, {counts}")
            if verdict.head:
                typer.echo(f"  head {verdict.checked}:{verdict.head}")
            for fault in verdict.faults:
                typer.echo(f"  {fault}")
    raise typer.Exit(0 if sound else FAULT)


def _head(text: str) -> tuple[int, str]:
    found = _HEAD.fullmatch(text)
    if found is None:
        raise typer.BadParameter("LINK:SEAL, as `audit verify` prints it", param_hint="--expect")
    return int(found[1]), found[2]


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


# --- host keys -----------------------------------------------------------------------------------


def _host_keys(config: Path) -> HostKeyDirectory:
    from transom.server.host_keys import HostKeyDirectory

    root = settings.load(config).sftp.host_key_directory
    if root is None:
        raise BadHostKeys("The settings name no sftp.host_key_directory.")
    return HostKeyDirectory(root)


def _print_host_keys(directory: HostKeyDirectory) -> None:
    for each in directory.every():
        announced = "   announced, not in use yet" if each.is_next else ""
        typer.echo(f"{each.line}{announced}\n  {each.fingerprint}")


@host_keys.command("show")
def host_keys_show(config: Config) -> None:
    """Print the host keys and their fingerprints, to be told to those who connect.

    Makes them when there are none yet, as the first start would.
    """
    directory = _host_keys(config)
    directory.ensure()
    _print_host_keys(directory)


@host_keys.command("rotate")
def host_keys_rotate(
    config: Config,
    *,
    finish: Annotated[
        bool, typer.Option("--finish", help="Put the announced keys into use; the old ones go.")
    ] = False,
) -> None:
    """Begin to replace the host keys, or, with --finish, do it.

    The next keys are announced from the next start on, beside those in use, and clients that keep
    up learn them. Tell the others, wait some weeks, then finish and start once more.
    """
    directory = _host_keys(config)
    directory.ensure()
    if finish:
        directory.finish_rotation()
    else:
        directory.begin_rotation()
    _print_host_keys(directory)
    typer.echo("It counts from the next start of `run` on.")
