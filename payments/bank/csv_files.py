"""Bank statements as CSV, by a map that says which column is what (docs/payouts.md, “The column map”).

Threats: a file that is no text, or not in the encoding named (refused as a whole); rows of other lengths than the
header, unbalanced quotes, amounts in another notation (each named by its line, nothing is used); a huge file (capped
before it is read).
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from payments.bank.statements import BadLine, BadLines, BadStatement, BadValue, StatementLine, minor_units

COLUMNS = ("date", "amount", "credit", "debit", "direction", "currency", "reference", "counterparty")
_TEXTS = ("encoding", "delimiter", "decimal", "thousands", "date_format", "currency", "sign")


class BadMap(ValueError):
    """The column map cannot be used; the message says which of its settings to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """How a bank writes its CSV. `columns`: our name → the file's headers (several are joined by a blank).

    The amount stands in `amount` (signed; `sign` = "inverted" where the bank writes what it took as positive), or in
    `credit` and `debit`, or unsigned in `amount` with one of `debit_words` in `direction`.
    """

    columns: Mapping[str, tuple[str, ...]]
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    skip_lines: int = 0
    decimal: str = "."
    thousands: str = ""
    date_format: str = "%Y-%m-%d"
    currency: str = ""
    sign: str = "as_is"
    debit_words: tuple[str, ...] = field(default=())


DEFAULT_MAP = ColumnMap(
    columns={
        "date": ("date",),
        "amount": ("amount",),
        "currency": ("currency",),
        "reference": ("reference",),
        "counterparty": ("counterparty",),
    }
)
"""What a file with these very headers needs no map for."""


def read_map(text: str) -> ColumnMap:
    """Return the map written in TOML. Raises BadMap for anything it does not know or cannot use."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadMap(f"The map is no TOML: {error}.") from error
    known = {*_TEXTS, "skip_lines", "debit_words", "columns"}
    if unknown := sorted(set(told) - known):
        raise BadMap(f"The map knows no {', '.join(unknown)}; it knows {', '.join(sorted(known))}.")
    settings: dict[str, Any] = {name: _text(told, name) for name in _TEXTS if name in told}
    if "skip_lines" in told:
        if type(told["skip_lines"]) is not int or told["skip_lines"] < 0:
            raise BadMap("skip_lines must be a whole number from 0.")
        settings["skip_lines"] = told["skip_lines"]
    if "debit_words" in told:
        settings["debit_words"] = _texts(told["debit_words"], "debit_words")
    return _usable(ColumnMap(columns=_columns(told.get("columns")), **settings))


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told[name]
    if not isinstance(value, str):
        raise BadMap(f"{name} must be a text.")
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) and each for each in listed):
        raise BadMap(f"{name} must be a text, or a list of them.")
    return tuple(listed)


def _columns(told: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(told, dict) or not told:
        raise BadMap("The map needs a table [columns] that says at least where date and amount stand.")
    if unknown := sorted(set(told) - set(COLUMNS)):
        raise BadMap(f"[columns] knows no {', '.join(unknown)}; it knows {', '.join(COLUMNS)}.")
    return {name: _texts(value, f"columns.{name}") for name, value in told.items()}


def _usable(how: ColumnMap) -> ColumnMap:
    columns = how.columns
    one_of_two = ("amount" in columns) != ("credit" in columns and "debit" in columns)
    rules = (
        ("date" in columns, "[columns] must say where the date stands."),
        (one_of_two, "[columns] must have either amount, or both credit and debit."),
        ("currency" in columns or bool(how.currency), "Name the currency's column, or set currency for all lines."),
        (("direction" in columns) == bool(how.debit_words), "columns.direction and debit_words go together."),
        (how.sign in ("as_is", "inverted"), "sign must be “as_is” or “inverted”."),
        (how.decimal in (".", ",") and how.thousands != how.decimal, "decimal must be “.” or “,”, thousands another."),
        (len(how.thousands) <= 1, "thousands must be one sign, or empty."),
        (len(how.delimiter) == 1 and how.delimiter not in '"\r\n', "delimiter must be one character."),
        (_is_known(how.encoding), f"There is no encoding {how.encoding[:40]!r}."),
    )
    for holds, why in rules:
        if not holds:
            raise BadMap(why)
    return how


def _is_known(encoding: str) -> bool:
    try:
        "".encode(encoding)
    except (LookupError, UnicodeError):
        return False
    return True


def read(content: bytes, *, how: ColumnMap, account: str) -> list[StatementLine]:
    """Return the lines of a file, those of amount 0 left out. Raises BadStatement, BadLines."""
    try:
        text = content.decode(how.encoding)
    except UnicodeError as error:
        raise BadStatement(f"The file is not in {how.encoding}; set encoding in the map.") from error
    kept = text.splitlines(keepends=True)[how.skip_lines :]
    rows = _rows(csv.reader(io.StringIO("".join(kept), newline=""), delimiter=how.delimiter, strict=True))
    try:
        number, header = next(rows, (0, []))
    except csv.Error as error:
        raise BadStatement(f"The file is no CSV from its first line on ({error}).") from error
    at = _positions(header, how)
    lines: list[StatementLine] = []
    bad: list[BadLine] = []
    try:
        for number, row in rows:
            try:
                lines.append(_line(row, at, how, number=number + how.skip_lines, account=account, width=len(header)))
            except BadValue as why:
                bad.append(BadLine(number=number + how.skip_lines, why=str(why)))
    except csv.Error as error:
        bad.append(BadLine(number=number + how.skip_lines + 1, why=f"it is no CSV from here on ({error})"))
    if bad:
        raise BadLines(bad)
    return [line for line in lines if line.amount_minor]


def _rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty, with the line it ends on."""
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _positions(header: list[str], how: ColumnMap) -> dict[str, list[int]]:
    names = [cell.strip() for cell in header]
    wanted = {column for columns in how.columns.values() for column in columns}
    if missing := sorted(wanted - set(names)):
        raise BadStatement(
            f"The file has no column {', '.join(missing)}; its header reads {', '.join(names)[:300] or '(nothing)'}."
            " Give a map with --map, or set delimiter or skip_lines in it."
        )
    if twice := sorted(name for name in wanted if names.count(name) > 1):
        raise BadStatement(f"The column {', '.join(twice)} stands twice in the header.")
    return {ours: [names.index(column) for column in columns] for ours, columns in how.columns.items()}


def _line(
    row: list[str], at: Mapping[str, list[int]], how: ColumnMap, *, number: int, account: str, width: int
) -> StatementLine:
    if len(row) != width:
        raise BadValue(f"it has {len(row)} columns, the header has {width}")
    cells = {ours: " ".join(filter(None, (row[i].strip() for i in where))) for ours, where in at.items()}
    if any("\x00" in cell for cell in cells.values()):
        raise BadValue("it has a NUL character")
    currency = (cells.get("currency") or how.currency).upper()
    return StatementLine(
        number=number,
        account=account,
        booked_on=_date(cells["date"], how.date_format),
        amount_minor=_amount(cells, currency, how),
        currency=currency,
        reference=cells.get("reference", ""),
        counterparty=cells.get("counterparty", ""),
    )


def _date(text: str, form: str) -> date:
    try:
        return datetime.strptime(text, form).date()  # noqa: DTZ007 - a bank books on a day, without a time
    except ValueError:
        raise BadValue(f"the date is not written as {form}") from None


def _amount(cells: Mapping[str, str], currency: str, how: ColumnMap) -> int:
    def read_one(name: str) -> int:
        return minor_units(cells[name], currency, decimal=how.decimal, thousands=how.thousands)

    if "amount" not in cells:
        if bool(cells["credit"]) == bool(cells["debit"]):
            raise BadValue("exactly one of credit and debit must hold an amount")
        return abs(read_one("credit")) if cells["credit"] else -abs(read_one("debit"))
    amount = read_one("amount")
    if how.debit_words:
        amount = -abs(amount) if cells["direction"] in how.debit_words else abs(amount)
    return -amount if how.sign == "inverted" else amount
