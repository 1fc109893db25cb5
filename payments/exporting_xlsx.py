"""Tables as XLSX, a row at a time: the same harmless cells as the CSV (payments/exporting.py), numbers as numbers.

Threats: as there. A text is written as a text, never as a formula, whatever it begins with; what XML forbids is gone.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import IO, Any

from django.http import FileResponse
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from payments.exporting import cell

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_CHARACTERS = 32_767
"""What a cell of a spreadsheet can hold."""
_TEXT, _NUMBER = "s", "n"


def download(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> FileResponse:
    """Return the table as a workbook that the browser saves under `name` (ASCII letters, digits, `-`, `_`, `.`)."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.xlsx", name):
        raise ValueError(f"{name!r} is no name for an XLSX file.")
    response = FileResponse(write(header, rows), content_type=CONTENT_TYPE)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def write(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> IO[bytes]:
    """Return the workbook as a file to be read from its beginning. Rows are not held in memory."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Export")
    for row in chain([header], rows):
        sheet.append([_cell(sheet, value) for value in row])
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    book.save(file)
    file.seek(0)
    return file


def _cell(sheet: Any, value: Any) -> Any:
    shown = cell(value)
    if isinstance(shown, str):
        text = WriteOnlyCell(sheet, value="")
        text.value = ILLEGAL_CHARACTERS_RE.sub("", shown)[:MOST_CHARACTERS]
        text.data_type = _TEXT
        return text
    number = WriteOnlyCell(sheet, value="")
    number.value = shown
    number.data_type = _NUMBER
    return number
