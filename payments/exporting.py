"""Tables as CSV that a spreadsheet opens as text and nothing else, a line at a time: every export of the shop is one.

Threats: a cell that a spreadsheet takes for a formula (CWE-1236: a shopper's name, a provider's text), line breaks and
control characters that forge rows, bidirectional marks that make a cell read as another one, and a table too long for
the memory. Numbers of ours stay numbers: only text is put in quotes.

Record the export (audit.record, Event.EXPORTED) before the first line leaves.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from django.http import FileResponse, StreamingHttpResponse

from integrations import redaction

BYTE_ORDER_MARK = "\ufeff"
"""Tells spreadsheets that the file is UTF-8."""

_FORMULA_SIGNS = frozenset("=+-@")
_SKIPPED = " \u00a0\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
"""What a spreadsheet may pass over before it looks for one: blanks and marks without width."""
_LINES_AT_ONCE = 200


def lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a table as CSV (RFC 4180), the header first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    for row in chain([header], rows):
        writer.writerow([cell(value) for value in row])
        yield _taken(buffer)


def cell(value: Any) -> str | int | Decimal:
    """Return a value as it stands in a cell: numbers as they are, times in UTC, all else as harmless text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Decimal):
        return value
    return harmless(_text(value))


def harmless(text: str) -> str:
    """Return `text` as one line that no spreadsheet takes for a formula."""
    shown = redaction.one_line(text)
    # Full-width and other forms of the signs count as the signs.
    first = unicodedata.normalize("NFKC", shown.lstrip(_SKIPPED)[:1])
    return f"'{shown}" if first in _FORMULA_SIGNS else shown


def download_as(
    form: str, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse | FileResponse:
    """Return the table as `form` ("csv" or "xlsx"), saved under `name` and that ending."""
    if form == "csv":
        return download(f"{name}.csv", header, rows)
    from payments import exporting_xlsx  # noqa: PLC0415 - its library would make every process start a tenth later

    return exporting_xlsx.download(f"{name}.xlsx", header, rows)


def download(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """Return the table as a file that the browser saves under `name` (ASCII letters, digits, `-`, `_`, `.`)."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.csv", name):
        raise ValueError(f"{name!r} is no name for a CSV file.")
    response = StreamingHttpResponse(_in_pieces(lines(header, rows)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _in_pieces(told: Iterator[str]) -> Iterator[bytes]:
    yield BYTE_ORDER_MARK.encode()
    piece: list[str] = []
    for line in told:
        piece.append(line)
        if len(piece) >= _LINES_AT_ONCE:
            yield "".join(piece).encode("utf-8", "replace")
            piece.clear()
    yield "".join(piece).encode("utf-8", "replace")


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, str | date | uuid.UUID):
        return str(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
