"""The two files of the guide's listing example, true to their kinds and sizes."""

from __future__ import annotations

import io
import zipfile

ZIP_BYTES = 7473
PDF_BYTES = 2408
_LONG_AGO = (2018, 12, 7, 14, 18, 34)


def demo_zip() -> bytes:
    """A readable archive of exactly 7,473 bytes."""
    empty = _zip(b"")
    return _zip(_text(ZIP_BYTES - len(empty)))


def _zip(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("results.csv", _LONG_AGO), content)
    return made.getvalue()


def _text(size: int) -> bytes:
    line = b"2018-12-07,app1,accepted\n"
    return (line * (size // len(line) + 1))[: size - 1] + b"\n"


def demo_pdf() -> bytes:
    """A one-page document of exactly 2,408 bytes."""
    bare = _pdf(0)
    return _pdf(PDF_BYTES - len(bare))


def _pdf(padding: int) -> bytes:
    text = b"BT /F1 18 Tf 72 720 Td (Results of app1) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    made = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    if padding:
        made += b"%" + b"-" * (padding - 2) + b"\n"
    table = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    made += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(made + b"startxref\n%010d\n%%%%EOF\n" % table)
