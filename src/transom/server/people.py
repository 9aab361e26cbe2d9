"""The services for people, from settings: their rules, and who carries their messages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from transom.core.keyring import KeyRing
from transom.core.passwords import Passwords
from transom.core.people.kit import Kit
from transom.core.people.letters import Letters
from transom.core.people.post import Post
from transom.core.people.rules import Rules
from transom.core.people.services import People, people_of
from transom.core.people.vault import Vault
from transom.frontends.portal import language
from transom.messages.gateway import GatewayMessenger, Provider
from transom.messages.nowhere import Nowhere
from transom.messages.smtp import SmtpMessenger, SmtpServer
from transom.ports import Clock, Entropy, Messenger
from transom.records.database import Database
from transom.server.settings import Settings


def messenger_of(settings: Settings) -> Messenger:
    """Whoever carries messages: the mail server, and the gateway for codes by phone where set."""
    mail, gateway = settings.mail, settings.gateway
    carrier: Messenger = Nowhere()
    if mail.host is not None:
        password = _secret(mail.password_file)
        carrier = SmtpMessenger(
            SmtpServer(mail.host, mail.port, mail.sender, mail.security, mail.user, password)
        )
    if gateway.url is None:
        return carrier
    account, sender = gateway.account or "", gateway.sender or ""  # the loader has required them
    provider = Provider(gateway.url, account, _secret(gateway.token_file) or "", sender)
    return GatewayMessenger(provider, carrier)


def rules_of(settings: Settings) -> Rules:
    """The operator's choices."""
    chosen = settings.people
    return Rules(
        url=settings.portal.public_url or "http://localhost",
        questions=chosen.questions,
        invitation_life=timedelta(hours=chosen.invitation_hours),
        idle=timedelta(minutes=chosen.idle_minutes),
        session_life=timedelta(hours=chosen.session_hours),
        remember=timedelta(hours=chosen.remember_hours),
        countries=chosen.phone_countries,
    )


def people_services(
    settings: Settings,
    identity: Database,
    keys: KeyRing,
    passwords: Passwords,
    chance: tuple[Clock, Entropy],
    messenger: Messenger | None = None,
) -> People:
    """The services; `messenger` in place of those of the settings."""
    clock, entropy = chance
    vault, rules = Vault(keys, entropy), rules_of(settings)
    post = Post(identity, messenger or messenger_of(settings), vault, clock, entropy)
    letters = Letters(rules, ZoneInfo(settings.exchange.time_zone), language.in_language)
    return people_of(Kit(identity, passwords, clock, entropy, vault, post, letters, rules))


def _secret(file: Path | None) -> str | None:
    return None if file is None else file.read_text(encoding="utf-8").strip()
