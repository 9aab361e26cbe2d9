"""What is told of an account: lines for people, documents for machines; never a secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

from transom.core.register import (
    EVERY_UNKNOWN_SOURCE,
    AccountRecord,
    AccountState,
    Closing,
    Registered,
)
from transom.domain.identity import AccountKey
from transom.server.admin.entitlements import place_of
from transom.server.admin.keys import key_document, told
from transom.server.printing import instant, moment

STATES: Final = {
    AccountState.ACTIVE: "active",
    AccountState.DISABLED: "disabled",
    AccountState.ORGANIZATION_DISABLED: "organization disabled",
    AccountState.ENDED: "ended",
}


def lines(found: AccountRecord, zone: ZoneInfo) -> list[tuple[str, Sequence[str]]]:
    """An account, fact by fact."""
    account, principal, home = found.account, found.account.principal, found.organization
    rights = [f"{each.level} in {place_of(each)}" for each in found.entitlements]
    closed = [
        f"closed for {_who(each)} until {moment(each.until, zone)}" for each in found.closings
    ]
    keys = [_key(each, zone) for each in found.keys]
    org_networks = [f"of its organization: {each}" for each in principal.org_networks]
    made = f", made {moment(found.secrets[0], zone)}" if found.secrets else ""
    seen = moment(found.last_sign_in, zone)
    return [
        ("organization", [f"{home.name} ({home.id})" if home else principal.home_org]),
        ("kind", [principal.kind]),
        ("state", [STATES[account.state]]),
        ("ends", [moment(principal.ends_at, zone) or "no end set"]),
        ("networks", [*principal.networks, *org_networks] or ["anywhere"]),
        ("live secrets", [f"{len(found.secrets)}{made}"]),
        ("keys", keys or ["none"]),
        ("last sign-in", [f"{seen}, to the hour" if seen else "none in 30 days"]),
        ("sign-in", closed or ["open"]),
        ("entitlements", rights or ["none"]),
        ("temporary names", ["held until renamed" if found.holds else "no meaning"]),
        ("since", [moment(account.created_at, zone)]),
    ]


def _key(key: AccountKey, zone: ZoneInfo) -> str:
    ends, used = moment(key.ends_at, zone), moment(key.last_used_at, zone)
    facts = [key.key.algorithm, ends and f"ends {ends}", f"used {used}" if used else "never used"]
    return f"{told(key)}: {', '.join(each for each in facts if each)}"


def _who(closing: Closing) -> str:
    everybody = closing.source == EVERY_UNKNOWN_SOURCE
    return "every source that never signed in" if everybody else closing.source


def registered(found: Registered) -> dict[str, object]:
    """An account as lists and changes tell it."""
    principal = found.principal
    return {
        "account": principal.name,
        "kind": principal.kind,
        "org": principal.home_org,
        "state": found.state,
        "endsAt": instant(principal.ends_at),
        "networks": list(principal.networks),
        "createdAt": instant(found.created_at),
    }


def record(found: AccountRecord) -> dict[str, object]:
    """Everything that is known of an account."""
    return registered(found.account) | {
        "orgName": found.organization.name if found.organization else None,
        "unwrapForms": found.account.principal.unwrap_forms,
        "orgNetworks": list(found.account.principal.org_networks),
        "secrets": [{"createdAt": instant(at)} for at in found.secrets],
        "keys": [key_document(each) for each in found.keys],
        "temporaryNames": found.holds,
        "lastSignIn": instant(found.last_sign_in),
        "signInClosed": [
            {"source": each.source, "until": instant(each.until)} for each in found.closings
        ],
        "entitlements": [
            {
                "place": place_of(each),
                "org": each.org or None,
                "application": each.application,
                "subSpace": each.sub_space or None,
                "level": each.level,
            }
            for each in found.entitlements
        ],
    }
