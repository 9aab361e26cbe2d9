"""transom-server admin account key."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from transom.domain.errors import BadParameter
from transom.domain.identity import AccountKey, PublicKey
from transom.server.admin.options import parse_day
from transom.server.opening import Config, open_exchange, operator
from transom.server.printing import AsJson, document, done, instant, moment, table

key = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Public keys with which it signs in by SFTP."
)

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's user name.")]

_MOST_BYTES = 64 << 10


@key.command("add")
def key_add(
    name: AccountName,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Its .pub file; - for standard input.")
    ],
    config: Config,
    label: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What to call it, instead of the comment in the file."),
    ] = None,
    until: Annotated[
        date | None,
        typer.Option(metavar="DATE", parser=parse_day, help="Its last day; without it none."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Let an account sign in with a public key too.

    A file of OpenSSH: ed25519, ECDSA, RSA of at least 2048 bits, and security keys. May be
    repeated: the same one changes nothing, with another label or end it is refused.
    """
    offered, comment = _read(file)
    with open_exchange(config) as exchange:
        admin = exchange.administration
        ends_at = None if until is None else admin.end_of(until)
        called = comment if label is None else label
        is_new = admin.add_key(operator(), name, offered, called, ends_at)
        added = _one(admin.keys(name), offered.fingerprint)
    if as_json:
        document(key_document(added) | {"changed": is_new})
    done(f"Account {name} has key {told(added)}{'' if is_new else ' already'}.")


def _read(file: Path) -> tuple[PublicKey, str]:
    """A key and the comment behind it."""
    try:
        if file == Path("-"):
            text = sys.stdin.read(_MOST_BYTES)
        else:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(_MOST_BYTES)
        comment = text.split(None, 2)[2:]
        return PublicKey.parse(text), "".join(comment).strip()
    except (OSError, UnicodeDecodeError) as wrong:
        why = "is no text" if isinstance(wrong, UnicodeDecodeError) else str(wrong.strerror)
        raise typer.BadParameter(f"{file}: {why}", param_hint="FILE") from None
    except BadParameter as wrong:
        raise typer.BadParameter(f"{file}: {wrong.why}", param_hint="FILE") from None


@key.command("list")
def key_list(name: AccountName, config: Config, *, as_json: AsJson = False) -> None:
    """List an account's keys, those that have ended included."""
    with open_exchange(config) as exchange:
        found = exchange.administration.keys(name)
        zone = exchange.administration.zone
    if as_json:
        document([key_document(each) for each in found])
        return
    table(
        ("FINGERPRINT", "ALGORITHM", "LABEL", "ADDED", "ENDS", "LAST USED"),
        [
            (
                each.key.fingerprint,
                each.key.algorithm,
                each.label,
                moment(each.created_at, zone),
                moment(each.ends_at, zone),
                moment(each.last_used_at, zone),
            )
            for each in found
        ],
    )


@key.command("end")
def key_end(
    name: AccountName,
    fingerprint: Annotated[
        str, typer.Argument(metavar="FINGERPRINT", help="As listed: SHA256:...")
    ],
    config: Config,
    *,
    as_json: AsJson = False,
) -> None:
    """End a key at once.

    It signs in no more, and the account's sessions, tokens and signed URLs end with it. May be
    repeated.
    """
    with open_exchange(config) as exchange:
        admin = exchange.administration
        before = admin.keys(name)
        since = moment(admin.end_key(operator(), name, fingerprint), admin.zone)
        after = admin.keys(name)
    ended = _one(after, fingerprint)
    changes = before != after
    if as_json:
        document(key_document(ended) | {"changed": changes})
    if changes:
        done(
            f"Key {told(ended)} of account {name} has ended, with the account's sessions, tokens"
            " and signed URLs."
        )
    else:
        done(f"Key {told(ended)} of account {name} has ended already, at {since}.")


def _one(found: tuple[AccountKey, ...], fingerprint: str) -> AccountKey:
    return next(each for each in found if each.key.fingerprint == fingerprint)


def told(key: AccountKey) -> str:
    """A key as people tell it from another."""
    return f"{key.key.fingerprint} ({key.label})" if key.label else key.key.fingerprint


def key_document(key: AccountKey) -> dict[str, object]:
    """A key for machines."""
    return {
        "fingerprint": key.key.fingerprint,
        "algorithm": key.key.algorithm,
        "label": key.label,
        "createdAt": instant(key.created_at),
        "endsAt": instant(key.ends_at),
        "lastUsedAt": instant(key.last_used_at),
    }
