"""nginx, as the yardstick for transfers: static GET and DAV PUT, plain and over TLS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.processes import free_port

PACKAGES = ("nginx-light", "wrk")
_PATH = os.pathsep.join((os.defpath, "/usr/sbin", "/usr/local/sbin", "/sbin"))
_SECONDS_TO_START = 10
# Measured on loopback, GET: sendfile 1,790 MB/s, blocks of 256 KiB 2,480; PUT: a buffer of 16 KiB
# 780, of 1 MiB 1,250. The yardstick is the faster one.
_CONF = """\
daemon off;
{user}pid {home}/pid;
error_log {home}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile off;
    output_buffers 2 256k;
    client_max_body_size 0;
    client_body_buffer_size 1m;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    root {home}/www;
    server {{
        listen 127.0.0.1:{plain};
        location / {{ dav_methods PUT; }}
    }}
    server {{
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ dav_methods PUT; }}
    }}
}}
"""


class CannotMeasure(Exception):
    """Something that a bench needs is not on this machine; the text says what to do."""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: its process, what it serves, and its two addresses."""

    pid: int
    www: Path
    plain: str
    tls: str


def install() -> None:
    """Put nginx and wrk on this machine when they are missing and we may."""
    wanted = [name for name, there in zip(PACKAGES, (_found(), wrk()), strict=True) if not there]
    if not wanted or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    # Not to be started by its package: ours has its own directory and ports.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=120"]
    for command in ([*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", *wanted]):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"bench: could not install {' '.join(wanted)}:\n{done.stderr.strip()}")
            return


def wrk() -> str | None:
    """Where wrk is, if it is."""
    return shutil.which("wrk")


def _found() -> str | None:
    return shutil.which("nginx", path=_PATH)


def require() -> str:
    """Where an nginx with TLS and DAV is.

    Raises:
        CannotMeasure: there is none, or no curl.
    """
    program = _found()
    if program is None or shutil.which("curl") is None:
        raise CannotMeasure(f"needs nginx and curl (Debian: apt-get install {PACKAGES[0]} curl)")
    told = subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stderr
    for module in ("http_dav_module", "http_ssl_module"):
        if module not in told:
            raise CannotMeasure(f"{program} lacks {module}; Debian's {PACKAGES[0]} has it")
    return program


@contextmanager
def serving(home: Path, certificate: Path, key: Path) -> Iterator[Nginx]:
    """nginx with one worker, for the length of a block."""
    www, ports = home / "www", (free_port(), free_port())
    www.mkdir()
    conf = home / "conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    names = {"home": home, "user": user, "certificate": certificate, "key": key}
    conf.write_text(_CONF.format(plain=ports[0], tls=ports[1], **names))
    command = [require(), "-e", home / "error.log", "-p", home, "-c", conf]
    with processes.running(command, home / "log") as process:
        _wait(ports[1], home / "error.log")
        plain, tls = f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}"
        yield Nginx(process.pid, www, plain, tls)


def _wait(port: int, log: Path) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise CannotMeasure(f"nginx does not answer:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
