"""The tables.

Identity (organizations, principals, secrets, keys, grants, sign-in state) and exchange (spaces,
submissions, listings, leases, sessions) hold no foreign keys into each other: they may live under
two URLs, so that a customer-test exchange shares production's credentials (docs/decisions/0008).
`audit` and its seals exist in both.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import VARCHAR
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, kept as microseconds since the epoch on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Aware datetime in; a naive one is a defect and raises TypeError."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware UTC datetime out."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows in INTEGER only; PostgreSQL wants 64 bits said aloud.
_Sequence = BigInteger().with_variant(Integer, "sqlite")

# Listings go by name, a page at a time: the order must be that of bytes on every database.
_FileName = String(255).with_variant(VARCHAR(255, collation="C"), "postgresql")


def _id(name: str = "id") -> Column[str]:
    return Column(name, String(64), primary_key=True)


# --- identity ------------------------------------------------------------------------------------

organizations = Table(
    "organizations",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("networks", Text, nullable=False, server_default=""),  # CIDR, separated by blanks
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
)

principals = Table(
    "principals",
    metadata,
    _id(),
    Column("kind", String(16), nullable=False),
    Column("name", String(128), nullable=False, unique=True),
    Column("home_org", String(20), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("ends_at", Instant),
    Column("networks", Text, nullable=False),  # CIDR, separated by blanks
    Column("unwrap_forms", Boolean, nullable=False),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    _id(),
    Column("principal_id", String(64), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("key_id", String(32), nullable=False),  # which server key, for generated secrets
    Column("digest", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
)

keys = Table(
    "keys",
    metadata,
    Column("principal_id", String(64), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("algorithm", String(64), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("label", String(100), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant),
    Column("last_used_at", Instant),
)

grants = Table(
    "grants",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("principal_id", String(64), nullable=False, index=True),
    Column("principal_epoch", Integer, nullable=False),
    Column("org_epoch", Integer, nullable=False),
    Column("source", String(64), nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", _Sequence, primary_key=True, autoincrement=True),
    Column("name_key", String(64), nullable=False),
    Column("source_key", String(64), nullable=False),
    Column("known", Boolean, nullable=False),
    Column("at", Instant, nullable=False, index=True),
    Index("ix_sign_in_failures_name", "name_key", "at"),
)

sign_in_sources = Table(
    "sign_in_sources",
    metadata,
    Column("name_key", String(64), primary_key=True),
    Column("source_key", String(64), primary_key=True),  # "*" stands for every unknown source
    Column("succeeded_at", Instant),
    Column("closed_until", Instant),
    Column("closed_at", Instant),
    Column("closings", Integer, nullable=False),
)

rates = Table(
    "rates",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("level", Float, nullable=False),
    Column("at", Instant, nullable=False),
)

# --- identity: people ----------------------------------------------------------------------------

people = Table(
    "people",
    metadata,
    Column("principal_id", String(64), primary_key=True),
    Column("full_name", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("display", Text, nullable=False),  # JSON
    Column("last_factor", String(64), nullable=False, server_default=""),  # the last used
    Column("password_at", Instant),
    Column("codes_at", Instant),  # when the recovery codes were made
    Column("enrolled_at", Instant),
)

invitations = Table(
    "invitations",
    metadata,
    _id(),
    Column("principal_id", String(64), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("invited_by", String(128), nullable=False),
    Column("sent_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("ended_at", Instant),  # replaced, or the person was ended or reset
    Column("bounced", Text, nullable=False, server_default=""),  # what the mail server said
    Column("skipped_another", Boolean, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("principal_id", String(64), primary_key=True),
    Column("question", String(32), primary_key=True),
    Column("digest", Text, nullable=False),
)

factors = Table(
    "factors",
    metadata,
    _id(),
    Column("principal_id", String(64), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("label", String(64), nullable=False),
    Column("hint", String(32), nullable=False),
    Column("sealed", Text, nullable=False),  # the secret, number or public key
    Column("credential", String(64), unique=True),  # SHA-256 of a passkey's id
    Column("counter", BigInteger, nullable=False),  # the last one-time step, or signature count
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("principal_id", String(64), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("key_id", String(32), nullable=False),
    Column("used_at", Instant),
)

factor_periods = Table(
    "factor_periods",
    metadata,
    Column("org", String(20), primary_key=True),  # "" is everybody
    Column("kind", String(16), primary_key=True),
    Column("starts_at", Instant),
    Column("ends_at", Instant),
)

challenges = Table(
    "challenges",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("purpose", String(16), primary_key=True),  # proof, or set-up
    Column("id", String(64), nullable=False),
    Column("factor_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("sent_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False, index=True),
)

used_passkey_requests = Table(
    "used_passkey_requests",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("ends_at", Instant, nullable=False, index=True),
)

person_sessions = Table(
    "person_sessions",
    metadata,
    _id(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("principal_id", String(64), nullable=False, index=True),
    Column("principal_epoch", Integer, nullable=False),
    Column("org_epoch", Integer, nullable=False),
    Column("assurance", String(16), nullable=False),
    Column("invitation_id", String(64), nullable=False),
    Column("device_id", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("software", String(256), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False, index=True),
    Column("proven_at", Instant),
)

devices = Table(
    "devices",
    metadata,
    _id(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("principal_id", String(64), nullable=False, index=True),
    Column("software", String(256), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False, index=True),
    Column("remembered_until", Instant),  # until then the password is enough on it
)

resets = Table(
    "resets",
    metadata,
    # Wishes to let a person enrol anew, each of one administrator; it takes two.
    Column("principal_id", String(64), primary_key=True),
    Column("asked_by", String(64), nullable=False),
    Column("asked_at", Instant, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("kind", String(16), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("invitation_id", String(64), nullable=False),  # whose bounce it would be, or ""
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False, index=True),
    Column("ends_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
)

# --- exchange: spaces and entitlements -----------------------------------------------------------

applications = Table(
    "applications",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("title", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

sub_spaces = Table(
    "sub_spaces",
    metadata,
    Column("application", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("direction", String(16), nullable=False),
    Column("retention_days", Integer),
    Column("emptied", String(16), nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("may_submit", Text, nullable=False),  # kinds of organization, separated by blanks
    Column("gate", String(64), nullable=False),
)

opened_spaces = Table(
    "opened_spaces",
    metadata,
    Column("org", String(20), primary_key=True),
    Column("application", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("opened_at", Instant, nullable=False),
)

entitlements = Table(
    "entitlements",
    metadata,
    _id(),
    Column("principal_id", String(64), nullable=False),
    Column("org", String(20), nullable=False),
    Column("application", String(64), nullable=False),
    Column("sub_space", String(64), nullable=False),
    Column("level", String(16), nullable=False),
    Column("granted_at", Instant, nullable=False),
    UniqueConstraint("principal_id", "org", "application", "sub_space", "level"),
)

versions = Table(
    "versions",
    metadata,
    Column("key", String(64), primary_key=True),  # a principal's id, or "catalogue"
    Column("version", Integer, nullable=False),
)

# --- exchange: submissions, blobs, listings, leases ----------------------------------------------

REFUSED = text("state IN ('rejected', 'partially_rejected')")
WAITING = text("state = 'received'")
ANSWERED = text("answered_at IS NOT NULL")
"""What the submissions of an index have in common; SQLite takes it for these very texts only."""

submissions = Table(
    "submissions",
    metadata,
    _id("tracking_id"),
    Column("principal_id", String(64), nullable=False),
    Column("user_name", String(128), nullable=False),
    Column("home_org", String(20), nullable=False),
    Column("org", String(20), nullable=False),
    Column("application", String(64), nullable=False),
    Column("sub_space", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("method", String(16), nullable=False),
    Column("source", String(64), nullable=False),
    Column("software", String(256), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("state", String(24), nullable=False),
    Column("reason", Text, nullable=False),
    Column("gate", String(64), nullable=False),
    Column("declared_size", BigInteger),
    Column("size", BigInteger),
    Column("sha256", String(64)),
    Column("raw_size", BigInteger),
    Column("raw_sha256", String(64)),
    Column("bytes_seen", BigInteger, nullable=False),
    Column("blob_key", String(32), index=True),
    Column("archive_name", String(255)),
    Column("requested_at", Instant, nullable=False),
    Column("submitted_at", Instant, nullable=False),
    Column("alive_at", Instant),  # when its bytes were last known to come, for long uploads
    Column("held_at", Instant),
    Column("received_at", Instant),
    Column("taken_at", Instant),
    Column("answered_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Index("ix_submissions_place", "org", "application", "submitted_at", "tracking_id"),
    Index("ix_submissions_org", "org", "submitted_at", "tracking_id"),
    Index("ix_submissions_submitted", "submitted_at"),
    Index("ix_submissions_state", "state", "requested_at"),
    Index("ix_submissions_sent", "principal_id", "name", "requested_at"),
    Index("ix_submissions_updated", "updated_at"),
    # What needs somebody: answered otherwise than accepted, or not answered yet.
    Index(
        "ix_submissions_refused",
        "org",
        "answered_at",
        "application",
        "sub_space",
        sqlite_where=REFUSED,
        postgresql_where=REFUSED,
    ),
    Index(
        "ix_submissions_waiting",
        "org",
        "application",
        "received_at",
        "sub_space",
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    ),
    # How long an application takes, and whether somebody sent a name again.
    Index(
        "ix_submissions_answered",
        "org",
        "application",
        "answered_at",
        sqlite_where=ANSWERED,
        postgresql_where=ANSWERED,
    ),
    Index("ix_submissions_named", "org", "name", "requested_at"),
    # An account holds at most one upload under a name.
    Index(
        "uq_submissions_held",
        "principal_id",
        "org",
        "application",
        "sub_space",
        "name",
        unique=True,
        sqlite_where=text("state = 'held'"),
        postgresql_where=text("state = 'held'"),
    ),
)

multiparts = Table(
    "multiparts",
    metadata,
    # The submissions whose bytes come in parts, until tracking forgets them.
    _id("tracking_id"),
    Column("checksum", String(16), nullable=False),  # the algorithm that was agreed on, or ""
    Column("full_object", Boolean, nullable=False),  # whether it is over the bytes, not the parts
    Column("completed_as", String(64), nullable=False, server_default=""),  # of which parts
)

parts = Table(
    "parts",
    metadata,
    # Gone with the end of the upload.
    Column("tracking_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("blob_key", String(32), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("checksum", String(16), nullable=False),  # the algorithm of digest, or ""
    Column("digest", String(64), nullable=False),  # hexadecimal; what the sender stated
    Column("received_at", Instant, nullable=False),
)

unheld = Table(
    "unheld",
    metadata,
    # Where temporary names have no meaning: for an account, or in a sub-space; "" is any.
    Column("principal_id", String(64), primary_key=True),
    Column("application", String(64), primary_key=True),
    Column("sub_space", String(64), primary_key=True),
)

findings = Table(
    "findings",
    metadata,
    Column("tracking_id", String(64), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("record", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("text", Text, nullable=False),
)

blobs = Table(
    "blobs",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("format", Integer, nullable=False),  # 1 = plain bytes
    Column("key_id", String(32)),  # which key it is encrypted with; none yet
    Column("created_at", Instant, nullable=False),
    Column("verified_at", Instant, nullable=False, index=True),  # last read whole, digest equal
    Column("damaged_at", Instant),  # never served again
)

UNFETCHED = text("direction = 'outbound' AND ended_at IS NULL AND fetched_at IS NULL")
"""The same of results that nobody has downloaded yet."""

listings = Table(
    "listings",
    metadata,
    _id(),
    Column("direction", String(16), nullable=False),
    Column("org", String(20), nullable=False),
    Column("application", String(64), nullable=False),
    Column("sub_space", String(64), nullable=False),
    Column("name", _FileName, nullable=False),
    Column("blob_key", String(32), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("tracking_id", String(64), nullable=False, index=True),  # "" when about none
    Column("listed_at", Instant, nullable=False),
    Column("ends_at", Instant),
    Column("ended_at", Instant),
    Column("fetched_at", Instant),  # when somebody first began to download it
    Index("ix_listings_place", "org", "application", "sub_space", "name", "listed_at"),
    Index("ix_listings_listed", "listed_at"),
    # How many files a place has, and how new they are, however many it had.
    Index(
        "ix_listings_newest",
        "org",
        "application",
        "sub_space",
        "listed_at",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(
        "ix_listings_ends",
        "ends_at",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    # Results that nobody has downloaded yet.
    Index(
        "ix_listings_unfetched",
        "org",
        "ends_at",
        "application",
        "sub_space",
        sqlite_where=UNFETCHED,
        postgresql_where=UNFETCHED,
    ),
    # The archive never holds two files of one name, ended ones included.
    Index(
        "uq_listings_archive",
        "org",
        "application",
        "sub_space",
        "name",
        unique=True,
        sqlite_where=text("direction = 'archive'"),
        postgresql_where=text("direction = 'archive'"),
    ),
)

leases = Table(
    "leases",
    metadata,
    Column("tracking_id", String(64), primary_key=True),
    Column("application", String(64), nullable=False),
    Column("sub_space", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # waiting, leased, acknowledged, answered
    Column("fence", Integer, nullable=False),
    Column("holder", String(64), nullable=False),  # "" when released
    Column("claim_key", String(255), nullable=False),  # the Idempotency-Key of the claim, or ""
    Column("leased_until", Instant),
    Column("offered_at", Instant, nullable=False),
    Index("ix_leases_queue", "application", "sub_space", "state", "offered_at"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("principal_id", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request", Text, nullable=False),
    Column("tracking_id", String(64), nullable=False),
    Column("signed_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
)

sessions = Table(
    "sessions",
    metadata,
    _id(),
    Column("principal_id", String(64), nullable=False),
    Column("home_org", String(20), nullable=False),
    Column("door", String(16), nullable=False),
    Column("source", String(64), nullable=False),
    Column("crypto", Text, nullable=False),
    Column("software", String(256), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("leased_until", Instant, nullable=False, index=True),
    Index("ix_sessions_org", "home_org", "leased_until"),
)

# --- audit ---------------------------------------------------------------------------------------

PERSONAL = text("action >= 'person.' AND action < 'person/'")
"""What the entries of people's own doings have in common."""

audit = Table(
    "audit",
    metadata,
    Column("id", _Sequence, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False, index=True),
    Column("principal_id", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("object", Text, nullable=False),
    Column("tracking_id", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("detail", Text, nullable=False),  # JSON, keys sorted
    Index(
        "ix_audit_person",
        "principal_id",
        "id",
        sqlite_where=PERSONAL,
        postgresql_where=PERSONAL,
    ),
)

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=False),
    Column("audit_id", BigInteger, nullable=False, unique=True),
    Column("key_id", String(32), nullable=False),
    Column("seal", String(64), nullable=False),
)
