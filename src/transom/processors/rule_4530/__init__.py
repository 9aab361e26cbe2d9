"""The processor of FINRA Rule 4530 filings (r4530). See docs/reference/rule-4530.md.

`python -m transom.processors.rule_4530` is a service; `worker_for` embeds it.
"""

from __future__ import annotations

from transom.processors.rule_4530.processor import worker_for

__all__ = ["worker_for"]
