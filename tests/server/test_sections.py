"""What single values of the settings file may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from transom.server.sections import (
    DatabaseSettings,
    ExchangeSettings,
    KeySettings,
    Listen,
    RestSettings,
    read_keys,
)

SECRET = "s3cr3tv4lu3"


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


BAD_KEYS = {
    "nothing": "",
    "a comment only": "# none yet\n",
    "no colon": "ab" * 32,
    "too short": "a:" + "ab" * 31,
    "no hexadecimal": "a:" + "xy" * 32,
    "no id": ":" + "ab" * 32,
    "two of one id": ("a:" + "ab" * 32 + "\n") * 2,
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_keys_file_that_is_not_one_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        KeySettings(file=private(tmp_path / "keys", text))

    (error,) = caught.value.errors()
    assert error["loc"] == ("file",)
    assert "abab" not in error["msg"]


def test_a_keys_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "keys", "a:" + "ab" * 32)
    path.chmod(0o604)

    with pytest.raises(ValidationError, match="0600"):
        KeySettings(file=path)


def test_the_first_key_is_the_current_one_and_keys_print_as_stars(tmp_path: Path) -> None:
    private(tmp_path / "keys", "# since May\n\nk2:" + "ab" * 32 + "\nk1:" + "cd" * 32)
    keys = read_keys(tmp_path / "keys")

    assert [(key.id, key.secret) for key in keys] == [("k2", b"\xab" * 32), ("k1", b"\xcd" * 32)]
    assert repr(keys[0]) == "SecretKey(id='k2', secret=***)"


LISTENS = {
    "127.0.0.1:8443": ("127.0.0.1", 8443, True),
    "localhost:0": ("localhost", 0, True),
    "[::1]:443": ("::1", 443, True),
    "[::]:443": ("::", 443, False),
    "192.0.2.1:65535": ("192.0.2.1", 65535, False),
    "filex.example.net:443": ("filex.example.net", 443, False),
}


@pytest.mark.parametrize(("text", "parts"), LISTENS.items())
def test_an_address_is_a_host_and_a_port(text: str, parts: tuple[str, int, bool]) -> None:
    listen = Listen.parse(text)

    assert (listen.host, listen.port, listen.is_loopback) == parts
    assert str(listen) == text


@pytest.mark.parametrize(
    "text", ["", "a", ":1", "a:", "a:b", "a:65536", "::1:443", "a:-1", "[a]:1", "a:²"]
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|brackets"):
        Listen.parse(text)


def test_identities_may_live_elsewhere() -> None:
    one = DatabaseSettings(url="sqlite:///a.db")
    two = DatabaseSettings(url="sqlite:///a.db", identity_url="sqlite:///b.db")

    assert one.identity_sqlalchemy_url().database == "a.db"
    assert two.identity_sqlalchemy_url().database == "b.db"
    assert two.sqlalchemy_url().database == "a.db"


@pytest.mark.parametrize(("mode", "text"), [(0o640, SECRET), (0o600, "\n")])
def test_a_password_file_is_private_and_not_empty(tmp_path: Path, mode: int, text: str) -> None:
    path = private(tmp_path / "password", text)
    path.chmod(mode)

    with pytest.raises(ValidationError, match=r"others can read|is empty"):
        DatabaseSettings(url="sqlite://", password_file=path)


@pytest.mark.parametrize("network", ["proxy", "10.1.2.3/16", "0.0.0.0/0", "::/0"])
def test_a_trusted_network_is_one_and_not_the_world(network: str) -> None:
    door = {"listen": "127.0.0.1:0", "public_url": "https://h"}

    with pytest.raises(ValidationError) as caught:
        RestSettings.model_validate({**door, "behind_proxy": ["10.0.0.0/8", network]})

    assert [error["loc"] for error in caught.value.errors()] == [("behind_proxy", 1)]


@pytest.mark.parametrize("zone", ["", "America", "../etc/passwd", "EST6EST", "utc+5"])
def test_an_unknown_time_zone_is_never_taken_for_utc(zone: str) -> None:
    with pytest.raises(ValidationError, match="no known time zone"):
        ExchangeSettings(time_zone=zone)
