"""TLS contexts for the two policies of the house, and certificates for a demonstration.

`current` is what one would choose today; `guide-2022` is FAQ 37 of the fileX guide, word for word.
"""

from __future__ import annotations

import ssl
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

    from transom.server.settings import TlsSettings

# In the server's order, which is the one that counts: forward secrecy, then AEAD, then the rest.
CURRENT_SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
GUIDE_2022_SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
)
_SUITES: Final = {"current": CURRENT_SUITES, "guide-2022": GUIDE_2022_SUITES}
_LIFE: Final = timedelta(days=365)
_SPARE: Final = timedelta(days=30)
_RSA_BITS: Final = 3072

_PUBLIC_KEYS: Final[dict[str, type]] = {
    "RSA": rsa.RSAPublicKey,
    "ECDSA": ec.EllipticCurvePublicKey,
    "any": object,
}

Kind = Literal["RSA", "ECDSA", "any"]
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """A context for a listener: TLS 1.2 with the policy's suites, TLS 1.3, HTTP/1.1 only.

    Raises:
        ssl.SSLError, OSError: a file is not what the settings said when they were loaded.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(_SUITES[settings.policy]))
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, settings.certificate_file, settings.key_file)
    if settings.ecdsa_certificate_file and settings.ecdsa_key_file:
        _load_pair(context, settings.ecdsa_certificate_file, settings.ecdsa_key_file)
    return context


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    # Without a password function OpenSSL asks at the terminal, and a service would wait for ever.
    context.load_cert_chain(certificate, key, password=lambda: "")


def pair_problem(certificate: Path, key: Path, kind: Kind) -> str:
    """Why a certificate and a key cannot serve as a pair of this kind, or ""."""
    try:
        public = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        # OpenSSL has several names for two files that do not fit: compare the keys themselves.
        if private.public_key() != public:
            return "and the key file do not belong together"
        _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except TypeError:
        return "has a key file with a passphrase, and nobody is there to type it"
    except (OSError, ValueError, UnsupportedAlgorithm):  # an SSLError is an OSError
        return "and the key file cannot be loaded as a PEM pair"
    return "" if isinstance(public, _PUBLIC_KEYS[kind]) else f"is not an {kind} certificate"


@dataclass(frozen=True, slots=True)
class DemoCertificates:
    """Files of a demonstration: its authority, and an RSA and an ECDSA pair that it vouches for."""

    authority: Path
    certificate: Path
    key: Path
    ecdsa_certificate: Path
    ecdsa_key: Path


def demo_authority(directory: Path, not_before: datetime) -> DemoCertificates:
    """Certificates for localhost, what is below it, 127.0.0.1 and ::1, for 365 days.

    They count from not_before (aware).

    What is there already is kept while it is whole and good for 30 more days from not_before. The
    authority's own key is never written: nobody can make it vouch for anything else, later.

    Raises:
        OSError: the directory cannot be made or written.
    """
    files = DemoCertificates(
        directory / "demo-ca.pem",
        directory / "demo-rsa.pem",
        directory / "demo-rsa.key",
        directory / "demo-ecdsa.pem",
        directory / "demo-ecdsa.key",
    )
    if not _still_good(files, not_before):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(files, not_before)
    return files


def _still_good(files: DemoCertificates, now: datetime) -> bool:
    if not all(path.is_file() for path in _paths(files)):
        return False
    pairs = ((files.certificate, files.key), (files.ecdsa_certificate, files.ecdsa_key))
    try:
        authority, *leaves = (
            x509.load_pem_x509_certificate(path.read_bytes())
            for path in (files.authority, files.certificate, files.ecdsa_certificate)
        )
        for leaf in leaves:
            leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    in_time = all(
        one.not_valid_before_utc <= now <= one.not_valid_after_utc - _SPARE
        for one in (authority, *leaves)
    )
    return in_time and not any(pair_problem(*pair, "any") for pair in pairs)


def _paths(files: DemoCertificates) -> tuple[Path, ...]:
    paths: tuple[Path, ...] = astuple(files)
    return paths


def _make(files: DemoCertificates, not_before: datetime) -> None:
    authority_key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    authority = _authority(authority_key, not_before)
    keys: tuple[tuple[_Key, Path, Path], ...] = (
        (rsa.generate_private_key(65537, _RSA_BITS), files.certificate, files.key),
        (ec.generate_private_key(ec.SECP256R1()), files.ecdsa_certificate, files.ecdsa_key),
    )
    for key, certificate_file, key_file in keys:
        leaf = _leaf(key, authority, authority_key)
        _write(key_file, _pem(key))
        _write(certificate_file, leaf.public_bytes(serialization.Encoding.PEM))
    _write(files.authority, authority.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: str, issuer: x509.Name, key: _Key, not_before: datetime
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_before + _LIFE)
        .add_extension(identifier, critical=False)
    )


def _authority(key: rsa.RSAPrivateKey, not_before: datetime) -> x509.Certificate:
    name = "Transom demonstration authority"
    return (
        _builder(name, _name(name), key, not_before)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    key: _Key, authority: x509.Certificate, authority_key: rsa.RSAPrivateKey
) -> x509.Certificate:
    names = [x509.DNSName(text) for text in ("localhost", "*.localhost")]
    addresses = [x509.IPAddress(ip_address(text)) for text in ("127.0.0.1", "::1")]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        _builder("localhost", authority.subject, key, authority.not_valid_before_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    # key_encipherment is what the guide's four suites without ECDHE need.
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes) -> None:
    # Born 0600, moved into place whole: nobody sees the key for a moment, or half of it for ever.
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_bytes(content)
    fresh.replace(path)
