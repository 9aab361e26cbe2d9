"""sftp-config: ready settings for SFTP clients, with the server's host key pinned.

What a client would do beside the transfer, and the exchange has no use for (times, modes, resuming,
temporary names), is switched off. No password is written anywhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

from transom.client.cli import connection
from transom.client.cli.config import Resolved
from transom.client.cli.connection import Desk
from transom.client.cli.exits import WrongUse
from transom.client.errors import NotThere, ServerFault
from transom.client.presets import PRESETS

CLIENTS: Final = ("openssh", "winscp", "filezilla", "lftp")
_PORT: Final = 22
_KEY: Final = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/=]{16,4096}")
_HOST: Final = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}")


@dataclass(frozen=True, slots=True)
class Door:
    """Where a server takes SFTP; `keys` are its host keys, "ssh-ed25519 AAAA...", best first."""

    host: str
    port: int
    user: str
    keys: tuple[str, ...]

    @property
    def known_as(self) -> str:
        """As known_hosts has it."""
        return self.host if self.port == _PORT else f"[{self.host}]:{self.port}"

    @property
    def fingerprint(self) -> str:
        """Of the best key: type, and SHA-256 in base64 without padding; "" where none is told."""
        if not self.keys:
            return ""
        kind, _, blob = self.keys[0].partition(" ")
        digest = hashlib.sha256(base64.b64decode(blob)).digest()
        return f"{kind} {base64.b64encode(digest).decode().rstrip('=')}"


def run(at: Desk, client: str, key_file: str) -> None:
    """Print the settings for one client."""
    if client not in CLIENTS:
        raise WrongUse(f"For which client? Use {', '.join(CLIENTS)}.")
    resolved = at.resolved()
    door = _door(at, resolved)
    if not door.keys:
        at.screen.warn(
            f"{door.host} does not tell its host key, so none is pinned. Compare the fingerprint"
            " that your client shows with the one that the operator publishes."
        )
    name = f"transom-{resolved.name or 'server'}"
    text = _WRITERS[client](name, door, key_file)
    if at.shared.for_machines:
        at.screen.document(
            {
                "client": client,
                "host": door.host,
                "port": door.port,
                "user": door.user,
                "hostKeys": list(door.keys),
                "settings": text,
            }
        )
        return
    at.screen.row(text.rstrip("\n"))


def _door(at: Desk, resolved: Resolved) -> Door:
    """Where the profile's server takes SFTP.

    Raises:
        NotThere: it takes none.
        WrongUse: no user name is known.
    """
    from transom.client.server import about  # noqa: PLC0415 - HTTP is loaded only when it is used

    user = resolved["user"]
    if not user:
        raise WrongUse("No user name is known. Sign in once, or set TRANSOM_USER.")
    if resolved["preset"] in PRESETS and not resolved["url"]:
        return Door(str(urlsplit(resolved.address).hostname), _PORT, user, ())
    with at.screen.awaiting(connection.host(resolved)):
        told = about(resolved.address, ca_file=resolved.ca_file)
    sftp = told.get("sftp")
    if told and not isinstance(sftp, Mapping):
        raise NotThere(f"{connection.host(resolved)} takes no SFTP.")
    if not told:  # a server of the guide that tells nothing of itself
        return Door(str(urlsplit(resolved.address).hostname), _PORT, user, ())
    return _read(sftp or {}, user)


def _read(told: Mapping[str, Any], user: str) -> Door:
    """What a server says of its SFTP; none of it may carry more than a host, a port and keys."""
    host, port = told.get("host"), told.get("port")
    keys = told.get("hostKeys")
    listed = keys if isinstance(keys, Sequence) and not isinstance(keys, str) else []
    found = tuple(" ".join(str(each).split()[:2]) for each in listed)
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise ServerFault("The server tells a host for SFTP that cannot be one.")
    if not isinstance(port, int) or not 0 < port < 1 << 16:
        raise ServerFault("The server tells a port for SFTP that cannot be one.")
    if not all(map(_is_key, found)):
        raise ServerFault("The server tells a host key for SFTP that cannot be one.")
    return Door(host, port, user, found)


def _is_key(text: str) -> bool:
    if not _KEY.fullmatch(text):
        return False
    kind, _, blob = text.partition(" ")
    try:
        raw = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    return raw[4 : 4 + len(kind)] == kind.encode()


# --- one writer for each client ------------------------------------------------------------------


def _ssh_options(door: Door, key_file: str) -> list[tuple[str, str]]:
    by_key = bool(key_file)
    options = [
        ("PreferredAuthentications", "publickey" if by_key else "password"),
        ("PubkeyAuthentication", "yes" if by_key else "no"),
        ("ForwardAgent", "no"),
        ("ForwardX11", "no"),
        ("ServerAliveInterval", "30"),
    ]
    if by_key:
        options += [("IdentityFile", key_file), ("IdentitiesOnly", "yes")]
    if door.keys:
        # KnownHostsCommand (OpenSSH 8.5) brings the pinned keys without a file of their own.
        kinds = ",".join(_algorithms(door.keys))
        lines = r"\n".join(f"{door.known_as} {key}" for key in door.keys)
        options += [
            ("StrictHostKeyChecking", "yes"),
            ("UserKnownHostsFile", "none"),
            ("GlobalKnownHostsFile", "none"),
            ("HostKeyAlgorithms", kinds),
            ("KnownHostsCommand", f'/usr/bin/printf "{lines}\\n"'),
        ]
    return options


def _algorithms(keys: Sequence[str]) -> list[str]:
    kinds = dict.fromkeys(key.partition(" ")[0] for key in keys)
    found = []
    for kind in kinds:
        found += ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]
    return found


def _openssh(name: str, door: Door, key_file: str) -> str:
    lines = [
        f"# Append to ~/.ssh/config, then: sftp {name}",
        f"Host {name}",
        f"    HostName {door.host}",
        f"    Port {door.port}",
        f"    User {_ssh_word(door.user)}",
    ]
    for option, value in _ssh_options(door, key_file):
        lines.append(f"    {option} {_ssh_word(value) if option == 'IdentityFile' else value}")
    return "\n".join(lines) + "\n"


def _ssh_word(text: str) -> str:
    return f'"{text}"' if re.search(r"\s", text) else text


def _winscp(name: str, door: Door, key_file: str) -> str:
    user = quote(door.user, safe="")
    pinned = f' -hostkey="{_winscp_key(door)}"' if door.keys else ""
    key = f' -privatekey="{key_file}"' if key_file else ""
    return (
        f"# A script for winscp.com /script=FILE: {name}. It asks for the password.\n"
        f"open sftp://{user}@{door.host}:{door.port}/{pinned}{key}\n"
        "# No times and modes, no temporary names, no resuming: the exchange needs none of them.\n"
        "option transfer binary\n"
        "put -nopreservetime -nopermissions -resumesupport=off FILE /ORG/APPLICATION/in/\n"
        "exit\n"
    )


def _winscp_key(door: Door) -> str:
    kind, _, digest = door.fingerprint.partition(" ")
    bits = {"ssh-ed25519": "255", "ecdsa-sha2-nistp256": "256", "ecdsa-sha2-nistp384": "384"}
    return f"{kind} {bits[kind]} {digest}" if kind in bits else f"{kind} {digest}"


def _filezilla(name: str, door: Door, key_file: str) -> str:
    logon = f"<Logontype>5</Logontype><Keyfile>{escape(key_file)}</Keyfile>"
    ask = "<Logontype>2</Logontype>"
    said = f"Host key: {door.fingerprint}" if door.keys else "Compare the host key at first use."
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<!-- File, Import. The queue depth of 1 keeps packets in order. -->\n"
        "<FileZilla3><Servers><Server>\n"
        f"  <Host>{escape(door.host)}</Host><Port>{door.port}</Port>\n"
        "  <Protocol>1</Protocol><Type>0</Type>\n"
        f"  <User>{escape(door.user)}</User>{logon if key_file else ask}\n"
        "  <MaximumMultipleConnections>1</MaximumMultipleConnections>\n"
        f"  <Name>{escape(name)}</Name><Comments>{escape(said)}</Comments>\n"
        "</Server></Servers></FileZilla3>\n"
    )


def _lftp(name: str, door: Door, key_file: str) -> str:
    options = " ".join(
        f"-o {shlex.quote(f'{option}={value}')}" for option, value in _ssh_options(door, key_file)
    )
    program = json.dumps(f"ssh -a -x {options}")
    user = shlex.quote(f"{door.user}{',' if key_file else ''}")
    return (
        f"# Into ~/.lftprc, or: lftp -f FILE. Then: open {name}\n"
        f"set sftp:connect-program {program}\n"
        "set sftp:auto-confirm no\n"
        "set xfer:use-temp-file no\n"
        "set ftp:use-site-chmod no\n"
        f"bookmark add {name} sftp://{quote(door.user, safe='')}@{door.host}:{door.port}\n"
        f"open -u {user} sftp://{door.host}:{door.port}\n"
    )


_WRITERS: Final[Mapping[str, Callable[[str, Door, str], str]]] = {
    "openssh": _openssh,
    "winscp": _winscp,
    "filezilla": _filezilla,
    "lftp": _lftp,
}
