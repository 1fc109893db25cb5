"""Workbooks: the same harmless cells as the CSV, numbers as numbers, never a formula."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import load_workbook

from payments import exporting, exporting_xlsx
from tests.hostile import FORMULAS, TEXTS


def read(header: list[str], rows: list[list[Any]]) -> list[list[Any]]:
    """The cells as a spreadsheet reads them: (kind, value)."""
    with exporting_xlsx.write(header, rows) as file:
        sheet = load_workbook(file)["Export"]
        return [[(cell.data_type, cell.value) for cell in row] for row in sheet.iter_rows()]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str) -> None:
    for rows in (read([text], [["x"]]), read(["x"], [[text]])):
        kinds = {kind for row in rows for kind, _ in row}
        assert kinds == {"s"}, "a formula would be of kind f"


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_comes_back_harmless(text: str) -> None:
    (_, ((kind, value),)) = read(["a"], [[text]])
    harmless = exporting.harmless(text)
    assert (kind, value or "") in (("s", harmless), ("n", harmless), ("s", harmless.strip()))


def test_numbers_stay_numbers() -> None:
    row = [-1500, Decimal("-15.05"), None, datetime(2026, 11, 21, 12, 0, tzinfo=UTC), "-1500"]
    (_, cells) = read(["a"] * 5, [row])
    assert [kind for kind, _ in cells][:2] == ["n", "n"]
    assert (cells[0][1], str(cells[1][1])) == (-1500, "-15.05")
    assert cells[3] == ("s", "2026-11-21 12:00:00")
    assert cells[4] == ("s", "'-1500")


def test_a_cell_too_long_for_a_spreadsheet_is_cut() -> None:
    (_, ((_, value),)) = read(["a"], [["x" * 40_000]])
    assert len(value) == exporting_xlsx.MOST_CHARACTERS


@pytest.mark.parametrize("name", ["", "../a.xlsx", "a.csv", 'a".xlsx', "a\r\nb.xlsx"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        exporting_xlsx.download(name, ["a"], [])
