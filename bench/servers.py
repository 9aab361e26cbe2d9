"""Real servers to measure: the demo and the production form, each a process of its own."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import processes
from bench.processes import free_port

COMMAND = Path(sys.executable).with_name("transom-server")
TESTS = Path(__file__).parent.parent / "tests"
SECONDS_TO_START = 60
_TOKENS = "/fip/rest/ews/oauth2/access_token"


class NotStarted(Exception):
    """A server ended, or did not answer in time; the text is its log."""


@dataclass(frozen=True)
class Server:
    """Where a server listens, its process, and a settings file that names its data."""

    rest: str
    s3: str
    pid: int
    config: Path
    authority: Path | None = None

    @property
    def token_url(self) -> str:
        return f"{self.rest}{_TOKENS}?grant_type=client_credentials"


@contextmanager
def demo(directory: Path, *, tls: bool) -> Iterator[Server]:
    """`transom-server demo`, on free ports."""
    data, ready_file, log = directory / "data", directory / "ready.json", directory / "log"
    command = [COMMAND, "demo", "--data", data, "--http-port", "0", "--s3-port", "0"]
    command += ["--ready-file", ready_file, *(["--tls"] if tls else [])]
    with processes.running(command, log) as process:
        _wait(ready_file.exists, process.poll, log)
        ready: dict[str, Any] = json.loads(ready_file.read_text())
        config = directory / "demo.toml"
        config.write_text(_settings(f"sqlite:///{data.resolve()}/transom.db", data, (1, 2)))
        authority = Path(ready["ca"]) if ready["ca"] else None
        yield Server(ready["rest"], ready["s3"]["endpoint"], ready["pid"], config, authority)


def configure(directory: Path, database_url: str) -> Path:
    """Write a settings file for the production form: defaults but for places and ports."""
    directory.mkdir(exist_ok=True)
    keys = directory / "keys"
    keys.touch(0o600)
    keys.write_text(f"bench:{secrets.token_hex(32)}\n")
    config = directory / "transom.toml"
    config.write_text(_settings(database_url, directory, (free_port(), free_port())))
    return config


@contextmanager
def production(config: Path, cores: Sequence[int] = ()) -> Iterator[Server]:
    """`transom-server run` on seeded data, on these cores only when any are named."""
    log = config.with_name("log")
    doors = [line.split('"')[1] for line in config.read_text().splitlines() if "public_url" in line]
    command = [COMMAND, "run", "--config", config]
    with processes.running(command, log, cores) as process:
        _wait(lambda: _answers(f"{doors[0]}/health"), process.poll, log)
        try:
            yield Server(doors[0], doors[1], process.pid, config)
        except Exception:
            print(f"the server's last words:\n{_last_words(log)}", file=sys.stderr)
            raise


def _settings(database_url: str, data: Path, ports: tuple[int, int]) -> str:
    tables = [f'[database]\nurl = "{database_url}"', f'[blobs]\nroot = "{data}/files"']
    tables += [f'[keys]\nfile = "{data}/keys"']
    for door, port in zip(("rest", "s3"), ports, strict=True):
        at = f"127.0.0.1:{port}"
        tables += [f'[{door}]\nlisten = "{at}"\npublic_url = "http://{at}"']
    return "\n\n".join(tables) + "\n"


def _wait(ready: Callable[[], bool], ended: Callable[[], int | None], log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while not ready():
        if ended() is not None or time.monotonic() > until:
            raise NotStarted(_last_words(log))
        time.sleep(0.05)


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join([line for line in lines if '"level": "info"' not in line][-20:])[-6000:]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        raise
    except OSError:
        return False


# --- databases ----------------------------------------------------------------------------------


def has_postgres() -> bool:
    """Whether a PostgreSQL server can be started here."""
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or bool(shutil.which("initdb"))


@contextmanager
def databases(directory: Path) -> Iterator[dict[str, str]]:
    """The URLs of an SQLite file and, where it is installed, of a durable PostgreSQL's database."""
    found = {"SQLite": f"sqlite:///{directory}/transom.db"}
    with ExitStack() as stack:
        if has_postgres():
            sys.path.insert(0, str(TESTS))
            from postgres import cluster  # noqa: PLC0415 - the tests' own, found by the line above

            found["PostgreSQL"] = stack.enter_context(cluster(durable=True)).url
        yield found
