# ruff: noqa: PLC0415 - what one command needs is loaded when it runs: the first output of any is
# due within 100 ms, and HTTP, colour and the keyring take longer than that to load.
"""The commands of `transom`, as they are typed; each hands over to a module of its own.

What they end with is in exits.py.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from typer.exceptions import TyperException

from transom.client.cli import completion
from transom.client.cli.app import application, command, shared
from transom.client.cli.exits import STOPPED, WrongUse
from transom.client.cli.show import Screen, Shared
from transom.client.errors import ClientError

app = application(
    help="Send files to a file exchange, fetch its answers, see where submissions stand.",
    epilog="COMMAND [options]\n\nMore: transom help exit-codes, transom help places,"
    " transom help formats",
)
profile = application(help="Where servers are, and who signs in.")
app.add_typer(profile, name="profile")

_Place = Annotated[str, typer.Argument(autocompletion=completion.places)]
_Profile = Annotated[str, typer.Argument(autocompletion=completion.profiles)]


@app.callback(epilog=app.info.epilog)
def _every(ctx: typer.Context) -> None:
    """Send files to a file exchange, fetch its answers, see where submissions stand."""


# --- sign-in -------------------------------------------------------------------------------------


@command(
    app,
    "login",
    """[URL] [options]

Examples
  transom login https://filex.example --user 0001api01
  transom login --preset finra-ct --profile ct --org 1234
  transom login https://filex.example --user 0001api01 --password-file secret

The password goes to the keyring of this machine. Without one the profile says
where it is: in TRANSOM_PASSWORD, or in a file.""",
)
def login(  # noqa: PLR0913 - one per thing that may be said
    ctx: typer.Context,
    *,
    url: Annotated[str, typer.Argument()] = "",
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="user name")] = "",
    password_file: Annotated[
        str, typer.Option("--password-file", metavar="FILE", help='password in a file; "-": stdin')
    ] = "",
    org: Annotated[
        str, typer.Option("--org", metavar="ID", help="organization left out of places")
    ] = "",
    preset: Annotated[
        str,
        typer.Option("--preset", metavar="NAME", help="finra, finra-ct, finra-qa or sandbox"),
    ] = "",
    ca_file: Annotated[
        str, typer.Option("--ca-file", metavar="FILE", help="trust this root (PEM)")
    ] = "",
    ready_file: Annotated[
        str,
        typer.Option("--ready-file", metavar="FILE", help="a running demo's: all that is asked"),
    ] = "",
) -> None:
    """Try a user name and password, and keep them as a profile."""
    from transom.client.cli import accounts

    asked = accounts.Login(url, user, password_file, org, preset, ca_file, ready_file)
    accounts.login(_desk(ctx), asked)


@command(app, "logout", "[options]\n\nThe profile stays, without its secret.")
def logout(ctx: typer.Context) -> None:
    """Forget the password of a profile."""
    from transom.client.cli import accounts

    accounts.logout(_desk(ctx))


@command(app, "whoami", "[options]")
def whoami(ctx: typer.Context) -> None:
    """Show who is signed in where, and what is there."""
    from transom.client.cli import accounts

    accounts.whoami(_desk(ctx))


# --- files ---------------------------------------------------------------------------------------


@command(
    app,
    "ls",
    """[PLACE] [options]

Examples
  transom ls                       applications
  transom ls r4530                 sub-spaces, with what you can do there
  transom ls r4530/out             files

More: transom help places""",
)
def ls(ctx: typer.Context, place: _Place = "") -> None:
    """Show what is at a place."""
    from transom.client.cli import listing

    listing.show(_desk(ctx), place)


@command(
    app,
    "put",
    """FILE... PLACE [options]

Examples
  transom put rex_1120.xml 0001/rex/in         upload one file
  transom put *.xml r4530/in --wait            upload several, wait for answers
  make_report | transom put - shorts/in --as SI_20261130.txt
  transom put --watch outbox r4530/in          upload whatever appears there

Exit codes: 0 done or accepted, 9 not answered in time, 10 rejected,
11 partially rejected, 13 mixed. All: transom help exit-codes
More: transom help places, transom help formats""",
)
def put(  # noqa: PLR0913 - one per thing that may be said
    ctx: typer.Context,
    *,
    paths: Annotated[list[str] | None, typer.Argument(autocompletion=completion.places)] = None,
    wait: Annotated[
        bool, typer.Option("-w", "--wait", help="wait until the application has answered")
    ] = False,
    wait_limit: Annotated[
        str,
        typer.Option(
            "--wait-limit",
            metavar="TIME",
            show_default=False,
            help="stop waiting after this (default 30m)",
        ),
    ] = "30m",
    name: Annotated[
        str,
        typer.Option("--as", metavar="NAME", help='name on the exchange (one file or "-" only)'),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="check names, files, rights; send nothing")
    ] = False,
    parallel: Annotated[
        str,
        typer.Option(
            "--parallel", metavar="N", show_default=False, help="files at once (default 3)"
        ),
    ] = "3",
    no_progress: Annotated[bool, typer.Option("--no-progress", help="no bars")] = False,
    watch: Annotated[
        str, typer.Option("--watch", metavar="DIR", help="send files as they appear there")
    ] = "",
    settle: Annotated[
        str,
        typer.Option(
            "--settle",
            metavar="TIME",
            show_default=False,
            help="unchanged this long is done (default 5s)",
        ),
    ] = "5s",
    resend_after: Annotated[
        str,
        typer.Option(
            "--resend-after",
            metavar="TIME",
            show_default=False,
            help="send a cut file again after this (default 60s, for --watch)",
        ),
    ] = "60s",
) -> None:
    """Upload files to a place and, if you like, wait for the application's answer."""
    at = _desk(ctx)
    if watch:
        from transom.client.cli import watch as watching

        if wait or name or dry_run or at.shared.json:
            raise WrongUse("--watch goes with none of --wait, --as, --dry-run, --json.")
        watching.run(at, watching.Order.read(paths or [], watch, settle, resend_after))
        return
    from transom.client.cli import put as sending

    limit = wait_limit if wait else ""
    order = sending.Order.read(paths or [], name, limit, parallel, has_bars=not no_progress)
    raise typer.Exit(sending.check(at, order) if dry_run else sending.run(at, order))


@command(
    app,
    "get",
    """PLACE/FILE... [options]

Examples
  transom get r4530/out/feedback_4530_2026Q4.xml
  transom get r4530/out/a.xml r4530/out/b.xml -o answers/
  transom get r4530/out/a.xml -o - | xmllint -

A file appears under its name only when it is whole.""",
)
def get(
    ctx: typer.Context,
    *,
    files: Annotated[list[str] | None, typer.Argument(autocompletion=completion.places)] = None,
    output: Annotated[
        str,
        typer.Option("-o", "--output", metavar="PATH", help='file or directory; "-": stdout'),
    ] = "",
    newer: Annotated[
        bool, typer.Option("--newer", help="skip what is here in this size and not older")
    ] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="no bars")] = False,
) -> None:
    """Download files."""
    from transom.client.cli import get as fetching

    order = fetching.Order(tuple(files or ()), output, newer, not no_progress)
    raise typer.Exit(fetching.run(_desk(ctx), order))


@command(
    app,
    "track",
    """[ID...] [options]

Examples
  transom track --state rejected,partial --since 2026-11-01
  transom track 7c1e0b52                       one submission, with its findings
  transom track 7c1e0b52 --watch               follow it until it is answered

An id may be shortened to its first 4 characters or more, if it is unique.
States: requested, held, received, accepted, partial, rejected, abandoned.""",
)
def track(  # noqa: PLR0913 - one per thing that may be said
    ctx: typer.Context,
    *,
    ids: Annotated[list[str] | None, typer.Argument()] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="date, instant or age, like 7d")
    ] = "",
    state: Annotated[
        str,
        typer.Option(
            "--state",
            metavar="STATE,...",
            help="in one of these states",
            autocompletion=completion.states,
        ),
    ] = "",
    file: Annotated[str, typer.Option("--file", metavar="NAME", help="of exactly this name")] = "",
    application: Annotated[
        str, typer.Option("--application", metavar="NAME", help="of this application")
    ] = "",
    limit: Annotated[
        str,
        typer.Option(
            "--limit", metavar="N", show_default=False, help="at most so many (default 50; 0: all)"
        ),
    ] = "50",
    watch: Annotated[
        bool, typer.Option("--watch", help="follow them until they are answered")
    ] = False,
) -> None:
    """Show where submissions stand."""
    from transom.client.cli import track as tracking

    order = tracking.Order(tuple(ids or ()), since, state, file, application, limit)
    raise typer.Exit(tracking.run(_desk(ctx), order, follow=watch))


# --- profiles ------------------------------------------------------------------------------------


@command(profile, "list", "[options]")
def profile_list(ctx: typer.Context) -> None:
    """Show every profile; the default has a mark."""
    from transom.client.cli import profiles

    profiles.show_all(_desk(ctx))


@command(profile, "show", "[NAME] [options]")
def profile_show(ctx: typer.Context, name: _Profile = "") -> None:
    """Show each value that holds, and where it came from."""
    from transom.client.cli import profiles

    profiles.show(_desk(ctx), name)


@command(profile, "use", "NAME [options]")
def profile_use(ctx: typer.Context, name: _Profile = "") -> None:
    """Make a profile the default."""
    from transom.client.cli import profiles

    profiles.use(_desk(ctx), name)


@command(
    profile,
    "set",
    """NAME KEY VALUE [options]

Examples
  transom profile set prod org 0001
  transom profile set prod secret file:prod.secret
  transom profile set prod ca_file ""             forget a value""",
)
def profile_set(
    ctx: typer.Context,
    name: _Profile = "",
    key: Annotated[str, typer.Argument()] = "",
    value: Annotated[str | None, typer.Argument()] = None,
) -> None:
    """Change one value of a profile; a profile that is not there is made."""
    from transom.client.cli import profiles

    profiles.change(_desk(ctx), name, key, value)


@command(profile, "remove", "NAME [options]")
def profile_remove(
    ctx: typer.Context,
    *,
    name: _Profile = "",
    yes: Annotated[bool, typer.Option("-y", "--yes", help="do not ask")] = False,
) -> None:
    """Forget a profile and its password."""
    from transom.client.cli import profiles

    profiles.remove(_desk(ctx), name, is_sure=yes)


# --- about itself --------------------------------------------------------------------------------


@command(
    app,
    "completion",
    """bash|zsh|fish|powershell [options]

Examples
  source <(transom completion bash)
  transom completion fish > ~/.config/fish/completions/transom.fish""",
)
def completion_(
    ctx: typer.Context,
    shell: Annotated[str, typer.Argument(autocompletion=completion.shells)] = "",
) -> None:
    """Print the script that completes commands, places and states in a shell."""
    if not shell:
        raise WrongUse(f"For which shell? Use {', '.join(completion.SHELLS)}.")
    _screen(ctx).row(completion.script(shell))


@command(
    app,
    "sftp-config",
    """openssh | winscp | filezilla | lftp [options]

Examples
  transom sftp-config openssh >> ~/.ssh/config
  transom sftp-config openssh --key ~/.ssh/filex_ed25519 --profile prod
  transom sftp-config filezilla > site.xml""",
)
def sftp_config_(
    ctx: typer.Context,
    client: Annotated[str, typer.Argument()] = "",
    *,
    key: Annotated[
        str, typer.Option("--key", metavar="FILE", help="sign in with this private key")
    ] = "",
) -> None:
    """Print settings for an SFTP client, with the host key pinned."""
    from transom.client.cli import sftp_config

    sftp_config.run(_desk(ctx), client, key)


@command(
    app,
    "s3-credentials",
    """ORG/APPLICATION [options]

Examples
  eval "$(transom s3-credentials 0001/r4530)"
  transom s3-credentials r4530 --format json
  transom s3-credentials r4530 --format credential_process

Formats: env, lines for a shell (the default); json, all that the server tells;
credential_process, what AWS tools ask a program for: see transom s3-config.

What is printed is secret, and good for one hour.""",
)
def s3_credentials_(
    ctx: typer.Context,
    application: Annotated[str, typer.Argument(autocompletion=completion.places)] = "",
    *,
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="env, json or credential_process")
    ] = "",
) -> None:
    """Print temporary keys for S3 tools."""
    from transom.client.cli import s3_keys

    s3_keys.credentials(_desk(ctx), application, format_)


@command(
    app,
    "s3-config",
    """ORG/APPLICATION [options]

Examples
  transom s3-config 0001/r4530 --write
  aws s3 ls s3://filex/0001/r4530/ --profile transom-prod-r4530

The profile holds no secret: AWS tools ask this command for keys, and again
when they have expired.""",
)
def s3_config_(
    ctx: typer.Context,
    application: Annotated[str, typer.Argument(autocompletion=completion.places)] = "",
    *,
    write: Annotated[
        bool, typer.Option("--write", help="put it into AWS's configuration file")
    ] = False,
) -> None:
    """Print a profile for AWS tools that renews its keys by itself."""
    from transom.client.cli import s3_keys

    s3_keys.configuration(_desk(ctx), application, written=write)


@command(app, "version", "[options]")
def version(ctx: typer.Context) -> None:
    """Print the version."""
    from transom import __version__

    screen = _screen(ctx)
    if screen.shared.for_machines:
        screen.event({"version": __version__})
    else:
        screen.row(f"transom {__version__}")


@command(app, "help", "[exit-codes | places | formats | COMMAND] [options]")
def help_(ctx: typer.Context, topic: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Explain exit codes, places, formats, or a command."""
    from transom.client.cli import topics

    texts = {"places": topics.PLACES, "formats": topics.FORMATS, "exit-codes": topics.exit_codes()}
    words = topic or []
    if len(words) == 1 and words[0] in texts:
        _screen(ctx).raw(sys.stdout, texts[words[0]])
        return
    root = ctx.find_root()
    found: Any = root.command
    within: Any = root
    for word in words:
        if not hasattr(found, "commands"):
            raise WrongUse(f'"{word}" is no command of "{within.command_path}".')
        name, found, _ = found.resolve_command(within, [word])
        within = typer.Context(found, parent=within, info_name=name)
    _screen(ctx).row(found.get_help(within))


# --- running -------------------------------------------------------------------------------------


def _desk(ctx: typer.Context) -> Any:
    from transom.client.cli.connection import desk

    return desk(shared(ctx))


def _screen(ctx: typer.Context) -> Screen:
    from transom.client.cli.show import screen

    return screen(shared(ctx), os.environ)


def run(arguments: Sequence[str]) -> int:
    """Run one command line to its end; returns its exit code, failures told."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    completion.prepare(os.environ)
    try:
        ended = typer.main.get_command(app).main(
            args=list(arguments), prog_name="transom", standalone_mode=False
        )
    except (KeyboardInterrupt, typer.Abort):
        ended = STOPPED
    except Exception as failure:
        if not isinstance(failure, (ClientError, TyperException)) and _is_verbose(arguments):
            raise
        return _failed(_explained(failure), arguments)
    if ended == STOPPED:
        return _stopped(arguments)
    return ended if isinstance(ended, int) else 0


def _is_verbose(arguments: Sequence[str]) -> bool:
    return "-v" in arguments or "--verbose" in arguments


def _explained(failure: Exception) -> ClientError:
    """Any failure as one of ours."""
    match failure:
        case ClientError():
            return failure
        case TyperException():
            return _wrong_use(failure)
        case _:
            return _bug(failure)


def main() -> None:
    """The command `transom`."""
    sys.exit(run(sys.argv[1:]))


def _failed(failure: ClientError, arguments: Sequence[str]) -> int:
    from transom.client.cli import show

    if failure.code == "no_arguments":
        sys.stderr.write(failure.message + "\n")
        return failure.exit_code
    said = Shared(json="--json" in arguments, json_lines="--json-lines" in arguments)
    show.screen(said, os.environ).error(failure)
    return failure.exit_code


def _stopped(arguments: Sequence[str]) -> int:
    """What a second Ctrl-C, or one before anything was sent, says."""
    if "--json" not in arguments and "--json-lines" not in arguments:
        sys.stderr.write("Stopped.\n")
    return STOPPED


_NO_COMMAND: Final = "NoArgsIsHelpError"


def _wrong_use(failure: TyperException) -> ClientError:
    """What Typer says of a command line, in our words and shape."""
    context = getattr(failure, "ctx", None)
    if type(failure).__name__ == _NO_COMMAND:
        return WrongUse(failure.format_message(), code="no_arguments")
    option = getattr(failure, "option_name", "")
    near = list(getattr(failure, "possibilities", None) or ())
    if option and "No such option" in failure.format_message():
        hint = f" Did you mean {near[0]}?" if near else ""
        error = WrongUse(f"There is no option {option}.{hint}")
    else:
        error = WrongUse(failure.format_message())
    if context is not None:
        error.add_note(f"{context.command_path} --help")
    return error


def _bug(failure: Exception) -> ClientError:
    told = f"{type(failure).__name__}: {failure}"
    return ClientError(
        f"Something broke in transom itself ({told}). This is a defect: report it with what you"
        " typed, and with what the same command says with --verbose.",
        code="internal",
    )
