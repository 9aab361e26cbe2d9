"""The wiring diagram: settings in, an exchange out. Its doors are hung in program.py.

The only place that names concrete classes of the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from transom.blobs.disk import DiskBlobs
from transom.core.administration import Administration
from transom.core.attention import Attention
from transom.core.bodies import Bodies
from transom.core.browse import Browse
from transom.core.doorbell import Doorbell
from transom.core.downloads import Downloads
from transom.core.exchange import Exchange
from transom.core.grants import Mint, Rate, Tokens
from transom.core.guessing import Alerts
from transom.core.handoff import HandOff
from transom.core.keyring import KeyRing, ServerKey
from transom.core.multipart import Multiparts
from transom.core.news import News
from transom.core.passwords import Argon2Cost, Passwords
from transom.core.people.services import People
from transom.core.present import PresentBook
from transom.core.publishing import Publishing
from transom.core.retention import Retention
from transom.core.rights import RightsBook
from transom.core.scrub import Scrub
from transom.core.sealing import Sealer
from transom.core.sessions import ConnectionLimits, Sessions
from transom.core.sign_in import SignIn
from transom.core.signed_urls import Endpoint, SignedUrls
from transom.core.tools import Keeping, Tools
from transom.core.tracking import Tracking
from transom.core.transfer_tokens import TransferTokens
from transom.core.uploads import Uploads
from transom.ports import BlobStore, Clock, Entropy, Messenger
from transom.records import spaces
from transom.records.database import Database
from transom.server.people import people_services
from transom.server.sections import read_keys
from transom.server.settings import Settings


@dataclass(frozen=True, slots=True)
class Databases:
    """The exchange's database and the identities'; often one and the same object."""

    exchange: Database
    identity: Database

    def each(self) -> tuple[Database, ...]:
        """Every database once."""
        return tuple(dict.fromkeys((self.exchange, self.identity)))

    def dispose(self) -> None:
        """Close every connection."""
        for database in self.each():
            database.dispose()


def connect(settings: Settings) -> Databases:
    """Open the databases; nothing is read yet."""
    size = settings.database.pool_size
    exchange = Database(settings.database.sqlalchemy_url(), pool_size=size)
    url = settings.database.identity_sqlalchemy_url()
    same = url == settings.database.sqlalchemy_url()
    return Databases(exchange, exchange if same else Database(url, pool_size=size))


def key_ring(settings: Settings) -> KeyRing:
    """The keys that sign URLs, and seal transfer tokens and the exchange's audit trail."""
    return _ring(settings.keys.file)


def identity_key_ring(settings: Settings) -> KeyRing:
    """The keys that hash secrets and tokens and seal the identities' audit trail."""
    return _ring(settings.keys.identity_file or settings.keys.file)


def sealers(settings: Settings, databases: Databases) -> tuple[Sealer, ...]:
    """One sealer per database, each with the keys of all exchanges that share it."""
    exchange = Sealer(databases.exchange, key_ring(settings))
    if databases.identity is databases.exchange:
        return (exchange,)
    return (exchange, Sealer(databases.identity, identity_key_ring(settings)))


def build_exchange(
    settings: Settings,
    databases: Databases,
    clock: Clock,
    entropy: Entropy,
    cost: Argon2Cost | None = None,
    messenger: Messenger | None = None,
) -> Exchange:
    """The use cases over real records and real bytes.

    `messenger` carries messages to people in place of those that the settings name.
    """
    root = settings.blobs.root
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    tools = Tools(
        databases.exchange,
        DiskBlobs(root, entropy),
        clock,
        entropy,
        Doorbell(),
        Keeping(
            ZoneInfo(settings.exchange.time_zone),
            settings.exchange.archive_days,
            settings.exchange.tracking_days,
            settings.blobs.max_file_bytes,
        ),
    )
    passwords = Passwords(identity_key_ring(settings), cost or Argon2Cost())
    people = people_services(
        settings,
        databases.identity,
        identity_key_ring(settings),
        passwords,
        (clock, entropy),
        messenger,
    )
    return _services(settings, tools, databases, passwords, people)


def _services(
    settings: Settings, tools: Tools, databases: Databases, passwords: Passwords, people: People
) -> Exchange:
    identity, identity_keys = databases.identity, identity_key_ring(settings)
    rights = RightsBook(identity, databases.exchange, tools.clock, settings.exchange.archive_days)
    sign_in = SignIn(identity, passwords, tools.clock)
    limits = settings.limits
    rate = Rate(limits.token_grants_per_second, limits.token_grants_burst)
    mint = Mint(identity_keys, tools.clock, tools.entropy, rate)
    tokens = Tokens(identity, sign_in, rights, mint)
    present = PresentBook(identity, rights, tools.clock)
    endpoint = Endpoint(settings.s3.public_url, settings.s3.region, settings.s3.bucket)
    uploads = Uploads(tools, settings.sftp.suffixes)
    return Exchange(
        sign_in=sign_in,
        tokens=tokens,
        sessions=Sessions(
            tools, ConnectionLimits(limits.connections_per_account, limits.connections_per_org)
        ),
        signed_urls=SignedUrls(key_ring(settings), endpoint, tokens, tools.clock),
        transfer_tokens=TransferTokens(key_ring(settings), endpoint, identity, present, mint),
        browse=Browse(tools),
        uploads=uploads,
        bodies=Bodies(uploads, unwrap_forms=settings.exchange.unwrap_form_uploads),
        multiparts=Multiparts(tools, uploads),
        downloads=Downloads(tools),
        tracking=Tracking(tools),
        attention=Attention(tools),
        news=News(tools),
        handoff=HandOff(tools),
        publishing=Publishing(tools, identity),
        retention=Retention(tools, identity),
        scrub=Scrub(tools),
        sealers=sealers(settings, databases),
        alerts=Alerts(identity),
        administration=Administration(tools, identity, passwords),
        people=people,
        check=_Check(databases, tools.blobs),
    )


@dataclass(frozen=True, slots=True)
class _Check:
    """The readiness check: records and bytes answer."""

    databases: Databases
    blobs: BlobStore

    def __call__(self) -> None:
        """Write a row and a small file; raises Unavailable or StorageFull when that fails."""
        for database in self.databases.each():
            with database.transaction() as tx:
                spaces.bump(tx, "ready")
        self.blobs.check()


def _ring(path: Any) -> KeyRing:
    return KeyRing([ServerKey(key.id, key.secret) for key in read_keys(path)])
