"""Real S3 clients against the demo, unmodified: each puts, gets, lists, and is refused once.

Over https in every run, because clients send trailers only there; over http, with large files and
synchronization too, in the drill.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import unavailable
from journeys.servers import Demo, Firm, demo

CLIENTS = Path(sys.prefix) / "clients" / "bin"
PROGRAMS = Path(__file__).parent / "programs"
BUCKET = "bucket-filex"
APP = f"{BUCKET}/0001/app1"
CONTENT = os.urandom(300_000)
LARGE = os.urandom(30_000_001)
SECONDS = 60

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("tls"), "--tls") as running:
        yield running


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("plain")) as running:
        yield running


@dataclass
class Machine:
    """A firm's machine: a transfer token in its environment, and one client program."""

    firm: Firm
    home: Path
    keys: Mapping[str, str]

    @classmethod
    def of(cls, firm: Firm, home: Path) -> Machine:
        answer = firm.call("GET", "S3TransferTokens/0001/app1")
        assert answer.status_code == 200, answer.text
        found = answer.json()["credentials"]
        keys = {
            "AWS_ACCESS_KEY_ID": found["accessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["secretAccessKey"],
            "AWS_SESSION_TOKEN": found["sessionToken"],
            "AWS_DEFAULT_REGION": answer.json()["region"],
        }
        (home / "up.bin").write_bytes(CONTENT)
        (home / "large.bin").write_bytes(LARGE)
        (home / "many").mkdir()
        for name in ("a.txt", "b.txt"):
            (home / "many" / name).write_text(name)
        return cls(firm, home, keys)

    @property
    def endpoint(self) -> str:
        return str(self.firm.demo.ready["s3"]["endpoint"])

    @property
    def ca(self) -> str:
        return self.firm.demo.ready["ca"] or ""

    def run(self, program: str, *arguments: str, **extra: str) -> Done:
        """A client, to its end."""
        if not (CLIENTS / program).exists():
            unavailable.missing(program, "not in .venv/clients; scripts/setup dev puts it there")
        return self.execute(str(CLIENTS / program), *arguments, **extra)

    def execute(self, *command: str, **extra: str) -> Done:
        """Any program that knows the keys, to its end."""
        known = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        trusted = {"AWS_CA_BUNDLE": self.ca, "SSL_CERT_FILE": self.ca} if self.ca else {}
        return subprocess.run(
            command,
            cwd=self.home,
            env=known | self.keys | trusted | extra,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def aws(self, *arguments: str) -> Done:
        return self.run("aws", "--endpoint-url", self.endpoint, "s3", *arguments)

    def aws_of_debian(self, *arguments: str) -> Done:
        """Version 2, which is not on PyPI."""
        if (program := shutil.which("aws", path="/usr/bin")) is None:
            unavailable.missing("aws", "Debian's awscli is missing; scripts/setup installs it")
        return self.execute(program, "--endpoint-url", self.endpoint, "s3", *arguments)

    def rclone(self, *arguments: str) -> Done:
        remote = {
            "TYPE": "s3",
            "PROVIDER": "Other",
            "ENV_AUTH": "true",
            "ENDPOINT": self.endpoint,
            "REGION": "us-east-1",
        }
        known = {f"RCLONE_CONFIG_X_{name}": value for name, value in remote.items()}
        trusted = ("--ca-cert", self.ca) if self.ca else ()
        options = ("--config", "none", "--retries", "1", "--low-level-retries", "1", *trusted)
        return self.run("rclone", *options, *arguments, **known)

    def s3cmd(self, *arguments: str) -> Done:
        host = urlsplit(self.endpoint).netloc
        trusted = (f"--ca-certs={self.ca}",) if self.ca else ("--no-ssl",)
        options = (f"--host={host}", f"--host-bucket={host}", "--no-progress", *trusted)
        keys = (
            f"--access_key={self.keys['AWS_ACCESS_KEY_ID']}",
            f"--secret_key={self.keys['AWS_SECRET_ACCESS_KEY']}",
            f"--access_token={self.keys['AWS_SESSION_TOKEN']}",
        )
        return self.run("s3cmd", "--config=/dev/null", *options, *keys, *arguments)

    def s5cmd(self, *arguments: str) -> Done:
        return self.run("s5cmd", "--endpoint-url", self.endpoint, *arguments)

    def minio(self, *arguments: str) -> Done:
        program = str(PROGRAMS / "s3_by_minio.py")
        return self.run("python", program, *arguments, ENDPOINT=self.endpoint)

    def crt(self, *arguments: str) -> Done:
        program = str(PROGRAMS / "s3_by_crt.py")
        return self.execute(sys.executable, program, *arguments, ENDPOINT=self.endpoint)


def aws(at: Machine, up: str) -> list[Done]:
    return [
        at.aws("cp", up, f"s3://{APP}/in/aws.bin"),
        at.aws("cp", f"s3://{APP}/out/file1.zip", "down.zip"),
        at.aws("ls", f"s3://{APP}/out/"),
        at.aws("rm", f"s3://{APP}/out/file1.zip"),
    ]


def aws2(at: Machine, up: str) -> list[Done]:
    return [
        at.aws_of_debian("cp", up, f"s3://{APP}/in/aws2.bin"),
        at.aws_of_debian("cp", f"s3://{APP}/out/file1.zip", "down.zip"),
        at.aws_of_debian("ls", f"s3://{APP}/out/"),
        at.aws_of_debian("rm", f"s3://{APP}/out/file1.zip"),
    ]


def rclone(at: Machine, up: str) -> list[Done]:
    cut = ("--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M")
    return [
        at.rclone("copyto", *cut, up, f"x:{APP}/in/rclone.bin"),
        at.rclone("copyto", f"x:{APP}/out/file1.zip", "down.zip"),
        at.rclone("lsl", f"x:{APP}/out"),
        at.rclone("deletefile", f"x:{APP}/out/file1.zip"),
    ]


def s3cmd(at: Machine, up: str) -> list[Done]:
    return [
        at.s3cmd("put", "--multipart-chunk-size-mb=5", up, f"s3://{APP}/in/s3cmd.bin"),
        at.s3cmd("get", f"s3://{APP}/out/file1.zip", "down.zip"),
        at.s3cmd("ls", f"s3://{APP}/out/"),
        at.s3cmd("del", f"s3://{APP}/out/file1.zip"),
    ]


def s5cmd(at: Machine, up: str) -> list[Done]:
    return [
        at.s5cmd("cp", "--part-size", "5", up, f"s3://{APP}/in/s5cmd.bin"),
        at.s5cmd("cp", f"s3://{APP}/out/file1.zip", "down.zip"),
        at.s5cmd("ls", f"s3://{APP}/out/"),
        at.s5cmd("rm", f"s3://{APP}/out/file1.zip"),
    ]


def minio(at: Machine, up: str) -> list[Done]:
    return [
        at.minio("put", up, "0001/app1/in/minio.bin"),
        at.minio("get", "0001/app1/out/file1.zip", "down.zip"),
        at.minio("ls", "0001/app1/out/"),
        at.minio("rm", "0001/app1/out/file1.zip"),
    ]


def crt(at: Machine, up: str) -> list[Done]:
    return [
        at.crt("put", up, "0001/app1/in/crt.bin"),
        at.crt("get", "0001/app1/out/file1.zip", "down.zip"),
        at.aws("ls", f"s3://{APP}/out/"),  # it only transfers
        at.crt("put", up, "0001/app1/out/crt.bin"),
    ]


TOOLS = (aws, aws2, rclone, s3cmd, s5cmd)
Tool = Callable[[Machine, str], list[Done]]
each_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda each: each.__name__)


def require_a_whole_day(machine: Machine, tool: Tool, up: str, content: bytes) -> None:
    """Put, get, list and be refused; and what was put is what the exchange has."""
    put, get, ls, refused = tool(machine, up)

    for each in (put, get, ls):
        assert each.returncode == 0, each.stdout + each.stderr
    assert (machine.home / "down.zip").stat().st_size == 7473
    assert "file2.pdf" in ls.stdout
    assert refused.returncode != 0, refused.stdout
    name = f"{tool.__name__}.bin"
    record = machine.firm.call("GET", f"tracking?fileName={name}").json()[0]
    assert record["accessMethod"] == "s3"
    assert machine.firm.wait_for(record["trackingId"])["fileSize"] == len(content)
    archived = [each for each in machine.firm.names("in_arcv") if each.endswith(name)]
    assert machine.firm.fetch("in_arcv", max(archived)) == content


@each_tool
def test_a_tool_puts_gets_and_lists_over_tls_and_is_refused_what_nobody_may(
    over_tls: Demo, tmp_path: Path, tool: Tool
) -> None:
    machine = Machine.of(over_tls.account(), tmp_path)

    require_a_whole_day(machine, tool, "up.bin", CONTENT)


def test_the_guides_own_sample_works_but_for_the_endpoint(over_tls: Demo, tmp_path: Path) -> None:
    machine = Machine.of(over_tls.account(), tmp_path)
    (tmp_path / "test.txt").write_text("test")

    done = machine.aws("cp", "test.txt", "s3://bucket-filex/0001/app1/in/test.txt")

    assert done.returncode == 0, done.stderr
    assert any(name.endswith("_test.txt") for name in machine.firm.names("in_arcv"))


def test_a_tool_that_goes_where_its_token_does_not_lead_is_refused(
    over_tls: Demo, tmp_path: Path
) -> None:
    machine = Machine.of(over_tls.account(), tmp_path)

    for place in ("0002/app1/in", "0001/app2/in", "0001/app1/out"):
        done = machine.aws("cp", "up.bin", f"s3://{BUCKET}/{place}/up.bin")
        assert (done.returncode, "AccessDenied" in done.stderr) == (1, True), done.stderr


def test_a_tool_with_an_altered_token_is_told_that_it_is_invalid(
    over_tls: Demo, tmp_path: Path
) -> None:
    machine = Machine.of(over_tls.account(), tmp_path)
    token = machine.keys["AWS_SESSION_TOKEN"]
    altered = token[:-9] + ("A" if token[-9] != "A" else "B") + token[-8:]
    machine.keys = {**machine.keys, "AWS_SESSION_TOKEN": altered}

    done = machine.aws("ls", f"s3://{APP}/out/")

    assert (done.returncode != 0, "InvalidToken" in done.stderr) == (True, True), done.stderr


# --- the drill -----------------------------------------------------------------------------------


@pytest.mark.drill
@pytest.mark.parametrize("served", ["over_tls", "plain"])
@pytest.mark.parametrize("tool", [*TOOLS, minio, crt], ids=lambda each: each.__name__)
def test_a_tool_sends_large_files_in_parts(
    request: pytest.FixtureRequest, served: str, tmp_path: Path, tool: Tool
) -> None:
    machine = Machine.of(request.getfixturevalue(served).account(), tmp_path)

    require_a_whole_day(machine, tool, "large.bin", LARGE)


@pytest.mark.drill
@pytest.mark.parametrize("served", ["over_tls", "plain"])
def test_folders_are_synchronized_up_and_down(
    request: pytest.FixtureRequest, served: str, tmp_path: Path
) -> None:
    machine = Machine.of(request.getfixturevalue(served).account(), tmp_path)
    ways = (
        machine.aws("sync", "many", f"s3://{APP}/in/"),
        machine.rclone("copy", "many", f"x:{APP}/in"),
        machine.s3cmd("sync", "many/", f"s3://{APP}/in/"),
        machine.s5cmd("sync", "many/", f"s3://{APP}/in/"),
        machine.aws("sync", f"s3://{APP}/out/", "down"),
    )

    assert [done.stderr for done in ways if done.returncode] == []
    again = machine.aws("sync", f"s3://{APP}/out/", "down")
    assert (again.returncode, again.stdout) == (0, "")
    assert {each.name for each in (tmp_path / "down").iterdir()} >= {"file1.zip", "file2.pdf"}


@pytest.mark.drill
def test_a_url_that_aws_presigns_with_version_4_is_good(over_tls: Demo, tmp_path: Path) -> None:
    machine = Machine.of(over_tls.account(), tmp_path)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\ns3 =\n  signature_version = s3v4\n")

    url = machine.aws("presign", f"s3://{APP}/out/file1.zip").stdout.strip()

    fetched = subprocess.run(
        ["curl", "-sSf", "--cacert", machine.ca, url], capture_output=True, check=True
    )
    assert len(fetched.stdout) == 7473


@pytest.mark.drill
def test_s3fs_mounts_what_the_token_leads_to_for_reading(plain: Demo, tmp_path: Path) -> None:
    machine = Machine.of(plain.account(), tmp_path)
    if shutil.which("s3fs") is None or not Path("/dev/fuse").exists():
        unavailable.missing("s3fs", "no such program, or no /dev/fuse")
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    options = ("use_path_request_style", "use_session_token", "endpoint=us-east-1")
    told = [part for each in (f"url={machine.endpoint}", *options) for part in ("-o", each)]
    keys = {name.replace("_", ""): value for name, value in machine.keys.items()}
    done = machine.execute("s3fs", f"{BUCKET}:/0001/app1", str(mounted), *told, **keys)
    assert done.returncode == 0, done.stderr
    try:
        until = time.monotonic() + SECONDS
        while not mounted.is_mount():
            assert time.monotonic() < until
            time.sleep(0.05)
        assert {"file1.zip", "file2.pdf"} <= {each.name for each in (mounted / "out").iterdir()}
        assert (mounted / "out" / "file1.zip").stat().st_size == 7473
        assert len((mounted / "out" / "file1.zip").read_bytes()) == 7473
        with pytest.raises(PermissionError):
            (mounted / "out" / "file1.zip").unlink()
    finally:
        subprocess.run(["umount", mounted], check=True)
