"""The documents are true: generated parts are fresh, links lead somewhere, walks can be walked.

A code block after <!-- run: NAME --> is executed. All blocks of one page and one name are one
script, in their order, in a directory of its own:

    demo      a demo runs, and .demo/ready.json tells where
    others    nothing runs, and the directory is empty
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_START = 30
SECONDS_TO_WALK = 120
HEADINGS = ["Context", "Options", "Decision", "What it costs"]

_FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_PORT = re.compile(r"127\.0\.0\.1:([0-9]{4,5})")
_BLOCK = re.compile(r"^<!-- run: (\w+) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes").glob("*.md")]
    return sorted(found)


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", _pages(), ids=_name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = _CODE.sub("", _FENCED.sub("", page.read_text(encoding="utf-8")))
    assert [link for link in _LINK.findall(text) if not _leads_somewhere(page, link)] == []


def _leads_somewhere(page: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return True
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not anchor or anchor in _anchors(target)


def _anchors(page: Path) -> set[str]:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_generated_references_are_up_to_date() -> None:
    command = [sys.executable, "scripts/reference", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


_RECORDS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


@pytest.mark.parametrize("record", _RECORDS, ids=_name)
def test_a_decision_has_context_options_decision_and_costs(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert text.startswith(f"# {record.name[:4]} ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(record.name[:4]) for record in _RECORDS]
    assert all(after == before + 1 for before, after in pairwise(numbers))


def test_every_dependency_has_its_reason_written_down() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    reasons = (ROOT / "docs/decisions/0009-dependencies.md").read_text(encoding="utf-8")
    lists = project.partition("\ndependencies = [")[2].partition("[project.scripts]")[0]
    names = re.findall(r'"([a-z0-9-]+)(?:\[|[><="])', lists)
    assert [name for name in names if f"**{name}**" not in reasons] == []


# --- walks ---------------------------------------------------------------------------------------


def _walks() -> Iterator[tuple[Path, str]]:
    for page in _pages():
        for name in dict.fromkeys(block[0] for block in _BLOCK.findall(page.read_text("utf-8"))):
            yield page, name


def _script(page: Path, walk: str) -> str:
    """What the page says to type, on ports that are free here."""
    ports = defaultdict(_free_port)
    parts = ["set -euo pipefail"]
    for name, language, code in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if name == walk:
            parts.append(
                code if language == "bash" else f"python3 - <<'END_OF_BLOCK'\n{code}END_OF_BLOCK"
            )
    return _PORT.sub(lambda found: f"127.0.0.1:{ports[found[1]]}", "\n".join(parts))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


_ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory that a demo was started in, as README.md says."""
    directory = tmp_path_factory.mktemp("walk")
    (directory / "examples").symlink_to(ROOT / "examples")
    ready, said = directory / ".demo" / "ready.json", directory / "demo.txt"
    ports = ["--http-port", "0", "--s3-port", "0", "--sftp-port", "0"]
    with said.open("wb") as out:
        process = subprocess.Popen(
            ["transom-server", "demo", *ports, "--ready-file", ".demo/ready.json"],
            cwd=directory,
            env=_ENVIRONMENT,
            stdout=out,
            stderr=out,
        )
    try:
        until = time.monotonic() + SECONDS_TO_START
        while not ready.exists():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.05)
        yield directory
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(
    ("page", "walk"),
    list(_walks()),
    ids=lambda each: _name(each) if isinstance(each, Path) else each,
)
def test_what_a_page_says_to_type_works(
    page: Path, walk: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    directory = request.getfixturevalue("demo") if walk == "demo" else tmp_path
    process = subprocess.Popen(
        ["bash", "-e", "-c", _script(page, walk)],
        cwd=directory,
        env=_ENVIRONMENT | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=SECONDS_TO_WALK)
    finally:
        _end_group(process.pid)
    assert process.returncode == 0, said


def _end_group(leader: int) -> None:
    """Whatever a walk left running ends with it."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
