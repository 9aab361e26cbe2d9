"""The command: serves r4530/in until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from transom.client.errors import ClientError
from transom.processors.rule_4530.processor import worker_for

_INTERRUPTED = 130
_WRONG_USE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the processor; returns the exit code, which is the client's where a server refused."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a line per request is too much
    try:
        secret = asked.password_file.read_text(encoding="utf-8").strip()
        worker_for(asked.url, asked.user, secret, asked.ca_file).run()
    except OSError as failure:
        return _end(f"{failure.strerror}: {failure.filename}", _WRONG_USE)
    except ClientError as failure:
        return _end(failure.message, failure.exit_code)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m transom.processors.rule_4530",
        description="Take Rule 4530 filings from an exchange, judge them, and answer.",
    )
    parser.add_argument("--url", required=True, help="the exchange, https://filex.example")
    parser.add_argument("--user", required=True, help="the name of the application's account")
    parser.add_argument(
        "--password-file", required=True, type=Path, help="a file with its secret, and no more"
    )
    parser.add_argument("--ca-file", type=Path, help="a root to trust beside the system's (PEM)")
    return parser


def _end(message: str, code: int) -> int:
    sys.stderr.write(f"Error: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
