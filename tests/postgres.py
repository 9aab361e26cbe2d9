"""A PostgreSQL server of the tests' own, and fresh databases on it.

The machine's own clusters are left alone: ours has its own directory, port and process.
"""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import unavailable
from psycopg import sql

SECONDS_TO_START = 60
SECONDS_TO_STOP = 30
# Ordering by language, as most operators' databases have it: a test that passes here and on
# SQLite does not lean on the order of bytes.
INITDB = ("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
# Over the network only an ordinary role gets in. The superuser needs the socket in our directory.
HBA = "local all all trust\nhost all transom 127.0.0.1/32 trust\n"


_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
"""
_EMPTY = """
    DO $$ DECLARE found record; BEGIN
        FOR found IN SELECT tablename AS name FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        LOOP EXECUTE format('DELETE FROM %I', found.name); END LOOP;
        FOR found IN SELECT sequencename AS name FROM pg_sequences WHERE schemaname = 'public'
        LOOP EXECUTE format('ALTER SEQUENCE %I RESTART', found.name); END LOOP;
    END $$
"""


@dataclass(frozen=True)
class Cluster:
    """A running server: the URL of an ordinary role's database, and the server's process."""

    url: str
    pid: int


class _NotStarted(Exception):
    """The server ended before it was ready; the text is its log."""


@contextmanager
def cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """Start a server and stop it afterwards.

    Not durable, it is fast, keeps its promises while it runs, and may lose everything with the
    machine. Durable has the server's own defaults.
    """
    binaries = _binaries()
    owner = _owner()
    # Not pytest's directory: the owner must reach it, and a socket's path has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="transom-pg-", dir="/tmp"))
    try:
        if owner:
            os.chown(home, owner.pw_uid, owner.pw_gid)
        _initdb(binaries, home, owner)
        process, port = _serve(binaries, home, owner, () if durable else FAST)
        try:
            _make_role(home, port)
            yield Cluster(f"postgresql+psycopg://transom@127.0.0.1:{port}/transom", process.pid)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(home)


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Create an empty database on the server of `url`, and drop it afterwards."""
    name = f"t_{secrets.token_hex(8)}"
    conninfo = url.replace("+psycopg", "", 1)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 STRATEGY file_copy")
        connection.execute(create.format(sql.Identifier(name)))
    try:
        yield f"{url.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@contextmanager
def emptied(url: str) -> Iterator[None]:
    """Take every row out of a database afterwards, whoever still holds on to some of them."""
    try:
        yield
    finally:
        with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
            connection.execute(_END_OTHERS)
            connection.execute(_EMPTY)


def _binaries() -> Path:
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(debian, key=lambda found: float(found.parts[4]), default=None)
    on_path = shutil.which("initdb")
    if newest is not None:
        return newest.parent
    if on_path is None:
        unavailable.missing("postgres", "no initdb under /usr/lib/postgresql or on PATH")
    return Path(on_path).resolve().parent


def _owner() -> pwd.struct_passwd | None:
    """Whom the server runs as, where it cannot be us: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        unavailable.missing("postgres", "we are root, and there is no user postgres to run it as")


def _spawn(
    command: Sequence[str | Path], home: Path, owner: pwd.struct_passwd | None
) -> subprocess.Popen[bytes]:
    as_owner: dict[str, Any] = {}
    if owner:
        as_owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    with (home / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=home,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for pytest, which then stops the server in order
            **as_owner,
        )


def _initdb(binaries: Path, home: Path, owner: pwd.struct_passwd | None) -> None:
    options = ("--no-sync", "--auth=trust", "--username=postgres", *INITDB)
    initdb = _spawn([binaries / "initdb", *options, "--pgdata", home / "data"], home, owner)
    if initdb.wait(SECONDS_TO_START):
        raise _NotStarted((home / "log").read_text())
    (home / "data" / "pg_hba.conf").write_text(HBA)


def _serve(
    binaries: Path, home: Path, owner: pwd.struct_passwd | None, options: Sequence[str]
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server on a free port; another program may take the port first, so try again."""
    for _ in range(5):
        port = _free_port()
        process = _spawn(
            [
                *_with_us(),
                binaries / "postgres",
                *("-D", home / "data", "-p", str(port), "-k", home),
                *("-c", "listen_addresses=127.0.0.1", *options),
            ],
            home,
            owner,
        )
        if _ready(process, home / "data" / "postmaster.pid"):
            return process, port
    raise _NotStarted((home / "log").read_text())


def _with_us() -> list[str]:
    """Have Linux stop the server should this process be killed before it can do so itself."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT"] if setpriv else []


def _ready(process: subprocess.Popen[bytes], status: Path) -> bool:
    """Wait until the server accepts connections (true) or has ended (false)."""
    for _ in range(SECONDS_TO_START * 20):
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            if status.exists() and re.search(r"^ready\s*\Z", status.read_text(), re.MULTILINE):
                return True
        else:
            return False
    _stop(process)
    return False


def _make_role(home: Path, port: int) -> None:
    with psycopg.connect(
        host=str(home), port=port, user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute("CREATE ROLE transom LOGIN CREATEDB")
        connection.execute("CREATE DATABASE transom OWNER transom")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # a fast shutdown: sessions end, data is written
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)  # at once; the data goes anyway
        process.wait(SECONDS_TO_STOP)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
