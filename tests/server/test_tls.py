"""The two TLS policies, shaken by hand, and the demonstration's certificates."""

from __future__ import annotations

import socket
import ssl
import threading
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from transom.server.settings import TlsSettings
from transom.server.tls import (
    CURRENT_SUITES,
    GUIDE_2022_SUITES,
    DemoCertificates,
    demo_authority,
    pair_problem,
    server_context,
)

NOW = datetime.now(UTC)
# FAQ 37 of the guide, in its order.
FAQ_37 = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoCertificates:
    return demo_authority(tmp_path_factory.mktemp("demo"), NOW)


def context(demo: DemoCertificates, policy: str) -> ssl.SSLContext:
    names = {
        "certificate_file": demo.certificate,
        "key_file": demo.key,
        "ecdsa_certificate_file": demo.ecdsa_certificate,
        "ecdsa_key_file": demo.ecdsa_key,
    }
    return server_context(TlsSettings.model_validate({**names, "policy": policy}))


def client_context(demo: DemoCertificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=demo.authority)


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost"
) -> ssl.SSLSocket:
    """The client's end of a real connection on loopback, closed already but still telling."""

    def answer() -> None:
        accepted, _ = listener.accept()
        with accepted:
            try:
                server.wrap_socket(accepted, server_side=True).close()
            except OSError:
                return  # the client sees it too, and the test asks the client

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=10) as plain:
                return client.wrap_socket(plain, server_hostname=host)
        finally:
            thread.join()


def negotiated(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost"
) -> tuple[str, str, str]:
    with shake_hands(server, client, host) as end:
        cipher, version, _ = end.cipher() or ("", "", 0)
        return cipher, version, end.selected_alpn_protocol() or ""


def only(client: ssl.SSLContext, suite: str) -> ssl.SSLContext:
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(suite)
    return client


def test_guide_2022_is_the_guides_list_and_nothing_else(demo: DemoCertificates) -> None:
    offered = {suite["name"] for suite in context(demo, "guide-2022").get_ciphers()}

    assert sorted(GUIDE_2022_SUITES) == sorted(FAQ_37)
    assert {name for name in offered if not name.startswith("TLS_")} == set(FAQ_37)


@pytest.mark.parametrize("suite", FAQ_37)
def test_each_suite_of_the_guide_works_under_guide_2022(demo: DemoCertificates, suite: str) -> None:
    cipher, _, _ = negotiated(context(demo, "guide-2022"), only(client_context(demo), suite))

    assert cipher == suite


@pytest.mark.parametrize("suite", CURRENT_SUITES)
def test_each_current_suite_works_with_its_kind_of_certificate(
    demo: DemoCertificates, suite: str
) -> None:
    cipher, _, _ = negotiated(context(demo, "current"), only(client_context(demo), suite))

    assert cipher == suite


@pytest.mark.parametrize("suite", [*sorted(set(FAQ_37) - set(CURRENT_SUITES)), "AES128-SHA"])
def test_cbc_and_plain_rsa_are_refused_by_current(demo: DemoCertificates, suite: str) -> None:
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        negotiated(context(demo, "current"), only(client_context(demo), suite))


@pytest.mark.parametrize("policy", ["current", "guide-2022"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(
    demo: DemoCertificates, policy: str, version: ssl.TLSVersion
) -> None:
    client = client_context(demo)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.minimum_version = client.maximum_version = version
    client.set_ciphers("ALL:@SECLEVEL=0")

    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        negotiated(context(demo, policy), client)


@pytest.mark.parametrize("policy", ["current", "guide-2022"])
def test_tls_1_3_is_on(demo: DemoCertificates, policy: str) -> None:
    _, version, _ = negotiated(context(demo, policy), client_context(demo))

    assert version == "TLSv1.3"


@pytest.mark.parametrize("policy", ["current", "guide-2022"])
def test_the_server_chooses_the_suite_and_prefers_forward_secrecy(
    demo: DemoCertificates, policy: str
) -> None:
    backwards = only(client_context(demo), ":".join(reversed(GUIDE_2022_SUITES)))

    cipher, _, _ = negotiated(context(demo, policy), backwards)

    assert cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"


def test_only_http_1_1_is_negotiated(demo: DemoCertificates) -> None:
    client = client_context(demo)
    client.set_alpn_protocols(["h2", "http/1.1"])

    assert negotiated(context(demo, "current"), client)[2] == "http/1.1"


@pytest.mark.parametrize("option", [ssl.OP_NO_RENEGOTIATION, ssl.OP_NO_COMPRESSION])
def test_neither_renegotiation_nor_compression_is_possible(
    demo: DemoCertificates, option: int
) -> None:
    assert context(demo, "guide-2022").options & option


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_the_demonstrations_certificates_name_this_machine(
    demo: DemoCertificates, host: str
) -> None:
    client = client_context(demo)
    client.verify_flags |= ssl.VERIFY_X509_STRICT

    assert negotiated(context(demo, "current"), client, host)


def test_no_other_name_is_vouched_for(demo: DemoCertificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        negotiated(context(demo, "current"), client_context(demo), "example.net")


def test_the_demonstrations_files_are_the_owners_alone(demo: DemoCertificates) -> None:
    modes = {path.stat().st_mode & 0o777 for path in demo.authority.parent.iterdir()}

    assert modes == {0o600}


def contents(demo: DemoCertificates) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in demo.authority.parent.iterdir()}


def test_certificates_are_kept_while_good_for_thirty_days(demo: DemoCertificates) -> None:
    before = contents(demo)

    demo_authority(demo.authority.parent, NOW + timedelta(days=334))

    assert contents(demo) == before


def copied(demo: DemoCertificates, directory: Path) -> Path:
    for name, content in contents(demo).items():
        (directory / name).write_bytes(content)
    return directory


def test_certificates_near_their_end_are_replaced(demo: DemoCertificates, tmp_path: Path) -> None:
    fresh = demo_authority(copied(demo, tmp_path), NOW + timedelta(days=336))

    assert not set(contents(fresh).values()) & set(contents(demo).values())


@pytest.mark.parametrize("damage", ["demo-rsa.key", "demo-ca.pem", "demo-ecdsa.pem"])
def test_damaged_certificates_are_replaced_as_a_whole(
    demo: DemoCertificates, tmp_path: Path, damage: str
) -> None:
    (copied(demo, tmp_path) / damage).write_bytes(b"")

    fresh = demo_authority(tmp_path, NOW)

    assert negotiated(context(fresh, "current"), client_context(fresh))
    assert fresh.authority.read_bytes() != demo.authority.read_bytes()


def test_a_pair_must_belong_together(demo: DemoCertificates, tmp_path: Path) -> None:
    other, locked = tmp_path / "other.pem", tmp_path / "locked.key"
    other.write_text("no PEM at all")
    key = serialization.load_pem_private_key(demo.key.read_bytes(), password=None)
    passphrase = serialization.BestAvailableEncryption(b"secret")
    kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked.write_bytes(key.private_bytes(*kind, passphrase))

    assert pair_problem(demo.certificate, demo.key, "RSA") == ""
    assert pair_problem(demo.ecdsa_certificate, demo.ecdsa_key, "ECDSA") == ""
    assert "ECDSA" in pair_problem(demo.certificate, demo.key, "ECDSA")
    assert "together" in pair_problem(demo.certificate, demo.ecdsa_key, "any")
    assert "PEM" in pair_problem(other, demo.key, "any")
    assert "passphrase" in pair_problem(demo.certificate, locked, "any")
    assert "PEM" in pair_problem(tmp_path / "nowhere", demo.key, "any")
