"""Everything an operator can set: one TOML file, environment overrides, read once, frozen.

Only this module reads the environment. A variable overrides a setting: TRANSOM_REST__LISTEN stands
for listen in [rest]; a list is written with commas. No password is ever a setting, only the name of
the file that holds it. `load` tells every problem at once; `describe` is the reference.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
import typing
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from transom.server import tls
from transom.server.sections import (
    BlobSettings,
    DatabaseSettings,
    ExchangeSettings,
    GatewaySettings,
    KeySettings,
    LimitSettings,
    Listen,
    LogSettings,
    MailSettings,
    MetricsSettings,
    PeopleSettings,
    PortalSettings,
    RestSettings,
    S3Settings,
    SecretKey,
    Section,
    SftpSettings,
    SupportSettings,
    TlsSettings,
    TokenSettings,
    read_keys,
)

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

__all__ = [
    "BadSettings",
    "Listen",
    "Problem",
    "SecretKey",
    "Settings",
    "TlsSettings",
    "describe",
    "load",
    "read_keys",
]

PREFIX: Final = "TRANSOM_"
_DOORS: Final = ("rest", "token", "s3", "portal", "metrics")
_LOOKS_ALIKE: Final = 0.5  # how near a known name must be to an unknown one to be worth telling
_TYPE_WORDS: Final[Mapping[object, str]] = {
    bool: "true or false",
    int: "whole number",
    str: "text",
    Path: "path",
    Listen: "host:port",
    IPv4Network: "network",
}

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: the setting's key path, what is wrong, the known name nearest to it."""

    key: str
    wrong: str
    nearest: str = ""

    def __str__(self) -> str:
        hint = f" Did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.key}: {self.wrong}.{hint}"


class BadSettings(Exception):
    """The settings cannot be used. `problems` holds all of them, in the order of the sections."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Settings(Section):
    """All settings. Built by `load`."""

    database: DatabaseSettings
    blobs: BlobSettings
    keys: KeySettings
    rest: RestSettings
    token: TokenSettings
    s3: S3Settings
    sftp: SftpSettings = SftpSettings()
    portal: PortalSettings = PortalSettings()
    people: PeopleSettings = PeopleSettings()
    mail: MailSettings = MailSettings()
    gateway: GatewaySettings = GatewaySettings()
    metrics: MetricsSettings
    exchange: ExchangeSettings
    limits: LimitSettings
    support: SupportSettings
    logs: LogSettings

    @property
    def token_public_url(self) -> str:
        """Where clients ask for tokens, without a path."""
        return self.token.public_url or self.rest.public_url


def load(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file, then the variables that override it.

    environ is the process's own when it is left out.

    Raises:
        BadSettings: everything that is wrong, at once.
    """
    raw = _overridden(_read(path), os.environ if environ is None else environ)
    sections: dict[str, Any] = {}
    problems = [_unknown(key) for key in raw if key not in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        try:
            sections[name] = _model(field.annotation).model_validate(raw.get(name, {}))
        except ValidationError as failure:
            problems += [_problem(name, error) for error in failure.errors(include_url=False)]
    problems += _contradictions(**sections)
    if problems:
        raise BadSettings(problems)
    return Settings(**sections)


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:  # broken TOML and broken UTF-8 are ValueErrors
        why = failure.strerror if isinstance(failure, OSError) else str(failure)
        raise BadSettings([Problem(str(path), f"cannot be read: {why}")]) from failure


def _overridden(raw: Table, environ: Mapping[str, str]) -> Table:
    for name, value in sorted(environ.items()):
        if name.startswith(PREFIX) and _means_a_setting(name):
            *tables, key = name.removeprefix(PREFIX).lower().split("__")
            _put(raw, tables, key, value)
    return raw


def _means_a_setting(name: str) -> bool:
    # Other tools have TRANSOM_ variables too, but TRANSOM_REST_LISTEN is a slip that must be told.
    section = name.removeprefix(PREFIX).lower().split("_")[0]
    return "__" in name or section in Settings.model_fields


def _put(raw: Table, tables: list[str], key: str, value: str) -> None:
    table = raw
    for name in tables:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # not a table in the file: validation says so
        table = inner
    table[key] = value


def _unknown(key: str) -> Problem:
    known = [name for name, _ in _fields(Settings)] + list(Settings.model_fields)
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=_LOOKS_ALIKE)
    return Problem(key, "is not a setting", *nearest)


def _problem(section: str, error: Any) -> Problem:
    key = ".".join(str(part) for part in (section, *error["loc"]))
    match error["type"]:
        case "extra_forbidden":
            return _unknown(key)
        case "missing":
            return Problem(key, "is needed and has no default")
        case "model_type":
            return Problem(key, f"must be a table: [{key}]")
        case "value_error":
            return Problem(key, str(error["ctx"]["error"]))
        case _:
            return Problem(key, str(error["msg"]))


def _contradictions(**valid: Any) -> Iterator[Problem]:
    """What no section can see alone; a section with problems of its own is left out."""
    doors = {name: valid[name] for name in _DOORS if name in valid}
    for name, door in doors.items():
        # The token service trusts the proxies of the REST API.
        proxies = getattr(valid.get("rest") if name == "token" else door, "behind_proxy", ())
        yield from _door_problems(name, door, proxies)
    sftp = valid.get("sftp")
    if sftp and sftp.listen and sftp.host_key_directory is None:
        yield Problem("sftp.host_key_directory", "is needed with sftp.listen")
    every: dict[str, Any] = dict(doors) | ({"sftp": sftp} if sftp else {})
    listens = {name: str(door.listen) for name, door in every.items() if door.listen}
    for own, listen in listens.items():
        first = next(other for other in listens if listens[other] == listen)
        if first != own and not listen.endswith(":0"):
            yield Problem(f"{own}.listen", f"is the same address as {first}.listen")
    yield from _people_problems(valid.get("portal"), valid.get("mail"), valid.get("gateway"))
    exchange = valid.get("exchange")
    if exchange and exchange.tracking_days < exchange.archive_days:
        yield Problem("exchange.tracking_days", "must not be less than archive_days")


def _people_problems(
    portal: PortalSettings | None, mail: MailSettings | None, gateway: GatewaySettings | None
) -> Iterator[Problem]:
    if portal and portal.listen and portal.public_url is None:
        yield Problem("portal.public_url", "is needed with portal.listen")
    if portal and portal.listen and mail and mail.host is None:
        yield Problem("mail.host", "is needed with portal.listen: people are invited by mail")
    if mail and mail.host and mail.security == "none" and not Listen(mail.host, 0).is_loopback:
        yield Problem("mail.security", "none would send secrets in the clear to another machine")
    if mail and (mail.user is None) != (mail.password_file is None):
        yield Problem("mail.password_file", "and user belong together")
    if gateway and gateway.url:
        for key in ("account", "token_file", "sender"):
            if getattr(gateway, key) is None:
                yield Problem(f"gateway.{key}", "is needed with gateway.url")


def _door_problems(name: str, door: Any, proxies: Sequence[object]) -> Iterator[Problem]:
    encrypted = getattr(door, "tls", None)
    public_url = getattr(door, "public_url", None) or ""
    safe = encrypted or proxies or door.listen is None
    if not safe and not door.listen.is_loopback:
        ways = [way for way in ("tls", "behind_proxy") if way in type(door).model_fields]
        wanted = f"needs {name}.{f' or {name}.'.join(ways)}" if ways else "must be loopback"
        yield Problem(f"{name}.listen", f"can be reached from other machines, so it {wanted}")
    if encrypted and public_url.startswith("http:"):
        yield Problem(f"{name}.public_url", "must begin with https:// because the listener has tls")
    if encrypted and door.listen is None:
        yield Problem(f"{name}.tls", f"is of no use without {name}.listen")
    if encrypted:
        yield from _tls_problems(f"{name}.tls", encrypted)


def _tls_problems(key: str, chosen: TlsSettings) -> Iterator[Problem]:
    second = (chosen.ecdsa_certificate_file, chosen.ecdsa_key_file)
    if (second[0] is None) != (second[1] is None):
        yield Problem(f"{key}.ecdsa_key_file", "and ecdsa_certificate_file belong together")
    if chosen.policy == "guide-2022" and None in second:
        yield Problem(f"{key}.policy", "guide-2022 needs an RSA and an ECDSA pair")
    kind: tls.Kind = "RSA" if all(second) else "any"
    if wrong := tls.pair_problem(chosen.certificate_file, chosen.key_file, kind):
        yield Problem(f"{key}.certificate_file", wrong)
    if second[0] and second[1] and (wrong := tls.pair_problem(second[0], second[1], "ECDSA")):
        yield Problem(f"{key}.ecdsa_certificate_file", wrong)


def describe() -> str:
    """The reference of all settings: a Markdown table of name, type, default and meaning."""
    rows = [_row(name, field) for name, field in _fields(Settings) if not _repeated(name)]
    head = "| setting | type | default | meaning |\n| --- | --- | --- | --- |\n"
    note = "`token.tls`, `s3.tls` and `portal.tls` take the same settings as `rest.tls`.\n"
    return head + "".join(rows) + "\n" + note


def _repeated(name: str) -> bool:
    return ".tls." in name and not name.startswith("rest.")


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        inner = _model(field.annotation)
        if inner is Section:
            yield prefix + name, field
        else:
            yield from _fields(inner, f"{prefix}{name}.")


def _model(annotation: object) -> type[Section]:
    """The section that an annotation such as TlsSettings | None names; Section for none."""
    for part in (annotation, *typing.get_args(annotation)):
        if isinstance(part, type) and issubclass(part, Section):
            return part
    return Section


def _row(name: str, field: FieldInfo) -> str:
    default = "none; it is needed" if field.is_required() else _shown(field.default)
    words = _words(field.annotation)
    return f"| `{name}` | {words} | {default} | {field.description} |\n"


def _shown(default: object) -> str:
    if default is None:
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):  # as TOML has it
        return f"`[{', '.join(json.dumps(each) for each in default)}]`"
    return f"`{default}`"


def _words(annotation: object) -> str:
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is tuple:
        return f"list of {_words(parts[0])}"
    return _words(parts[0]) if parts else _TYPE_WORDS[annotation]
