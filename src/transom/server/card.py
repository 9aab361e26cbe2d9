"""The card that the demo prints: where everything is, who may enter, and what to paste.

Its commands run in bash and zsh exactly as shown, with nothing but curl and Python beside them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_ACCESS = {"both": "submit and download", "download": "download only", "submit": "submit only"}
_PICK = "pick() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' \"$1\"; }"


def card(ready: dict[str, Any], data: Path, everything: str) -> str:
    """The text of the card, from what the ready file holds.

    data is the demo's directory; everything names the account with the guide's whole catalogue.
    """
    first = ready["accounts"][0]["user"]
    lines = [
        "Transom demo: a whole exchange, for this machine only. Ctrl-C stops it.",
        "",
        f"REST API    {ready['rest']}",
        f"Tokens      {ready['token_url']}",
        f"S3          {ready['s3']['endpoint']}   bucket {ready['s3']['bucket']}, and signed URLs",
        f"SFTP        sftp -P {ready['sftp']['port']} {first}@{ready['sftp']['host']}",
        f"Portal      {ready['portal']}   for people; what it sends: /sandbox/inbox",
        *([f"Authority   {ready['ca']}"] if ready["ca"] else []),
        f"Data        {data}   kept between starts",
        f"Afresh      stop it, then: rm -r {shlex.quote(str(data))}",
        "",
        "USER        ORG   MAY                    PASSWORD",
        *(_row(account, everything) for account in ready["accounts"]),
        "",
        "* to be locked out: try wrong passwords on this one",
        "+ in every application of the guide's section 9 too; the others in app1 and app2,",
        f"  {ready['accounts'][0]['user']} in r4530 as well, which judges Rule 4530 filings",
        *_mine(ready),
        "",
        *_people(ready),
        "",
        "Paste this: a token, a folder, a file up, where it stands, and the application's answer.",
        "",
        *_commands(ready),
    ]
    return "\n".join(["", *(f"  {line}".rstrip() for line in lines), ""])


def _row(account: dict[str, Any], everything: str) -> str:
    mark = " *" if account["lockout"] else " +" if account["user"] == everything else ""
    may = _ACCESS[account["access"]] + mark
    return f"{account['user']:<11} {account['org']:<5} {may:<22} {account['password']}"


def _people(ready: dict[str, Any]) -> Iterator[str]:
    """Who may sign in at the portal, with the key for an authenticator app."""
    head = ("PERSON", "ORG", "ROLE", "PASSWORD", "KEY FOR CODES")
    yield "{:<31} {:<4} {:<13} {:<14} {}".format(*head)
    for each in ready["people"]:
        who, org, role = each["email"], each["org"], each["role"].removeprefix("firm ")
        yield f"{who:<31} {org:<4} {role:<13} {each['password']:<14} {each['totp_secret']}"


def _mine(ready: dict[str, Any]) -> Iterator[str]:
    """The accounts of the applications that the developer connects himself."""
    for each in ready.get("applications", ()):
        yield ""
        yield f"Application {each['application']} waits for your own program:"
        yield f"user {each['user']}, password {each['password']}"


def _commands(ready: dict[str, Any]) -> Iterator[str]:
    first = ready["accounts"][0]
    folder = f"$REST/files/{first['org']}/app1"
    if ready["ca"]:
        yield f"export CURL_CA_BUNDLE={shlex.quote(ready['ca'])}"
    yield f"REST={ready['rest']}"
    yield _PICK
    yield f"TOKEN=$(curl -sS -X POST -u {first['user']}:{first['password']} \\"
    yield f'  "$REST{_token_path(ready)}?grant_type=client_credentials" \\'
    yield "  | pick access_token)"
    yield 'AUTH="Authorization: Bearer $TOKEN"'
    yield f'curl -sS -H "$AUTH" {folder} | python3 -m json.tool'
    yield ""
    yield "echo hello > hello.csv"
    yield f'UPLOAD=$(curl -sS -H "$AUTH" -X PUT {folder}/in/hello.csv)'
    yield 'ID=$(echo "$UPLOAD" | pick trackingId)'
    yield 'curl -sS -T hello.csv "$(echo "$UPLOAD" | pick preSignedUrl)"'
    yield "sleep 1"
    yield 'curl -sS -H "$AUTH" "$REST/tracking?id=$ID" | python3 -m json.tool'
    yield ""
    yield f'curl -sS -H "$AUTH" {folder}/out | python3 -m json.tool'
    yield f'RESULT=$(curl -sS -H "$AUTH" {folder}/out/${{ID%%-*}}_hello.csv.txt)'
    yield 'curl -sS "$(echo "$RESULT" | pick preSignedUrl)"'


def _token_path(ready: dict[str, Any]) -> str:
    return urlsplit(str(ready["token_url"])).path
