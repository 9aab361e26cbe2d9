"""The import contracts hold on the tree, and each of them breaks on a violation planted for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}
VIOLATIONS = {
    "Layers point downwards": ("core/browse.py", "import transom.server.settings"),
    "Front ends do not know one another": ("rest/wire.py", "import transom.frontends.s3.wire"),
    "Only the core reads and writes records": (
        "rest/wire.py",
        "import transom.records.listings",
    ),
    "Concrete stores and messengers are chosen in one place": (
        "core/browse.py",
        "import transom.blobs.disk",
    ),
    "Only the core decides permissions": ("rest/routes.py", "import transom.domain.permission"),
    "Client, connector and processors stand alone": (
        "client/values.py",
        "import transom.domain.names",
    ),
    "Rules are plain Python": ("domain/space.py", "import sqlalchemy"),
}


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of the package under this directory."""
    script = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [script, "--no-cache", "--config", directory / "pyproject.toml"],
        cwd=directory,
        env={"PYTHONPATH": str(directory / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its settings."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    found = lint(copy)

    assert found.returncode == 0, found.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in found.stdout


def test_every_contract_has_a_violation_planted_for_it() -> None:
    assert set(VIOLATIONS) == set(CONTRACTS)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_planted_violation_breaks_its_contract(copy: Path, name: str) -> None:
    path, line = VIOLATIONS[name]
    (place,) = (copy / "src" / "transom").glob(f"**/{path}")
    place.write_text(f"{place.read_text()}\n{line}\n")

    found = lint(copy)

    assert found.returncode == 1, found.stdout
    assert re.search(rf"^{re.escape(name)} BROKEN", found.stdout, re.MULTILINE), found.stdout


def test_a_new_top_level_package_must_be_given_its_place(copy: Path) -> None:
    place = copy / "src" / "transom" / "somewhere"
    place.mkdir()
    (place / "__init__.py").touch()

    found = lint(copy)

    assert found.returncode != 0
    assert "somewhere" in found.stdout + found.stderr
