"""The feedback file: everything that was found, as XML, kept on disk when there is much of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Self
from xml.sax.saxutils import escape

from transom.connector import Finding, Job, Outcome

MOST_LISTED = 100_000
_IN_MEMORY_BYTES = 1 << 20
_LONGEST_STEM = 237 - len("feedback_.xml")  # of what may be published; names are ASCII
_ATTRIBUTE = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def feedback_name(file_name: str) -> str:
    """The name of a file's feedback, feedback_4530_2026Q4.xml; cut where it would be too long."""
    stem = file_name[:-4] if file_name.lower().endswith(".xml") else file_name
    return f"feedback_{stem[:_LONGEST_STEM]}.xml"


class Feedback:
    """Gathers findings, and is written once when all is known.

    The same submission always gives the same bytes: no time of processing is in them. At most
    100,000 findings are listed; all are counted.
    """

    def __init__(self) -> None:
        self._listed = 0
        self.count = 0
        self._lead = b""
        self._list: IO[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed in __exit__
            _IN_MEMORY_BYTES
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._list.close()

    def lead(self, finding: Finding) -> None:
        """Count the one that is listed before all others."""
        self.count += 1
        self._lead = _line(finding)

    def add(self, finding: Finding) -> None:
        """List one more finding, or count it where the list is full."""
        self.count += 1
        if self._listed < MOST_LISTED:
            self._listed += 1
            self._list.write(_line(finding))

    @contextmanager
    def written(self, job: Job, outcome: Outcome, good: int, bad: int) -> Iterator[IO[bytes]]:
        """The whole file, at its start. `good` and `bad` count complaints."""
        head = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<filings-3070-feedback outcome={_quoted(outcome)}>\n"
            f"  <submission tracking-id={_quoted(job.tracking_id)}"
            f" file-name={_quoted(job.file_name)} size={_quoted(str(job.size))}"
            f" sha256={_quoted(job.sha256)}/>\n"
            f'  <complaints read="{good + bad}" good="{good}" bad="{bad}"/>\n'
            f'  <findings count="{self.count}" listed="{self._listed + bool(self._lead)}"/>\n'
        )
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as whole:
            whole.write(head.encode() + self._lead)
            self._list.seek(0)
            shutil.copyfileobj(self._list, whole)
            whole.write(b"</filings-3070-feedback>\n")
            whole.seek(0)
            yield whole


def _line(finding: Finding) -> bytes:
    at = f"record={_quoted(finding.record)} field={_quoted(finding.field)}"
    line = f"  <finding {at} code={_quoted(finding.code)}>{_text(finding.text)}</finding>\n"
    return line.encode()


def _quoted(text: str) -> str:
    return f'"{_text(text, _ATTRIBUTE)}"'


def _text(text: str, also: dict[str, str] | None = None) -> str:
    return escape(text, also or {})
