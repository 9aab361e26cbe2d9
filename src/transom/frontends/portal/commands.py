"""Ready commands for a place or a file: what to type in a terminal, with this site's addresses."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from transom.domain.names import Place

_SIGN_IN = """\
TOKEN=$(curl -fsS -X POST -u ACCOUNT '{token}?grant_type=client_credentials' | jq -r .access_token)
"""
_UPLOAD = """\
URL=$(curl -fsS -X PUT -H "Authorization: Bearer $TOKEN" {file} | jq -r .preSignedUrl)
curl -fsS -T FILE "$URL\""""
_DOWNLOAD = """\
URL=$(curl -fsS -H "Authorization: Bearer $TOKEN" {file} | jq -r .preSignedUrl)
curl -fsS -o {name} "$URL\""""
_LIST = 'curl -fsS -H "Authorization: Bearer $TOKEN" {place}'


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the other doors are; what is empty is not offered."""

    rest: str = ""
    token: str = ""
    sftp_host: str = ""
    sftp_port: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """What to type, and the program that it is for."""

    program: str
    text: str


def to_upload(doors: Doors, place: Place) -> list[Command]:
    """How to send FILE to a place."""
    put = f"echo 'put FILE /{place}/' | {_sftp(doors)}"
    file = shlex.quote(f"{doors.rest}/files/{place}/FILE")
    curl = _SIGN_IN.format(token=doors.token) + _UPLOAD.format(file=file)
    return _offered(doors, f"transom put FILE {place} --wait", curl, put)


def to_list(doors: Doors, place: Place) -> list[Command]:
    """How to see what is at a place."""
    listed = _LIST.format(place=shlex.quote(f"{doors.rest}/files/{place}"))
    curl = _SIGN_IN.format(token=doors.token) + listed
    return _offered(doors, f"transom ls {place}", curl, f"{_sftp(doors)}:/{place}")


def to_download(doors: Doors, place: Place, name: str) -> list[Command]:
    """How to fetch a file."""
    file = shlex.quote(f"{doors.rest}/files/{place}/{name}")
    fetched = _DOWNLOAD.format(file=file, name=shlex.quote(f"./{name}"))
    curl = _SIGN_IN.format(token=doors.token) + fetched
    path = shlex.quote(f"{place}/{name}")
    return _offered(
        doors, f"transom get {path}", curl, f"{_sftp(doors)}:{shlex.quote(f'/{place}/{name}')}"
    )


def _offered(doors: Doors, transom: str, curl: str, sftp: str) -> list[Command]:
    found = [Command("transom", transom)]
    if doors.rest and doors.token:
        found.append(Command("curl", curl))
    if doors.sftp_host:
        found.append(Command("sftp", sftp))
    return found


def _sftp(doors: Doors) -> str:
    return f"sftp -P {doors.sftp_port} ACCOUNT@{doors.sftp_host}"
