"""Profiles: where a server is and who signs in, in one TOML file; and what beats what.

First wins: option, environment, profile, built in. Every value knows where it came from.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from transom.client.cli.exits import WrongUse
from transom.client.presets import PRESETS, Server

SANDBOX_URL: Final = "http://127.0.0.1:8080"
PRESET_NAMES: Final = (*PRESETS, "sandbox")
DEFAULT_NAME: Final = "default"

KEYS: Mapping[str, str] = MappingProxyType(
    {
        "url": "address of the REST API",
        "preset": f"a built-in server instead of url: {', '.join(PRESET_NAMES)}",
        "token_url": "address of the token service, where the server does not tell it",
        "portal_url": "address of the portal",
        "org": "organization id, left out of places",
        "user": "user name of the account",
        "secret": "keyring, env, file:PATH, or ready:PATH of a demo",
        "ca_file": "PEM file of a root to trust, relative to the configuration file",
        "environment": "what kind of server it is; shown before each upload unless production",
        "timeout_seconds": "how long the server may be silent",
    }
)
_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "url": "TRANSOM_URL",
        "org": "TRANSOM_ORG",
        "user": "TRANSOM_USER",
        "ca_file": "TRANSOM_CA_FILE",
        "timeout_seconds": "TRANSOM_TIMEOUT_SECONDS",
    }
)
_BUILT_IN: Mapping[str, str] = MappingProxyType({"secret": "keyring"})
_OF_THE_SERVER: Final = frozenset({"preset", "token_url", "portal_url", "environment"})
"""What belongs to one address, and never to another that took its place."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_SECTION: Final = re.compile(r"^\s*\[")
_MODE_PRIVATE: Final = 0o600
_MODE_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class Value:
    """A setting and where it came from, in words."""

    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """One profile as it holds now. `name` is "" when there is none; `is_known`: the file has it."""

    name: str
    is_known: bool
    values: Mapping[str, Value]
    file: Path

    def __getitem__(self, key: str) -> str:
        """The text of a setting, "" when it is not set."""
        found = self.values.get(key)
        return found.text if found else ""

    @property
    def is_set_up(self) -> bool:
        """Whether it tells where the server is."""
        return bool(self["url"] or self["preset"])

    @property
    def server(self) -> str | Server:
        """What the SDK connects to: a URL or a preset's name, or both addresses.

        Raises:
            WrongUse: no server is set, or there is no such preset.
        """
        if not self.is_set_up:
            error = WrongUse("No server is set up here. Sign in once, or set TRANSOM_URL.")
            error.add_note("transom login URL")
            raise error
        if self["url"] and self["token_url"]:
            return Server(self["url"], self["token_url"], self["environment"] or "production")
        return self["url"] or preset_address(self["preset"])

    @property
    def address(self) -> str:
        """The server's address, for people and as the name of its keyring entries."""
        server = self.server
        if isinstance(server, Server):
            return server.rest_url
        return PRESETS[server].rest_url if server in PRESETS else server

    @property
    def ca_file(self) -> Path | None:
        """The root to trust, where one is named; relative to the configuration file."""
        found = self.values.get("ca_file")
        if found is None or not found.text:
            return None
        path = Path(found.text).expanduser()
        return self.file.parent / path if found.origin.startswith("profile") else path

    @property
    def timeout_seconds(self) -> float | None:
        """How long the server may be silent; None when nothing was said.

        Raises:
            WrongUse: it is no number above 0.
        """
        if not self["timeout_seconds"]:
            return None
        try:
            found = float(self["timeout_seconds"])
        except ValueError:
            found = 0.0
        if not 0 < found < float("inf"):
            origin = self.values["timeout_seconds"].origin
            raise WrongUse(f"timeout_seconds ({origin}) is no number of seconds above 0.")
        return found


def preset_address(name: str) -> str:
    """What the SDK takes for a preset: its name, or the sandbox's address.

    Raises:
        WrongUse: there is no such preset.
    """
    if name == "sandbox":
        return SANDBOX_URL
    if name in PRESETS:
        return name
    raise WrongUse(f'There is no preset "{name}". Use {", ".join(PRESET_NAMES)}.')


@dataclass(slots=True)
class Config:
    """The configuration file, read. It need not exist."""

    file: Path
    default_profile: str = ""
    profiles: dict[str, dict[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def resolve(
        self, environ: Mapping[str, str], name: str = "", options: Mapping[str, str] | None = None
    ) -> Resolved:
        """One profile with the options and the environment over it.

        Raises:
            WrongUse: a profile is named that the file does not have.
        """
        chosen = name or environ.get("TRANSOM_PROFILE", "") or self.default_profile
        known = chosen in self.profiles
        if chosen and not known:
            raise self._unknown(chosen)
        values = {key: Value(text, "built in") for key, text in _BUILT_IN.items()}
        origin = f"profile {chosen}"
        values |= {key: Value(text, origin) for key, text in self.profiles.get(chosen, {}).items()}
        over = {
            key: Value(environ[variable], variable)
            for key, variable in _ENVIRONMENT.items()
            if environ.get(variable)
        }
        over |= {
            key: Value(text, f"--{key.replace('_', '-')}")
            for key, text in (options or {}).items()
            if text
        }
        return Resolved(chosen, known, _laid_over(values, over), self.file)

    def _unknown(self, name: str) -> WrongUse:
        near = difflib.get_close_matches(name, self.profiles, n=1)
        has = ", ".join(self.profiles) or "none yet"
        error = WrongUse(f'There is no profile "{name}" in {self.file}. It has: {has}.')
        error.add_note(f"--profile {near[0]}" if near else "transom profile list")
        return error

    # --- changes -------------------------------------------------------------------------------

    def keep(self, name: str, values: Mapping[str, str]) -> None:
        """Put a profile in place of what it was; values that are empty are left out.

        The first profile becomes the default. The rest of the file stays as it is.

        Raises:
            WrongUse: the name cannot be one, or the file is written in a way we cannot edit.
        """
        if not _NAME.fullmatch(name):
            raise WrongUse(f'"{name}" is no profile name. Use letters, digits, - and _.')
        self.profiles[name] = {key: text for key, text in values.items() if text}
        self.default_profile = self.default_profile or name
        self._write(name)

    def remove(self, name: str) -> None:
        """Forget a profile."""
        del self.profiles[name]
        if self.default_profile == name:
            self.default_profile = ""
        self._write(name)

    def use(self, name: str) -> None:
        """Make a profile the default.

        Raises:
            WrongUse: there is no such profile.
        """
        if name not in self.profiles:
            raise self._unknown(name)
        self.default_profile = name
        self._write("")

    def _write(self, changed: str) -> None:
        """Edit the file: only the default, and the section of one profile, are touched."""
        before = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
        text = _with_default(before, self.default_profile)
        if changed:
            text = _with_section(text, changed, self.profiles.get(changed))
        if not self._is_told_by(text):
            raise WrongUse(
                f"{self.file} is written in a way that transom cannot edit. Change it by hand."
            )
        write_private(self.file, text)

    def _is_told_by(self, text: str) -> bool:
        try:
            return _parsed(text, self.file) == (self.default_profile, self.profiles)
        except WrongUse:
            return False


def path(environ: Mapping[str, str]) -> Path:
    """Where the configuration file is, or would be."""
    if named := environ.get("TRANSOM_CONFIG"):
        return Path(named).expanduser()
    return _base(environ, "XDG_CONFIG_HOME", ".config", "APPDATA") / "transom" / "config.toml"


def cache(environ: Mapping[str, str]) -> Path:
    """Where what may be lost is kept."""
    return _base(environ, "XDG_CACHE_HOME", ".cache", "LOCALAPPDATA") / "transom"


def _base(environ: Mapping[str, str], variable: str, below_home: str, on_windows: str) -> Path:
    if named := environ.get(variable):
        return Path(named)
    if sys.platform == "win32" and environ.get(on_windows):
        return Path(environ[on_windows])
    return Path.home() / below_home


def load(environ: Mapping[str, str]) -> Config:
    """Read the configuration file.

    Raises:
        WrongUse: it cannot be read, or is no TOML.
    """
    file = path(environ)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config(file)
    except (OSError, UnicodeDecodeError) as failure:
        raise WrongUse(f"{file} cannot be read: {failure}.") from failure
    default, profiles = _parsed(text, file)
    config = Config(file, default, profiles)
    config.warnings += _mode_warnings(file)
    for name, values in profiles.items():
        config.warnings += (_unknown_key(key, name) for key in values if key not in KEYS)
    if default and default not in profiles:
        config.warnings.append(f'default_profile names "{default}", which is not in {file}.')
        config.default_profile = ""
    return config


def known_key(key: str) -> str:
    """The key, if a profile may have it.

    Raises:
        WrongUse: it may not; the nearest is proposed.
    """
    if key not in KEYS:
        raise WrongUse(f"{_unknown_key(key)} A profile has {', '.join(KEYS)}.")
    return key


def _unknown_key(key: str, name: str = "") -> str:
    near = difflib.get_close_matches(key, KEYS, n=1)
    where = f" in profile {name}" if name else ""
    return f'There is no setting "{key}"{where}.' + (f" Did you mean {near[0]}?" if near else "")


def _mode_warnings(file: Path) -> list[str]:
    if os.name != "posix" or not file.stat().st_mode & _MODE_OTHERS:
        return []
    return [f"Others can read {file}. Run: chmod 600 {file}"]


def _laid_over(values: dict[str, Value], over: dict[str, Value]) -> dict[str, Value]:
    """What is over beats what is below; another address takes along all that belonged to the old.

    Else a secret could go to the token service of one server for a command meant for another.
    """
    if "url" in over or "preset" in over:
        below = {key: value for key, value in values.items() if key not in _OF_THE_SERVER}
        below.pop("url", None)
        return below | over
    return values | over


def _parsed(text: str, file: Path) -> tuple[str, dict[str, dict[str, str]]]:
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise WrongUse(f"{file} is no TOML: {wrong}.") from wrong
    sections = found.get("profile", {})
    if not isinstance(sections, dict) or not all(
        isinstance(each, dict) for each in sections.values()
    ):
        raise WrongUse(f"{file}: a profile is a section like [profile.prod].")
    profiles = {
        name: {key: str(value) for key, value in values.items()}
        for name, values in sections.items()
    }
    return str(found.get("default_profile", "")), profiles


# --- writing TOML --------------------------------------------------------------------------------
# The standard library only reads it. What we write is strings under plain keys; comments and
# everything else in the file stay, line by line.


def _with_default(text: str, name: str) -> str:
    """The file's text with this default profile."""
    lines = _LINE.findall(text)
    end = next((at for at, line in enumerate(lines) if _SECTION.match(line)), len(lines))
    top = [line for line in lines[:end] if not re.match(r"\s*default_profile\s*=", line)]
    line = [f"default_profile = {_string(name)}\n"] if name else []
    return "".join([*line, *([] if top or not line else ["\n"]), *top, *lines[end:]])


def _with_section(text: str, name: str, values: Mapping[str, str] | None) -> str:
    """The file's text with this section of a profile, or without it."""
    lines = _LINE.findall(text)
    head = re.compile(rf"\s*\[\s*profile\s*\.\s*\"?{re.escape(name)}\"?\s*\]")
    start = next((at for at, line in enumerate(lines) if head.match(line)), None)
    made = _section(name, values) if values is not None else []
    if start is None:
        return "".join([*lines, *(["\n"] if lines and lines[-1].strip() else []), *made])
    end = start + 1
    while end < len(lines) and not _SECTION.match(lines[end]):
        end += 1
    kept = [line for line in lines[start + 1 : end] if line.lstrip().startswith("#")]
    after = ["\n"] if end < len(lines) and made else []
    return "".join([*lines[:start], *made, *(kept if made else []), *after, *lines[end:]])


def _section(name: str, values: Mapping[str, str]) -> list[str]:
    return [f"[profile.{name}]\n", *(f"{key} = {_string(text)}\n" for key, text in values.items())]


def _string(text: str) -> str:
    """A basic string of TOML: JSON's escapes are a part of its own, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_private(file: Path, text: str) -> None:
    """Write a file whole or not at all, for its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(fresh, flags, _MODE_PRIVATE), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
