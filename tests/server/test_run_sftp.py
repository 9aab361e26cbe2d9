"""`transom-server run` with an SFTP door: both policies, and host keys that are rotated."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import unavailable
from journeys.servers import once
from server.test_run import CONTENT, Site, call, free_port, grant

GUIDE = {
    "Ciphers": "aes256-cbc",
    "MACs": "hmac-sha1",
    "KexAlgorithms": "diffie-hellman-group14-sha1",
}
GROUP_EXCHANGE = GUIDE | {"KexAlgorithms": "diffie-hellman-group-exchange-sha256"}
CURRENT = {"Ciphers": "aes128-gcm@openssh.com", "KexAlgorithms": "curve25519-sha256"}
CLASSIC = {"Ciphers": "aes256-ctr", "KexAlgorithms": "diffie-hellman-group16-sha512"}


@dataclass
class SftpSite(Site):
    """A site with an SFTP door, and a machine with OpenSSH."""

    sftp_port: int = field(default_factory=free_port)
    password: str = ""

    def write(self) -> None:
        super().write()
        with self.config.open("a") as config:
            config.write(
                f'[sftp]\nlisten = "127.0.0.1:{self.sftp_port}"\npolicy = "current"\n'
                f'host_key_directory = "{self.directory}/ssh"\n'
            )

    def host_keys(self, *words: str) -> list[str]:
        """What `host-keys` prints, as lines of known_hosts."""
        said = self.command("host-keys", *words).splitlines()
        keys = [line.split()[:2] for line in said if line.startswith(("ssh-", "ecdsa-"))]
        return [f"[127.0.0.1]:{self.sftp_port} {kind} {key}" for kind, key in keys]

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def sftp(self, batch: str, **options: str) -> subprocess.CompletedProcess[str]:
        """OpenSSH's client, which knows the hosts in known_hosts only, to its end."""
        with self.sftp_process(batch, **options) as process:
            said, complained = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)

    def sftp_process(self, batch: str, *arguments: str, **options: str) -> subprocess.Popen[str]:
        """The same, begun."""
        if shutil.which("sftp") is None:
            unavailable.missing("sftp", "no such program; scripts/setup names its package")
        askpass = self.directory / "askpass"
        askpass.write_text(f"#!/bin/sh\necho {self.password}\n")
        askpass.chmod(0o700)
        (self.directory / "batch").write_text(batch)
        chosen = {
            "BatchMode": "no",
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "HashKnownHosts": "no",
            "PreferredAuthentications": "password",
        } | options
        told = [part for name, value in chosen.items() for part in ("-o", f"{name}={value}")]
        host = ["-P", str(self.sftp_port), "-b", "batch", "0001ftp01@127.0.0.1"]
        return subprocess.Popen(
            ["sftp", *told, *arguments, *host],
            cwd=self.directory,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.directory),
                "SSH_ASKPASS": str(askpass),
                "SSH_ASKPASS_REQUIRE": "force",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> SftpSite:
    """Prepared once, which takes its time. Each test takes file names of its own."""
    directory = tmp_path_factory.mktemp("site")
    found = SftpSite(directory, f"sqlite:///{directory}/transom.db")
    found.password = found.prepare()
    (directory / "up.bin").write_bytes(CONTENT)
    return found


@pytest.mark.parametrize(
    ("policy", "options", "refused"),
    [
        ("current", (CURRENT, CLASSIC), GUIDE),
        ("guide-2022", (GUIDE, GROUP_EXCHANGE), CURRENT),
    ],
    ids=["current", "guide-2022"],
)
def test_each_policy_takes_what_it_names_and_says_nothing_on_standard_error(
    site: SftpSite, policy: str, options: tuple[dict[str, str], ...], refused: dict[str, str]
) -> None:
    config = site.config.read_text()
    site.config.write_text(re.sub(r'(?<=\npolicy = ").*(?="\nhost_key)', policy, config))
    names = [f"{policy}{number}.bin" for number in range(len(options))]

    with site.served() as server:
        site.known_hosts.write_text("\n".join(site.host_keys("show")))
        for name, each in zip(names, options, strict=True):
            done = site.sftp(f"put up.bin 0001/app1/in/{name}\n", **each)
            assert done.returncode == 0, done.stderr
        failed = site.sftp("ls\n", **refused)
        token = grant(site, site.password)
        found = [call(site, token, "GET", f"tracking?fileName={each}").json() for each in names]
        figures = requests.get(site.metrics, timeout=20).text
        server.terminate()

    assert [each["status"] for (each,) in found] == ["Received by FINRA"] * 2
    assert failed.returncode != 0
    assert "no matching" in failed.stderr
    assert 'transom_sftp_logins_total{outcome="in"} 2.0' in figures
    assert "Warning" not in server.text
    assert all(line.startswith("{") for line in server.text.splitlines())
    for secret in (site.password, "askpass"):
        assert secret not in server.text


def test_a_rotation_gives_clients_both_keys_before_it_is_finished(site: SftpSite) -> None:
    learn = {"UpdateHostKeys": "yes"}
    with site.served() as server:
        old = site.host_keys("show")
        server.terminate()
    site.known_hosts.write_text(old[0] + "\n")
    both = site.host_keys("rotate")
    assert both[: len(old)] == old
    assert len(both) == 2 * len(old)

    with site.served() as server:
        assert site.sftp("ls\n", **learn).returncode == 0
        server.terminate()
    learned = set(site.known_hosts.read_text().splitlines())
    assert learned == set(both)
    new = site.host_keys("rotate", "--finish")
    assert new == both[len(old) :]

    with site.served() as server:
        done = site.sftp("ls\n", StrictHostKeyChecking="yes")
        assert done.returncode == 0, done.stderr
        assert "0001" in done.stdout
        site.known_hosts.write_text("\n".join(old))
        unknown = site.sftp("ls\n")
        server.terminate()
    assert unknown.returncode != 0
    assert "HOST IDENTIFICATION HAS CHANGED" in unknown.stderr


def test_an_upload_under_way_is_let_finish_when_the_server_stops(site: SftpSite) -> None:
    (site.directory / "large.bin").write_bytes(bytes(1_500_000))

    with site.served() as server:
        site.known_hosts.write_text("\n".join(site.host_keys("show")))
        token, query = grant(site, site.password), "tracking?fileName=slow.bin"
        with site.sftp_process("put large.bin 0001/app1/in/slow.bin\n", "-l", "8192") as upload:
            until = time.monotonic() + 20
            while not call(site, token, "GET", query).json():
                assert time.monotonic() < until
                time.sleep(0.02)
            server.process.terminate()
            _, complained = upload.communicate(timeout=20)
        assert upload.returncode == 0, complained
        assert server.process.wait(20) == 0, server.text
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", site.sftp_port), timeout=10)

    with site.served() as server:
        (record,) = call(site, grant(site, site.password), "GET", query).json()
        server.terminate()
    assert record["status"] == "Received by FINRA"


def test_a_port_that_is_taken_is_named(site: SftpSite) -> None:
    with socket.create_server(("127.0.0.1", site.sftp_port)):
        ended = once("run", "--config", str(site.config))

    assert ended.returncode == 1
    assert f"Cannot listen at 127.0.0.1:{site.sftp_port}: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_host_keys_that_others_can_read_stop_the_start(site: SftpSite) -> None:
    site.command("host-keys", "show")
    key = site.directory / "ssh" / "ssh_host_ed25519_key"
    key.chmod(0o644)
    ended = once("run", "--config", str(site.config))
    key.chmod(0o600)

    assert ended.returncode != 0
    assert "0600" in ended.stderr
    assert "Traceback" not in ended.stderr
