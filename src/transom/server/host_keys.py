"""The SSH host keys: made at the first start, shown to the operator, rotated with an overlap.

One file for each kind, in OpenSSH's own form, mode 0600. A rotation makes the next keys beside
those in use; the server announces both (hostkeys-00@openssh.com), so that clients which keep up
know the new ones before they are used. Finishing it puts them into use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

from transom.server.failures import BadHostKeys

KINDS: Final = ("ed25519", "ecdsa", "rsa")
_MAKING: Final = {
    "ed25519": ("ssh-ed25519", {}),
    "ecdsa": ("ecdsa-sha2-nistp256", {}),
    "rsa": ("ssh-rsa", {"key_size": 3072}),
}
_NEXT: Final = ".next"


@dataclass(frozen=True, slots=True)
class HostKey:
    """One key: its kind, the file it is in, and whether it is in use or announced."""

    kind: str
    file: Path
    key: asyncssh.SSHKey

    @property
    def is_next(self) -> bool:
        """Whether it is announced, and not in use yet."""
        return self.file.name.endswith(_NEXT)

    @property
    def line(self) -> str:
        """As known_hosts has it, without the host: algorithm and key."""
        return " ".join(self.key.export_public_key().decode("ascii").split()[:2])

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l prints it."""
        return self.key.get_fingerprint()


@dataclass(frozen=True, slots=True)
class HostKeyDirectory:
    """The directory that the keys are in."""

    root: Path

    def ensure(self) -> None:
        """Make the keys that are not there. May be called again.

        Raises:
            OSError: they cannot be written.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kind in KINDS:
            if not self._file(kind).exists():
                self._make(self._file(kind), kind)

    def pairs(self) -> list[asyncssh.SSHKey]:
        """Those in use, then those announced for later."""
        return [each.key for each in self.every()]

    def every(self) -> list[HostKey]:
        """Every key: those in use, then those announced for later.

        Raises:
            BadHostKeys: one is missing, can be read by others, or is not a key.
        """
        return [*self._read(""), *self._read(_NEXT)]

    def _read(self, suffix: str) -> Iterator[HostKey]:
        for kind in KINDS:
            file = self._file(kind, suffix)
            if suffix and not file.exists():
                continue
            yield HostKey(kind, file, _key_in(file))

    def begin_rotation(self) -> None:
        """Make the next keys, to be announced from the next start on.

        Raises:
            BadHostKeys: a rotation is under way already.
        """
        files = {kind: self._file(kind, _NEXT) for kind in KINDS}
        if any(file.exists() for file in files.values()):
            raise BadHostKeys("A rotation is under way. End it: host-keys rotate --finish")
        for kind, file in files.items():
            self._make(file, kind)

    def finish_rotation(self) -> None:
        """Put the next keys into use, from the next start on; the old ones are gone.

        Raises:
            BadHostKeys: no rotation is under way.
        """
        ready = [kind for kind in KINDS if self._file(kind, _NEXT).exists()]
        if not ready:
            raise BadHostKeys("No rotation is under way. Begin one: host-keys rotate")
        for kind in ready:
            self._file(kind, _NEXT).replace(self._file(kind))

    def _file(self, kind: str, suffix: str = "") -> Path:
        return self.root / f"ssh_host_{kind}_key{suffix}"

    def _make(self, file: Path, kind: str) -> None:
        algorithm, options = _MAKING[kind]
        key = asyncssh.generate_private_key(algorithm, comment="transom", **options)
        part = file.with_name(file.name + ".part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(key.export_private_key())
            out.flush()
            os.fsync(descriptor)
        part.replace(file)  # whole or not at all: a killed first start leaves no half key


def _key_in(file: Path) -> asyncssh.SSHKey:
    try:
        if file.stat().st_mode & 0o077:
            raise BadHostKeys(f"Others can read the host key {file}. Give it mode 0600.")
        return asyncssh.read_private_key(file)
    except FileNotFoundError:
        raise BadHostKeys(f"There is no host key {file}. The first start makes it.") from None
    except asyncssh.KeyImportError:
        raise BadHostKeys(f"{file} is no private key without passphrase.") from None
