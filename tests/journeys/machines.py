"""A firm's machine with the SFTP clients that it has."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import unavailable
from journeys.servers import Demo, Firm

SECONDS = 60


@dataclass
class Machine:
    """A firm's machine with its client program, and what it needs to know."""

    demo: Demo
    firm: Firm
    home: Path

    @property
    def port(self) -> str:
        return str(self.demo.ready["sftp"]["port"])

    @property
    def known_hosts(self) -> Path:
        file = self.home / "known_hosts"
        file.write_text(f"[127.0.0.1]:{self.port} {self.demo.ready['sftp']['host_key']}\n")
        return file

    @property
    def askpass(self) -> Path:
        file = self.home / "askpass"
        file.write_text(f"#!/bin/sh\necho {self.firm.password}\n")
        file.chmod(0o700)
        return file

    def run(self, *command: str, given: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        """The client, to its end."""
        if shutil.which(command[0]) is None:
            unavailable.missing(command[0], "no such program; scripts/setup names its package")
        known = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        return subprocess.run(
            command,
            input=given,
            cwd=self.home,
            env=known | extra,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def openssh(self, batch: str) -> subprocess.CompletedProcess[str]:
        (self.home / "batch").write_text(batch)
        options = {
            "BatchMode": "no",
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "PreferredAuthentications": "password",
        }
        chosen = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        command = ["sftp", *chosen, "-P", self.port, "-b", "batch", f"{self.firm.user}@127.0.0.1"]
        asked = {"SSH_ASKPASS": str(self.askpass), "SSH_ASKPASS_REQUIRE": "force"}
        return self.run(*command, **asked)

    def lftp(self, batch: str) -> subprocess.CompletedProcess[str]:
        program = f"ssh -a -x -o UserKnownHostsFile={self.known_hosts} -o PubkeyAuthentication=no"
        script = (
            f'set sftp:connect-program "{program}"; set net:max-retries 1; set cmd:fail-exit yes; '
            f"open -u {self.firm.user},{self.firm.password} sftp://127.0.0.1:{self.port}; {batch}"
        )
        return self.run("lftp", "-c", script)

    def rclone(self, *command: str) -> subprocess.CompletedProcess[str]:
        hidden = self.run("rclone", "obscure", self.firm.password).stdout.strip()
        remote = {
            "TYPE": "sftp",
            "HOST": "127.0.0.1",
            "PORT": self.port,
            "USER": self.firm.user,
            "PASS": hidden,
            "SHELL_TYPE": "none",
        }
        known = {f"RCLONE_CONFIG_X_{name}": value for name, value in remote.items()}
        options = ("--config", "none", "--retries", "1", "--low-level-retries", "1")
        return self.run("rclone", *options, *command, **known)

    def curl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ssh = self.home / ".ssh"
        ssh.mkdir(exist_ok=True)
        shutil.copy(self.known_hosts, ssh / "known_hosts")
        user = f"{self.firm.user}:{self.firm.password}"
        return self.run("curl", "-sS", "-k", "-u", user, *arguments)

    def psftp(self, batch: str) -> subprocess.CompletedProcess[str]:
        (self.home / "batch").write_text(batch)
        (self.home / "password").write_text(self.firm.password + "\n")
        command = ["psftp", "-batch", "-P", self.port, "-pwfile", "password", "-b", "batch"]
        pinned = ["-hostkey", fingerprint(self.demo.ready["sftp"]["host_key"])]
        return self.run(*command, *pinned, f"{self.firm.user}@127.0.0.1")


def fingerprint(line: str) -> str:
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
