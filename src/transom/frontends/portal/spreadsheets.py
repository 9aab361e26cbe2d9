"""Tables as CSV files, which a spreadsheet opens without doing what a cell says."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import chain

from starlette.responses import StreamingResponse

from transom.frontends.portal import pages
from transom.frontends.portal.calls import Call

_MEDIA_TYPE = "text/csv; charset=utf-8"
# Excel takes a CSV file without it for one of the machine's own code page; people who export from
# pages read it there. Programs have the API.
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_DOES_SOMETHING = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = Sequence[str]


async def answer(
    call: Call, name: str, head: Row, rows: Iterator[Iterable[Row]]
) -> StreamingResponse:
    """A CSV file (RFC 4180) of this name, its rows sent page by page as they are read.

    What fails while the first page is read is raised, and has a status of its own.
    """
    first = await call.run(next, rows, ())
    headers = dict(pages.answer(b"", _MEDIA_TYPE).headers)
    del headers["content-length"]
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return StreamingResponse(_text(call, head, chain([first], rows)), 200, headers)


async def _text(call: Call, head: Row, rows: Iterator[Iterable[Row]]) -> AsyncIterator[bytes]:
    yield (_MARK + _lines([head])).encode()
    while (page := await call.run(next, rows, None)) is not None:
        yield _lines(page).encode()


def _lines(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)  # fields with commas, quotes or line ends quoted; lines end in CRLF
    for row in rows:
        writer.writerow([defused(each) for each in row])
    return text.getvalue()


def defused(cell: str) -> str:
    """A cell that a spreadsheet takes for text, whatever it begins with."""
    return f"'{cell}" if cell.startswith(_DOES_SOMETHING) else cell
