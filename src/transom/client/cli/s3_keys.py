"""s3-credentials and s3-config: what S3 tools need to work with an exchange.

A profile of AWS's tools names a command that prints keys (credential_process): they call it when
they need keys, and again when those have expired, so that nothing secret is written anywhere.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transom.client.cli import connection, places
from transom.client.cli.config import Resolved, write_private
from transom.client.cli.connection import Desk
from transom.client.cli.exits import WrongUse
from transom.client.errors import NotThere, ServerFault
from transom.client.presets import PRESETS

if TYPE_CHECKING:
    from transom.client import TransferToken

_ENDPOINT: Final = re.compile(
    r"https?://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
_REGION_OF_FINRA: Final = "us-east-1"
_PROCESS: Final = "credential_process"


def credentials(at: Desk, application: str, chosen: str) -> None:
    """Print temporary keys for one application, in the format that was chosen."""
    written = chosen or ("json" if at.shared.for_machines else "env")
    if written not in _WRITERS:
        raise WrongUse(f"In which format? Use {', '.join(_WRITERS)}.")
    resolved = at.resolved()
    path = _application(application, resolved)
    with connection.connected(at, resolved) as client:
        token = client.transfer_token(path)
    at.screen.row(_WRITERS[written](token))
    if at.screen.is_watched and written != _PROCESS:
        at.screen.note(
            f"Secret, and good until {token.expires_at.astimezone(at.screen.zone):%H:%M}."
        )


def configuration(at: Desk, application: str, *, written: bool) -> None:
    """Print a profile for ~/.aws/config, or have it written there."""
    resolved = at.resolved()
    path = _application(application, resolved)
    door = _door(at, resolved)
    name = f"transom-{resolved.name or 'server'}-{path.rpartition('/')[2]}"
    text = _profile(name, path, door, resolved)
    if written:
        file = Path(os.environ.get("AWS_CONFIG_FILE") or Path.home() / ".aws" / "config")
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        write_private(file, _placed(before, name, text))
        at.screen.note(f"The profile {name} is in {file}.")
        return
    if at.shared.for_machines:
        facts = {"endpoint": door.endpoint, "region": door.region, "bucket": door.bucket}
        at.screen.document({"profile": name, **facts, "settings": text})
        return
    at.screen.row(text.rstrip("\n"))


def _application(text: str, resolved: Resolved) -> str:
    if not text:
        raise WrongUse("For which application? Name it: org/application, like 0001/r4530.")
    return places.application(text, resolved["org"])


# --- formats of keys -----------------------------------------------------------------------------


def _environment(token: TransferToken) -> str:
    """Lines for a POSIX shell."""
    variables = {
        "AWS_ACCESS_KEY_ID": token.access_key_id,
        "AWS_SECRET_ACCESS_KEY": token.secret,
        "AWS_SESSION_TOKEN": token.session_token,
        "AWS_REGION": token.region,
        "AWS_DEFAULT_REGION": token.region,
    }
    if token.endpoint:
        variables["AWS_ENDPOINT_URL_S3"] = token.endpoint
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def _whole(token: TransferToken) -> str:
    """All that the server tells."""
    return json.dumps(token.raw, indent=2)


def _process(token: TransferToken) -> str:
    """What AWS's tools take from a program: "Sourcing credentials with an external process"."""
    expires_at = token.expires_at.astimezone(UTC)
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": token.access_key_id,
            "SecretAccessKey": token.secret,
            "SessionToken": token.session_token,
            "Expiration": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
        }
    )


_WRITERS: Final[Mapping[str, Callable[[TransferToken], str]]] = {
    "env": _environment,
    "json": _whole,
    _PROCESS: _process,
}


# --- the profile ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Door:
    """Where a server takes S3. `endpoint` "" is AWS's; `bucket` "" is told with a token only."""

    endpoint: str
    region: str
    bucket: str
    is_path_style: bool


def _door(at: Desk, resolved: Resolved) -> Door:
    """Where the profile's server takes S3.

    Raises:
        NotThere: nowhere.
    """
    from transom.client.server import about  # noqa: PLC0415 - HTTP is loaded only when it is used

    aws = Door("", _REGION_OF_FINRA, "", is_path_style=False)
    if resolved["preset"] in PRESETS and not resolved["url"]:
        return aws
    with at.screen.awaiting(connection.host(resolved)):
        told = about(resolved.address, ca_file=resolved.ca_file)
    if not told:  # a server of the guide that tells nothing of itself
        return aws
    s3 = told.get("s3")
    if not isinstance(s3, Mapping):
        raise NotThere(f"{connection.host(resolved)} takes no S3.")
    return _read(s3)


def _read(told: Mapping[str, Any]) -> Door:
    """What a server says of its S3; none of it may carry more than an address and two names."""
    endpoint, region, bucket = (told.get(name) for name in ("endpoint", "region", "bucket"))
    if not isinstance(endpoint, str) or not _ENDPOINT.fullmatch(endpoint):
        raise ServerFault("The server tells an endpoint for S3 that cannot be one.")
    for word in (region, bucket):
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            raise ServerFault("The server tells a region or bucket that cannot be one.")
    return Door(endpoint, str(region), str(bucket), told.get("forcePathStyle") is not False)


def _placed(before: str, name: str, text: str) -> str:
    """A configuration file with this profile at its end, and no other of its name."""
    next_section = r"(?=^(?:#[^\n]*\n)*\[|\Z)"  # with the remarks right above it
    own = re.compile(
        rf"^\[profile {re.escape(name)}\][ \t]*$.*?{next_section}", re.MULTILINE | re.DOTALL
    )
    rest = own.sub("", before).rstrip("\n")
    made = text.partition("\n")[2]  # without the remark on where to put it
    return f"{rest}\n\n{made}" if rest else made


def _profile(name: str, path: str, door: Door, resolved: Resolved) -> str:
    command = ["transom", "s3-credentials", path, "--format", _PROCESS, "--no-input"]
    if resolved.name:
        command += ["--profile", resolved.name]
    bucket = door.bucket or "BUCKET"
    lines = [
        f"# Append to ~/.aws/config, then: aws s3 ls s3://{bucket}/{path}/ --profile {name}",
        f"[profile {name}]",
        f"region = {door.region}",
        f"credential_process = {shlex.join(command)}",
    ]
    if door.endpoint:
        lines.append(f"endpoint_url = {door.endpoint}")
    if resolved.ca_file is not None:
        lines.append(f"ca_bundle = {resolved.ca_file}")
    # Without the second, tools pre-sign for other endpoints than AWS's in a way that is long dead.
    lines += ["s3 =", *(["    addressing_style = path"] if door.is_path_style else [])]
    lines.append("    signature_version = s3v4")
    return "\n".join(lines) + "\n"
