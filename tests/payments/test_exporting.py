"""Exports: nothing in them is a formula, a second line or a control sequence, whatever a provider or shopper typed."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from payments import exporting
from tests.hostile import FORMULAS, TEXTS


def read(lines: Iterator[str]) -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(lines), newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str) -> None:
    shown = exporting.harmless(text)
    assert shown.startswith("'")
    (header, (cell,)) = read(exporting.lines(["name"], [[text]]))
    assert (header, cell) == (["name"], shown)


@pytest.mark.parametrize("text", TEXTS)
def test_every_row_is_one_line_and_every_cell_comes_back(text: str) -> None:
    lines = list(exporting.lines(["a", "b"], [[text, "x"], ["y", text]]))
    assert [line.count("\n") for line in lines] == [1, 1, 1]
    assert all(line.endswith("\r\n") and "\r" not in line[:-2] for line in lines)
    rows = read(iter(lines))[1:]
    assert [len(row) for row in rows] == [2, 2]
    assert rows[0][0] == rows[1][1] == exporting.harmless(text)
    assert not any(ord(character) < 0x20 or 0x202A <= ord(character) <= 0x202E for character in rows[0][0])


@pytest.mark.parametrize("text", ["Mug", "5 % off", "a=b", "ann@example.com", "7-up", "", "'quoted'", "é ü 猫"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert exporting.harmless(text) == text


def test_numbers_stay_numbers_and_other_values_are_readable() -> None:
    values: list[Any] = [
        -1500, Decimal("-15.00"), None, True, datetime(2026, 11, 21, 12, 0, tzinfo=UTC), {"b": 1, "a": "=1"}, "-1500",
    ]  # fmt: skip
    (line,) = list(exporting.lines(["x"], [values]))[1:]
    assert line == '-1500,-15.00,"","yes","2026-11-21 12:00:00","{""a"": ""=1"", ""b"": 1}","\'-1500"\r\n'


def test_a_download() -> None:
    response = exporting.download("cases.csv", ["a"], [["é"]])
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="cases.csv"'
    assert b"".join(response) == b'\xef\xbb\xbf"a"\r\n"\xc3\xa9"\r\n'


@pytest.mark.parametrize("name", ["../x.csv", 'a".csv', "a\r\nb.csv", "a.html", "ü.csv", ""])
def test_file_names_are_plain(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a CSV file"):
        exporting.download(name, [], [])


def test_a_long_table_is_not_held_in_memory() -> None:
    tracemalloc.start()
    rows = ([number, "x" * 100] for number in range(20_000))
    size = sum(len(line) for line in exporting.lines(["a", "b"], rows))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 2_000_000
    assert peak < 500_000
