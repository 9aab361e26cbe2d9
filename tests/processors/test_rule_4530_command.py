"""The command that serves r4530/in: what it is told, and what it ends with."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from connector.gateway_server import USER, gateway

from transom.processors.rule_4530.__main__ import main


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """The command makes some loggers quiet, for the whole process."""
    loggers = [logging.getLogger(name) for name in ("httpx2", "httpcore2")]
    before = [each.level for each in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def options(url: str, path: Path) -> list[str]:
    return ["--url", url, "--user", USER, "--password-file", str(path)]


def test_a_wrong_secret_ends_it_with_the_code_for_sign_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "secret"
    path.write_text("wrong")
    with gateway() as server:
        assert main(options(server.url, path)) == 4
    assert capsys.readouterr().err.startswith("Error: ")


def test_a_file_that_is_not_there_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "missing"
    assert main(options("https://filex.example", path)) == 2
    assert capsys.readouterr().err == f"Error: No such file or directory: {path}\n"


def test_what_it_needs_must_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--url", "https://filex.example"])
    assert ended.value.code == 2
    assert "--password-file" in capsys.readouterr().err
