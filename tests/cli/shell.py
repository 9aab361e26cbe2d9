"""The command in this process, for speed, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from transom.client.cli.main import run

COMMAND = [sys.executable, "-m", "transom.client.cli"]
KEYRING = """
import json, os
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 1

    def _load(self):
        try:
            with open(os.environ["KEYRING_FILE"]) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def _save(self, kept):
        with open(os.environ["KEYRING_FILE"], "w") as file:
            json.dump(kept, file)

    def get_password(self, service, user):
        return self._load().get(f"{service} {user}")

    def set_password(self, service, user, password):
        self._save(self._load() | {f"{service} {user}": password})

    def delete_password(self, service, user):
        kept = self._load()
        del kept[f"{service} {user}"]
        self._save(kept)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The JSON error on standard error."""
        assert self.out == ""
        return json.loads(self.err.splitlines()[-1])["error"]


@dataclass
class Shell:
    """A home directory and an environment to run the command in."""

    home: Path
    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def forget_environment(self, starts: Sequence[str]) -> None:
        for name in os.environ:
            if name.startswith(tuple(starts)):
                self.monkeypatch.delenv(name)
        self.set(
            HOME=str(self.home),
            XDG_CONFIG_HOME=str(self.home / "config"),
            XDG_CACHE_HOME=str(self.home / "cache"),
            PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring",
            LANG="C.UTF-8",
            LC_ALL="C.UTF-8",
            TZ="UTC",
        )
        self.monkeypatch.chdir(self.home)

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    def sign_in(self, url: str, user: str, secret: str, org: str = "0001") -> None:
        self.set(TRANSOM_URL=url, TRANSOM_USER=user, TRANSOM_PASSWORD=secret, TRANSOM_ORG=org)

    def with_keyring(self) -> Path:
        """Give the machine a keyring, in a file; only for processes."""
        (self.home / "filekeyring.py").write_text(KEYRING)
        kept = self.home / "keyring.json"
        self.set(
            PYTHON_KEYRING_BACKEND="filekeyring.Keyring",
            KEYRING_FILE=str(kept),
            PYTHONPATH=str(self.home),
        )
        return kept

    @property
    def config(self) -> Path:
        return self.home / "config" / "transom" / "config.toml"

    def write(self, name: str, content: bytes | str = b"content") -> Path:
        path = self.home / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def __call__(self, *arguments: str) -> Ended:
        """Run in this process. Nobody is at the terminal."""
        self.capture.readouterr()
        self.monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: PTH123, SIM115
        try:
            code = run(arguments)
        finally:
            sys.stdin.close()
        said = self.capture.readouterr()
        return Ended(code, said.out, said.err)

    def process(self, *arguments: str, typed: str | bytes = b"") -> Ended:
        """Run as a process of its own."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=typed.encode() if isinstance(typed, str) else typed,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start as a process; whoever starts it ends it."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            **options,
        )


def until(found: Callable[[], Any], seconds: float = 20) -> Any:
    """What is found once something is; asked often, for so long."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)
    return value
