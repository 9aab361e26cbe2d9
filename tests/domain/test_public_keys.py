"""Public keys: which may open an account, read as OpenSSH writes them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import key_blob, public_key

from transom.domain.errors import BadParameter
from transom.domain.identity import AccountKey, PublicKey

NOW = datetime(2026, 11, 20, 20, 36, 10, tzinfo=UTC)

# Made with ssh-keygen; the fingerprints are those that ssh-keygen -l prints.
MADE = (
    (
        "ssh-ed25519",
        "AAAAC3NzaC1lZDI1NTE5AAAAIEn6R7HVa5tjoA5xUOqC4brgbK4YlK3ilWd41k31STww",
        "SHA256:PNxO4ii4nAPA81Y6FmSMO+f3jya0/r7IPzbnuYvJyxw",
    ),
    (
        "ecdsa-sha2-nistp256",
        (
            "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA2Lgh/T3QF3H80Av/NIPH1lY6tv"
            "47FFayYRBgyKJICTHKN1RcxJSUtL3qfYXspf1pEmtff6yKYIzaQi1H0Kr4s="
        ),
        "SHA256:gUZHF79yUTq+5d1kJfGzu3OTzqCvsLy7826rAqPOtgQ",
    ),
    (
        "ecdsa-sha2-nistp384",
        (
            "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBIabM0MlcFoZUvVt9l0/nfsamn/F"
            "MoFfREVq8V02+ZSnaOOjrzrqdMCnocAcjyMafY1Uw3PGd+NfuN5KGnzyhnvrUHMfgEdY1/Mc2MdgONSs"
            "WhaMuIAVzcIvHmJolMwNUw=="
        ),
        "SHA256:QrZoOC3+TYlXPk1fnXa5uT79f7PhnJAZlGQNtHbxm3E",
    ),
    (
        "ecdsa-sha2-nistp521",
        (
            "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAAkT6xx4wfjoIYTAaH2HXgdFu19"
            "CXX6r1oQD1902nevRo/7iZXjQOmgZdWF4L9AQb+TV9M5ZP2qN6XOSn+PG4SRoQF7KF9SvpUWY1XFkFsg"
            "JS9Z016Hmo6kasoWhOJy5SCMT2vKSahDwX0v8soIzfj3sAtjgrVq8I9bb6pS7MOl0p/2ug=="
        ),
        "SHA256:VnJ9LLcvhrmiq/kvMVu/V52SCgkIInJdp1b9eRZ0sKY",
    ),
    (
        "ssh-rsa",
        (
            "AAAAB3NzaC1yc2EAAAADAQABAAABAQC8jH6DhGpL7nU3fX2BS6DtZDWRnhU4DoebIUVryWjt7qP4Zmxr"
            "CyZWYWLJHFOh9lF7NURslsY7FWv2dDIK619SIIq05b10ttnkjJ3tWgMXTVvgIoM39rts1p85giUzSWIq"
            "urS6HMUdDM8Cp8jLyVjyXFkxLs+g2SxktqrvuskWH6iQYs6uGODyunCRMC4hp+kqwtye8MlbR51qkuS4"
            "nika60gYvKqlOJIohIrz2iVLGVC702/gjp42X0MlUz7d6a1Bg0CrxYxH67hoYfwFSllLx5YmI61lryY+"
            "9/suGz1AgtjqPZW5uJ1BcSw2wascgkX4LJTSqXQdQkIpeEDoqfVf"
        ),
        "SHA256:i4VrC5wAK2usq0QEEia7Cyh47OOiRxkYjQP+i+ClSr4",
    ),
)

ED25519 = bytes(range(32))
P256, P384, P521 = (b"\x04" + bytes(size) for size in (64, 96, 132))
APPLICATION = b"ssh:"


def written(algorithm: str, *parts: bytes) -> str:
    """A line with these parts behind the name."""
    blob = key_blob(algorithm.encode(), *parts)
    return f"{algorithm} {base64.b64encode(blob).decode()}"


def modulus(bits: int) -> bytes:
    """An odd number of so many bits, as SSH writes it."""
    number = (1 << (bits - 1)) | 1
    return number.to_bytes(bits // 8 + 1)


def refusal(line: str) -> str:
    with pytest.raises(BadParameter) as refused:
        PublicKey.parse(line)
    assert refused.value.parameter == "key"
    return refused.value.why


@pytest.mark.parametrize(("algorithm", "text", "fingerprint"), MADE)
@pytest.mark.parametrize("rest", ["", " nightly job", " a@b\n", "\r\n"])
def test_a_line_of_openssh_is_read_whatever_its_comment(
    algorithm: str, text: str, fingerprint: str, rest: str
) -> None:
    key = PublicKey.parse(f"{algorithm} {text}{rest}")

    assert (key.algorithm, key.fingerprint) == (algorithm, fingerprint)
    assert key.blob == base64.b64decode(text)


@pytest.mark.parametrize(
    "line",
    [
        written("sk-ssh-ed25519@openssh.com", ED25519, APPLICATION),
        written("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", P256, APPLICATION),
    ],
)
def test_a_security_key_is_read(line: str) -> None:
    assert PublicKey.parse(line).algorithm == line.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    "line",
    [
        written("ssh-dss", b"p", b"q", b"g", b"y"),
        written("ssh-ed25519-cert-v01@openssh.com", b"nonce", ED25519),
        written("ecdsa-sha2-nistp256-cert-v01@openssh.com", b"nonce", b"nistp256", P256),
        written("ssh-ed448", bytes(57)),
        written("rsa-sha2-512", b"\x03", modulus(3072)),
        written("webauthn-sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", P256, APPLICATION),
    ],
)
def test_any_other_algorithm_is_refused_and_the_answer_names_those_that_are_taken(
    line: str,
) -> None:
    why = refusal(line)

    assert f"{line.split(maxsplit=1)[0]} is not taken here" in why
    assert "ssh-ed25519, ecdsa-sha2-nistp256" in why


@pytest.mark.parametrize("bits", [1024, 2040, 16392])
def test_an_rsa_key_that_is_too_short_or_absurdly_long_is_refused(bits: int) -> None:
    assert f"this one has {bits}" in refusal(written("ssh-rsa", b"\x01\x00\x01", modulus(bits)))


@pytest.mark.parametrize("bits", [2048, 3072, 16384])
def test_an_rsa_key_of_2048_bits_and_more_is_taken(bits: int) -> None:
    assert PublicKey.parse(written("ssh-rsa", b"\x01\x00\x01", modulus(bits)))


@pytest.mark.parametrize(
    "line",
    [
        written("ssh-ed25519"),
        written("ssh-ed25519", ED25519[:-1]),
        written("ssh-ed25519", ED25519, b""),
        written("ecdsa-sha2-nistp256", b"nistp256"),
        written("ecdsa-sha2-nistp256", b"nistp384", P256),
        written("ecdsa-sha2-nistp256", b"nistp256", P384),
        written("ecdsa-sha2-nistp384", b"nistp384", P384, b""),
        written("ecdsa-sha2-nistp521", b"nistp521", b"\x02" + P521[1:]),  # compressed
        written("ecdsa-sha2-nistp521", b"nistp521", b""),
        written("ssh-rsa", b"\x01\x00\x01"),
        written("ssh-rsa", b"\x01", modulus(2048)),
        written("ssh-rsa", b"\x02", modulus(2048)),
        written("ssh-rsa", b"", modulus(2048)),
        written("ssh-rsa", b"\x03", modulus(2048)[1:]),  # negative
        written("ssh-rsa", b"\x03", (1 << 2047).to_bytes(257)),  # even
        written("sk-ssh-ed25519@openssh.com", ED25519),
        written("sk-ssh-ed25519@openssh.com", ED25519, b""),
        written("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", APPLICATION),
    ],
)
def test_a_key_that_is_not_well_formed_is_refused(line: str) -> None:
    assert refusal(line) == "it is not well-formed; copy it again"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "give one key"),
        ("\n\n", "give one key"),
        (f"{written('ssh-ed25519', ED25519)}\n{written('ssh-ed25519', ED25519)}", "give one key"),
        ("ssh-ed25519", "cut off|different algorithms"),
        ("ssh-ed25519 !!!!", "write it as one line"),
        ("ssh-ed25519 AAAA=BBBB", "write it as one line"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1", "cut off"),
        ("ssh-ed25519 /////w==", "cut off"),
        (written("ssh-rsa", ED25519).replace("ssh-rsa", "ssh-ed25519"), "different algorithms"),
        ('from="*" ssh-ed25519 AAAA', "is not taken here"),
        ("\x1b[2J AAAA", "write it as one line"),
        ("x" * 65, "write it as one line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", "private key"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA", "ssh-keygen -i"),
    ],
)
def test_what_is_no_line_with_a_key_is_refused_with_what_to_do(text: str, why: str) -> None:
    assert any(each in refusal(text) for each in why.split("|"))


def test_a_private_key_does_not_stand_in_the_refusal() -> None:
    assert "c2VjcmV0" not in refusal("-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END")


@given(st.sampled_from([algorithm for algorithm, _, _ in MADE]), st.binary(max_size=300))
def test_no_bytes_that_a_client_offers_break_the_check(algorithm: str, blob: bytes) -> None:
    offered = PublicKey(algorithm, blob)

    assert offered.fingerprint.startswith("SHA256:")
    with pytest.raises(BadParameter):
        offered.check()


@pytest.mark.parametrize(
    ("ends_at", "live"),
    [(None, True), (NOW + timedelta(microseconds=1), True), (NOW, False)],
)
def test_a_key_opens_its_account_until_its_end(ends_at: datetime | None, *, live: bool) -> None:
    assert AccountKey(public_key(), "", NOW, ends_at).is_live(NOW) is live
