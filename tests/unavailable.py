"""What this machine cannot run: left out with its reason, or a failure when all must run."""

import os
from collections import Counter
from collections.abc import Iterable
from typing import NoReturn

import pytest

CANNOT_RUN = "cannot run here: "


def missing(what: str, why: str) -> NoReturn:
    """Leave the running test (or the module being imported) out, because `what` is missing.

    With TRANSOM_TESTS=all it fails instead: a green run then means that everything ran.
    """
    line = f"{CANNOT_RUN}{what}: {why}"
    if os.environ.get("TRANSOM_TESTS") == "all":
        pytest.fail(line, pytrace=False)
    pytest.skip(line, allow_module_level=True)


def reasons(skipped: Iterable[pytest.TestReport | pytest.CollectReport]) -> Counter[str]:
    """Count, by reason, what was left out by `missing`, as told by pytest's own reports.

    Reports also arrive from the worker processes of pytest-xdist; variables would not.
    """
    found: Counter[str] = Counter()
    for report in skipped:
        told = report.longrepr[2] if isinstance(report.longrepr, tuple | list) else ""
        _, mark, reason = str(told).partition(CANNOT_RUN)
        if mark:
            found[reason] += 1
    return found
