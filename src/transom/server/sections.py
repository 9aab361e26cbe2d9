"""The tables of the settings file, as frozen models, and what each value may be.

A check raises ValueError, whose text completes "<setting>: ..." and never repeats the value,
because a value may hold a secret.
"""

from __future__ import annotations

import ipaddress
import os
import string
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import sqlalchemy
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
)
from sqlalchemy.exc import ArgumentError

_DRIVERS: Final = frozenset({"sqlite", "sqlite+pysqlite", "postgresql+psycopg"})
_KEY_ID: Final = frozenset(string.ascii_letters + string.digits + "._-")
_KEY_BYTES: Final = 32
_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A named key of 32 bytes. Prints as ***."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"SecretKey(id={self.id!r}, secret=***)"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a listener waits. Port 0 is any free port; the host is bare, without brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read "127.0.0.1:8443", "localhost:0" or "[::]:443". Raises ValueError."""
        host, colon, port = str(value).rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not (colon and bare and port.isascii() and port.isdigit()):
            raise ValueError('must be "host:port", for example "127.0.0.1:8443"')
        if int(port) > _HIGHEST_PORT or (":" in bare) != host.startswith("["):
            raise ValueError("has a port above 65535, or an IPv6 address without [brackets]")
        return cls(bare, int(port))

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_keys(path: Path) -> tuple[SecretKey, ...]:
    """The keys in a file of lines "id:64 hexadecimal digits", the current one first.

    Empty lines and lines that begin with # do not count. Raises ValueError, with the number of the
    line and never its content, and OSError.
    """
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    wanted = [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip()]
    keys = tuple(_key(n, line) for n, line in wanted if not line.startswith("#"))
    if not keys:
        raise ValueError("holds no key; write a line id:64 hexadecimal digits")
    if len({key.id for key in keys}) < len(keys):
        raise ValueError("gives two keys the same id")
    return keys


def _key(number: int, line: str) -> SecretKey:
    key_id, _, digits = line.partition(":")
    is_hex = len(digits) == 2 * _KEY_BYTES and set(digits) <= set(string.hexdigits)
    if not key_id or not set(key_id) <= _KEY_ID or not is_hex:
        raise ValueError(f"line {number} is not id:64 hexadecimal digits")
    return SecretKey(key_id, bytes.fromhex(digits))


def _readable(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("there is no such file")
    if not os.access(path, os.R_OK):
        raise ValueError("this user cannot read the file")
    return path


def _private(path: Path) -> Path:
    if _readable(path).stat().st_mode & 0o077:
        raise ValueError("others can read the file; give it mode 0600")
    return path


def _password_file(path: Path) -> Path:
    if not _private(path).read_text(encoding="utf-8").strip():
        raise ValueError("the file is empty")
    return path


def _keys_file(path: Path) -> Path:
    read_keys(_private(path))
    return path


def _database_url(text: str) -> str:
    try:
        url = sqlalchemy.make_url(text)
    except (ArgumentError, ValueError):  # its message repeats the text, which may hold a password
        raise ValueError("is not a database URL") from None
    if url.password is not None or "password" in url.query:
        raise ValueError("must not hold a password; put it into a file and name it: password_file")
    if url.drivername not in _DRIVERS:
        raise ValueError("must begin with sqlite:// or postgresql+psycopg://")
    return text


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    bare = f"{parts.scheme}://{parts.netloc}"
    bad_port = parts.port == 0  # reading a port beyond 65535 is a ValueError already
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or bad_port
        or "@" in parts.netloc
    ):
        raise ValueError("must begin with https:// (or http://) and a host name")
    if text.rstrip("/") != bare:
        raise ValueError("must end after the host name and port: no path, query or fragment")
    return bare


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        network = ipaddress.ip_network(str(value).strip())
    except ValueError:
        raise ValueError("is not a network such as 10.1.0.0/16") from None
    if not network.prefixlen:
        raise ValueError("would trust everybody; name the proxies")
    return network


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("is no known time zone; or else the package tzdata is missing") from None
    return name


def _listed(value: object) -> object:
    return [item for item in value.split(",") if item.strip()] if isinstance(value, str) else value


ListenAt = Annotated[Listen, PlainValidator(Listen.parse), PlainSerializer(str)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
ReadableFile = Annotated[Path, AfterValidator(_readable)]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_listed)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Suffix = Annotated[str, Field(pattern=r"^\.[A-Za-z0-9_-]{1,30}$")]


class Section(BaseModel):
    """A table of the settings file: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class DatabaseSettings(Section):
    """Where the records live."""

    url: DatabaseUrl = Field(
        description="Database of the exchange: sqlite:///file or postgresql+psycopg://user@host/name,"
        " never with a password in it."
    )
    password_file: Annotated[Path, AfterValidator(_password_file)] | None = Field(
        None, description="File with the password of both databases; mode 0600."
    )
    identity_url: DatabaseUrl | None = Field(
        None, description="Database of accounts and secrets, where it is another one than url."
    )
    pool_size: int = Field(8, ge=1, le=100, description="Connections kept open to each database.")

    def sqlalchemy_url(self) -> sqlalchemy.URL:
        """The exchange's database with its password, which prints as ***."""
        return self._with_password(self.url)

    def identity_sqlalchemy_url(self) -> sqlalchemy.URL:
        """The identities' database (the exchange's own by default) with its password."""
        return self._with_password(self.identity_url or self.url)

    def _with_password(self, text: str) -> sqlalchemy.URL:
        url = sqlalchemy.make_url(text)
        if self.password_file is None or url.get_backend_name() == "sqlite":
            return url
        return url.set(password=self.password_file.read_text(encoding="utf-8").strip())


class BlobSettings(Section):
    """Where the bytes of files rest."""

    root: Path = Field(
        description="Directory for received files; give it a file system of its own."
    )
    max_file_bytes: int | None = Field(
        None, ge=1, description="Largest file in bytes; without it the protocols' limits hold."
    )


class KeySettings(Section):
    """The keys that sign and seal."""

    file: Annotated[Path, AfterValidator(_keys_file)] = Field(
        description="Keys that sign URLs and seal the audit record: lines of id:64 hexadecimal "
        "digits, the current one first; mode 0600."
    )
    identity_file: Annotated[Path, AfterValidator(_keys_file)] | None = Field(
        None, description="Keys that hash secrets and tokens, where they differ from file."
    )


class TlsSettings(Section):
    """How a listener speaks TLS: one pair of certificate and key, or one RSA and one ECDSA pair."""

    certificate_file: ReadableFile = Field(description="Certificate with its chain, PEM.")
    key_file: ReadableFile = Field(
        description="Private key of certificate_file, PEM, no passphrase."
    )
    ecdsa_certificate_file: ReadableFile | None = Field(
        None, description="A second certificate, ECDSA, beside an RSA one."
    )
    ecdsa_key_file: ReadableFile | None = Field(
        None, description="Private key of ecdsa_certificate_file."
    )
    policy: Literal["current", "guide-2022"] = Field(
        "current",
        description="current: TLS 1.2 with ECDHE and AEAD only, and TLS 1.3. guide-2022: the "
        "guide's twelve TLS 1.2 suites, and TLS 1.3; it needs an RSA and an ECDSA pair.",
    )


class RestSettings(Section):
    """The REST door."""

    listen: ListenAt = Field(description="Address to listen at; port 0 takes any free one.")
    public_url: PublicUrl = Field(
        description="What clients call it; links in answers begin with it."
    )
    tls: TlsSettings | None = Field(None, description="TLS of the listener.")
    behind_proxy: Networks = Field(
        (), description="Networks of the proxies whose X-Forwarded-For is believed."
    )
    extra_hosts: Names = Field(
        (), description="Host names accepted in requests besides that of public_url."
    )


class TokenSettings(Section):
    """The token service."""

    listen: ListenAt | None = Field(
        None, description="Address of its own; without it the rest listener serves it."
    )
    public_url: PublicUrl | None = Field(
        None, description="What clients call it; by default the public_url of rest."
    )
    tls: TlsSettings | None = Field(None, description="TLS of the listener.")


class S3Settings(Section):
    """The S3 door."""

    listen: ListenAt = Field(description="Address to listen at; port 0 takes any free one.")
    public_url: PublicUrl = Field(
        description="The endpoint URL that S3 clients use; signed URLs begin with it."
    )
    region: str = Field(
        "us-east-1", pattern=r"^[a-z0-9-]{1,32}$", description="Region that clients sign for."
    )
    bucket: str = Field(
        "bucket-filex",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="Name of the one bucket.",
    )
    virtual_host_domain: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$",
        description="Domain below which the bucket is a host of its own, as in "
        "bucket.domain; the certificate must cover that name. Without it, path style only.",
    )
    tls: TlsSettings | None = Field(None, description="TLS of the listener.")
    behind_proxy: Networks = Field(
        (), description="Networks of the proxies whose X-Forwarded-For is believed."
    )


class SftpSettings(Section):
    """The SFTP door; without an address there is none."""

    listen: ListenAt | None = Field(
        None, description="Address to listen at; without it there is no SFTP."
    )
    host_key_directory: Path | None = Field(
        None, description="Directory of the host keys, made at the first start; mode 0700."
    )
    policy: Literal["current", "guide-2022"] = Field(
        "current",
        description="current: AES-GCM and CTR, modern key exchanges. guide-2022: the guide's lists "
        "with CBC and SHA-1, for clients that cannot be changed.",
    )
    idle_seconds: int = Field(
        900, ge=10, le=86_400, description="Seconds without a request after which a session ends."
    )
    strict: bool = Field(
        default=False,
        description="The guide's letter: attribute changes and renames are refused, and temporary "
        "suffixes mean nothing.",
    )
    temporary_suffixes: Annotated[tuple[Suffix, ...], BeforeValidator(_listed)] = Field(
        (".filepart", ".partial"),
        description="Ends of names whose uploads are held until they are renamed; [] for none.",
    )
    ignore_attributes: bool = Field(
        default=True,
        description="Answer attempts to set times or modes of one's own upload with a yes that "
        "changes nothing.",
    )

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The temporary suffixes that mean something: none when it is strict."""
        return () if self.strict else self.temporary_suffixes


class PortalSettings(Section):
    """The portal for people; without an address there is none."""

    listen: ListenAt | None = Field(
        None, description="Address to listen at; without it there is no portal."
    )
    public_url: PublicUrl | None = Field(
        None, description="What browsers call it; passkeys and links in mails are bound to it."
    )
    tls: TlsSettings | None = Field(None, description="TLS of the listener.")
    behind_proxy: Networks = Field(
        (), description="Networks of the proxies whose X-Forwarded-For is believed."
    )


class PeopleSettings(Section):
    """How people enrol and sign in."""

    questions: bool = Field(
        default=True,
        description="Enrolment asks for answers to security questions; they open nothing.",
    )
    invitation_hours: int = Field(
        72, ge=1, le=720, description="Hours in which an invitation may be used."
    )
    idle_minutes: int = Field(
        30, ge=1, le=1440, description="Minutes without a request after which a session ends."
    )
    session_hours: int = Field(12, ge=1, le=168, description="Hours after which a session ends.")
    remember_hours: int = Field(
        0,
        ge=0,
        le=168,
        description="Hours in which a remembered device needs no second factor; 0: never.",
    )
    phone_countries: Annotated[tuple[Country, ...], BeforeValidator(_listed)] = Field(
        ("US", "CA"), description="Countries whose numbers may get codes, by ISO 3166 letters."
    )


class MailSettings(Section):
    """The server that takes mails to people."""

    host: str | None = Field(None, description="Name of the SMTP server; without it no mail goes.")
    port: int = Field(587, ge=1, le=_HIGHEST_PORT, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is secured; none only to loopback."
    )
    sender: str = Field(
        "Transom <no-reply@localhost>", description="From whom mails come: a name and <address>."
    )
    user: str | None = Field(None, description="User name at the server.")
    password_file: Annotated[Path, AfterValidator(_password_file)] | None = Field(
        None, description="File with the password of user; mode 0600."
    )


class GatewaySettings(Section):
    """The provider that sends text messages and makes calls, in the form of Twilio's HTTP API."""

    url: PublicUrl | None = Field(
        None, description="Its base, such as https://api.twilio.com; without it, no codes by phone."
    )
    account: str | None = Field(None, description="Account id (SID) at the provider.")
    token_file: Annotated[Path, AfterValidator(_password_file)] | None = Field(
        None, description="File with the account's token; mode 0600."
    )
    sender: str | None = Field(None, description="Number that messages and calls come from.")


class MetricsSettings(Section):
    """Figures for monitoring."""

    listen: ListenAt | None = Field(
        None, description="Loopback address that serves /metrics; without it there is none."
    )


class ExchangeSettings(Section):
    """The exchange's own rules."""

    operator_name: str = Field(
        "FINRA", min_length=1, max_length=40, description='The name in "Received by ...".'
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "America/New_York", description="Zone of archive names, tracking times and calendar days."
    )
    archive_days: int = Field(
        30, ge=1, le=3650, description="Days that a received file stays after the day it came."
    )
    tracking_days: int = Field(
        90,
        ge=1,
        le=3650,
        description="Days that tracking shows a submission; not below archive_days.",
    )
    unwrap_form_uploads: bool = Field(
        default=True,
        description="Take the file out of a form-framed upload that is proven to be one.",
    )
    workers: int = Field(
        1, ge=1, le=64, description="Processes that share the ports; one for each core is a start."
    )
    worker_threads: int = Field(
        4, ge=1, le=64, description="Threads in each process that run use cases for the doors."
    )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.time_zone)


class LimitSettings(Section):
    """How much of the machine one caller may take."""

    token_grants_per_second: int = Field(
        30, ge=1, description="Access tokens that one account gets per second, over time."
    )
    token_grants_burst: int = Field(
        120, ge=1, description="Access tokens that one account gets at once after a pause."
    )
    header_seconds: int = Field(
        30,
        ge=1,
        le=60,
        description="Seconds for a complete request head, from connect or first byte.",
    )
    idle_seconds: int = Field(
        60, ge=1, le=3600, description="Seconds without progress after which a transfer is cut."
    )
    connections: int = Field(
        2000, ge=1, description="Open connections per listener; beyond it callers get 503."
    )
    connections_per_account: int = Field(
        10, ge=1, description="SFTP sessions that one account may have at once."
    )
    connections_per_org: int = Field(
        100, ge=1, description="SFTP sessions that the accounts of one organization may have."
    )


class SupportSettings(Section):
    """Whom a user asks for help; shown in errors."""

    phone: str | None = Field(None, description="Telephone number.")
    url: str | None = Field(None, description="Web page.")
    mail: str | None = Field(None, description="Mail address.")


class LogSettings(Section):
    """What the log says."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important events written."
    )
