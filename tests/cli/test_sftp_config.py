"""sftp-config: settings that pin the host key, and nothing that a server says goes further."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cli.shell import Shell
from cli.stub_server import Stub, serving

from transom.client.cli import sftp_config
from transom.client.cli.sftp_config import Door
from transom.client.errors import ServerFault

BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(32)).decode()
KEY = f"ssh-ed25519 {BLOB}"
RSA = "ssh-rsa " + base64.b64encode(b"\0\0\0\x07ssh-rsa" + bytes(64)).decode()
DIGEST = base64.b64encode(hashlib.sha256(base64.b64decode(BLOB)).digest()).decode().rstrip("=")


def door(**changes: Any) -> Door:
    facts = {"host": "filex.example", "port": 2222, "user": "0001api01", "keys": (KEY, RSA)}
    return Door(**(facts | changes))


def test_openssh_pins_every_key_and_asks_for_no_other() -> None:
    text = sftp_config._openssh("transom-prod", door(), "")

    assert "    HostName filex.example\n    Port 2222\n    User 0001api01\n" in text
    assert f"[filex.example]:2222 {KEY}" in text
    assert "HostKeyAlgorithms ssh-ed25519,rsa-sha2-512,rsa-sha2-256" in text
    assert "StrictHostKeyChecking yes" in text
    assert "PubkeyAuthentication no" in text


def test_openssh_signs_in_with_a_key_where_one_is_named() -> None:
    text = sftp_config._openssh("transom-prod", door(), "/home/my keys/id")

    assert 'IdentityFile "/home/my keys/id"' in text
    assert "PreferredAuthentications publickey" in text


def test_on_the_usual_port_the_name_stands_alone() -> None:
    assert f"filex.example {KEY}" in sftp_config._openssh("x", door(port=22), "")


def test_without_a_key_nothing_is_said_to_be_pinned() -> None:
    for writer in sftp_config._WRITERS.values():
        text = writer("x", door(keys=()), "")
        assert "KnownHosts" not in text
        assert "-hostkey" not in text


def test_winscp_gets_the_fingerprint_and_no_times_modes_or_temporary_names() -> None:
    text = sftp_config._winscp("x", door(user="a b"), "")

    assert f'open sftp://a%20b@filex.example:2222/ -hostkey="ssh-ed25519 255 {DIGEST}"' in text
    assert "-nopreservetime -nopermissions -resumesupport=off" in text


def test_filezilla_gets_a_site_that_can_be_imported() -> None:
    text = sftp_config._filezilla("x<y", door(), "")

    site = ET.fromstring(text).find("Servers/Server")  # noqa: S314 - our own
    assert site is not None
    assert site.findtext("Host") == "filex.example"
    assert (site.findtext("Port"), site.findtext("Protocol")) == ("2222", "1")
    assert site.findtext("Name") == "x<y"
    assert DIGEST in str(site.findtext("Comments"))


def test_lftp_goes_through_ssh_with_the_pinned_key() -> None:
    text = sftp_config._lftp("x", door(), "")

    assert "set sftp:connect-program" in text
    assert "KnownHostsCommand=" in text
    assert "use-temp-file no" in text


@pytest.mark.parametrize(
    "told",
    [
        {"host": "h\nProxyCommand evil", "port": 22, "hostKeys": []},
        {"host": "-oProxyCommand=x y", "port": 22, "hostKeys": []},
        {"host": 7, "port": 22},
        {"host": "h", "port": "22"},
        {"host": "h", "port": 0},
        {"host": "h", "port": 22, "hostKeys": ['ssh-ed25519 AAAA" ; rm']},
        {"host": "h", "port": 22, "hostKeys": ["ssh-ed25519 !!!!!!!!!!!!!!!!!!!!"]},
        {"host": "h", "port": 22, "hostKeys": [f"ssh-rsa {BLOB}"]},
    ],
)
def test_what_a_server_tells_cannot_be_more_than_a_host_a_port_and_keys(told: Any) -> None:
    with pytest.raises(ServerFault):
        sftp_config._read(told, "user")


def test_the_command_prints_what_the_profiles_server_tells(shell: Shell) -> None:
    stub = Stub()
    stub.about = {
        "sftp": {"host": "127.0.0.1", "port": 2222, "hostKeys": [f"{KEY} comment"]},
    }
    with serving(stub):
        shell.sign_in(stub.url, "0001ftp01", "secret")
        printed = shell("sftp-config", "openssh")
        told = shell("sftp-config", "lftp", "--json").document
        unknown = shell("sftp-config", "putty")
        stub.about = {"sftp": None}
        none = shell("sftp-config", "openssh")
        stub.about = None
        silent = shell("sftp-config", "openssh")

    assert (printed.code, KEY in printed.out) == (0, True)
    assert (told["port"], told["hostKeys"]) == (2222, [KEY])
    assert (unknown.code, "openssh, winscp" in unknown.err) == (2, True)
    assert (none.code, "takes no SFTP" in none.err) == (3, True)
    assert (silent.code, "none is pinned" in silent.err) == (0, True)


def test_finras_own_servers_take_sftp_where_they_take_rest(shell: Shell) -> None:
    shell.set(TRANSOM_USER="1234ftp12", TRANSOM_PASSWORD="x")
    shell("profile", "set", "ct", "preset", "finra-ct")

    printed = shell("sftp-config", "openssh", "--profile", "ct")

    assert "HostName filex.ct.finra.org\n    Port 22\n" in printed.out
    assert "none is pinned" in printed.err
