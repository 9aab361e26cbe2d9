"""The frame that commands are set in: options that all share, help that fits, hints for typos."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from transom.client.cli import completion
from transom.client.cli.exits import WrongUse
from transom.client.cli.show import Shared

_META: Final = "transom.shared"
_HELP_COLUMNS: Final = 78
_CUTOFF: Final = 0.5


def _keep(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> None:
    """Note a shared option, wherever on the line it stood."""
    if value:
        ctx.meta.setdefault(_META, {})[param.name] = value


def _shared(  # noqa: PLR0913 - it only lists them, for Typer to read
    *,
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="use this profile",
            callback=_keep,
            expose_value=False,
            autocompletion=completion.profiles,
        ),
    ] = "",
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="one JSON document on stdout", callback=_keep, expose_value=False
        ),
    ] = False,
    json_lines: Annotated[
        bool,
        typer.Option(
            "--json-lines", help="a line of JSON per event", callback=_keep, expose_value=False
        ),
    ] = False,
    color: Annotated[
        str,
        typer.Option(
            "--color",
            metavar="WHEN",
            help="auto, always or never",
            callback=_keep,
            expose_value=False,
            autocompletion=completion.colours,
        ),
    ] = "",
    no_input: Annotated[
        bool,
        typer.Option("--no-input", help="ask nothing", callback=_keep, expose_value=False),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("-q", "--quiet", help="results only", callback=_keep, expose_value=False),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("-v", "--verbose", help="tell more", callback=_keep, expose_value=False),
    ] = False,
) -> None:
    """Never called: Typer makes the shared options of it."""


def _shared_options() -> list[Any]:
    frame = typer.Typer(add_completion=False, rich_markup_mode=None)
    frame.command()(_shared)
    return list(typer.main.get_command(frame).params)


_SHARED: Final = tuple(_shared_options())


def shared(ctx: typer.Context) -> Shared:
    """What the shared options say on this command line."""
    return Shared(**ctx.meta.get(_META, {}))


class _AsTyped:
    """Takes values as they were typed; see `_quick`."""

    def coerce(self, value: Any, **_: object) -> Any:
        """The value, with a list for what may come several times."""
        return list(value) if isinstance(value, tuple) else value


def _quick(params: list[Any]) -> list[Any]:
    """Spare Typer the import of pydantic, 40 ms, which it has for turning text into other types.

    Every option of ours is text, a flag or a list of texts. A test holds that nothing slow is
    loaded, so a Typer that does it otherwise is noticed.
    """
    for param in params:
        param._runtime_param = _AsTyped()  # noqa: SLF001
    return params


class Command(TyperCommand):
    """A command with the shared options. Its epilog is the usage, then whole paragraphs."""

    def __init__(self, name: str | None, **options: Any) -> None:
        options["params"] = _quick([*(options.get("params") or ()), *_SHARED])
        super().__init__(name, **options)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """What it does, how it is called, examples, options, the rest."""
        _write_help(self, ctx, formatter)

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, --help too, none of which needs pydantic."""
        return _quick(super().get_params(ctx))


class Group(TyperGroup):
    """A command of commands, which knows what was probably meant."""

    def __init__(self, **options: Any) -> None:
        options["params"] = _quick([*(options.get("params") or ()), *_SHARED])
        super().__init__(**options)

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, --help too, none of which needs pydantic."""
        return _quick(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is named; another is proposed, never run.

        Raises:
            WrongUse: there is none of this name.
        """
        if args[0] in self.commands or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(args[0], self.commands, n=1, cutoff=_CUTOFF)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        error = WrongUse(f'There is no command "{args[0]}".{hint}')
        error.add_note(f"{ctx.command_path} --help")
        raise error

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """What it is for, its commands, its options, the rest."""
        _write_help(self, ctx, formatter)


def _write_help(command: Any, ctx: Any, formatter: Any) -> None:
    usage, *paragraphs = (command.epilog or "COMMAND [options]").strip("\n").split("\n\n")
    formatter.write(f"{command.help}\n\n  {ctx.command_path} {usage}\n")
    examples = [each for each in paragraphs if each.startswith("Examples")]
    for text in examples:
        formatter.write(f"\n{text}\n")
    if isinstance(command, Group):
        names = command.list_commands(ctx)
        rows = [(name, command.commands[name].get_short_help_str(_HELP_COLUMNS)) for name in names]
        _write_rows(formatter, "Commands", rows)
    own = [each for each in command.get_params(ctx) if each not in _SHARED]
    _write_rows(formatter, "Options", _records(ctx, [each for each in own if each.name != "help"]))
    everywhere = [*_SHARED, *(each for each in own if each.name == "help")]
    _write_rows(formatter, "Everywhere", _records(ctx, everywhere))
    for text in paragraphs:
        if text not in examples:
            formatter.write(f"\n{text}\n")


def _records(ctx: Any, params: list[Any]) -> list[tuple[str, str]]:
    found = [each.get_help_record(ctx) for each in params if each.param_type_name == "option"]
    return [
        (names if not names.startswith("--") else f"    {names}", said.replace("  ", " "))
        for names, said in filter(None, found)
    ]


def _write_rows(formatter: Any, head: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        formatter.write(f"\n{head}\n")
        with formatter.indentation():
            formatter.write_dl(rows, col_max=_HELP_COLUMNS // 2)


def application(**options: Any) -> typer.Typer:
    """A Typer whose help is plain text: a terminal may be a log, a serial line, a screen reader."""
    return typer.Typer(
        cls=Group,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
        **options,
    )


def command(
    app: typer.Typer, name: str, epilog: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command: its docstring is its help, the epilog its usage and examples."""
    return app.command(name, cls=Command, epilog=epilog, options_metavar="[options]")
