"""`manage.py import_bank FILE`: brings the lines of a bank statement in and matches them to payouts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from payments.bank import camt as bank_camt
from payments.bank import csv_files as bank_csv
from payments.bank import importing as bank_import
from payments.bank import matching as bank_matching
from payments.bank.statements import MAX_FILE_BYTES, MOST_NAMED, BadLines, BadStatement, StatementLine
from payments.management.reporting import Exit, ReportingCommand, usage


class Command(ReportingCommand):
    """Exit codes: 0 imported (also when nothing was new); 2 usage, or no statement at all; 3 some lines cannot be read:
    they are named, and nothing was imported."""

    help = (
        "Import a bank statement (CSV by a column map, or CAMT.053) and match its lines to payouts. All of the file or"
        " nothing; the same file again brings nothing new."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the statement")
        parser.add_argument("--account", default="", help="what to call our bank account (CAMT.053 names it itself)")
        parser.add_argument("--format", dest="form", choices=("csv", "camt053"), help="by default as the file begins")
        parser.add_argument(
            "--map", dest="map_file", metavar="FILE.toml", help="which column is what (docs/payouts.md)"
        )
        parser.add_argument("--dry-run", action="store_true", help="read it and say what is new; write nothing")
        self.add_json(parser)

    def handle(self, *_: Any, json: bool, file: str, dry_run: bool, **options: Any) -> None:
        path = Path(file)
        content = _content(path)
        self.progress(f"Reading {path.name}")
        try:
            lines = _lines(content, **options)
        except BadStatement as error:
            raise usage(str(error)) from error
        except BadLines as error:
            self._name_bad_lines(path.name, error, as_json=json)
            return
        at = timezone.now()
        digest = hashlib.sha256(content).hexdigest()
        if not dry_run:
            self.record_run(at=at, file=path.name[:200], sha256=digest, lines=len(lines))
        self.progress(f"Writing what is new of {len(lines)} lines")
        done = bank_import.store(lines, file_digest=digest, at=at, dry_run=dry_run)
        matched = 0 if dry_run else bank_matching.match_open_lines(at=at)
        unmatched = bank_matching.unmatched().count()
        report = {
            "file": path.name,
            "lines": len(lines),
            "new": done.new,
            "known": done.known,
            "matched": matched,
            "unmatched": unmatched,
            "bad": [],
            "dry_run": dry_run,
        }
        would = "would be " if dry_run else ""
        summary = (
            f"{path.name}: {len(lines)} lines; {done.new} {would}new, {done.known} known; {matched} matched to payouts,"
            f" {unmatched} wait for a person"
        )
        self.finish(report, lines=[summary], as_json=json)

    def _name_bad_lines(self, name: str, error: BadLines, *, as_json: bool) -> None:
        bad = [{"line": each.number, "why": each.why} for each in error.bad[:MOST_NAMED]]
        report = {"file": name, "lines": 0, "new": 0, "known": 0, "matched": 0, "bad": bad, "bad_lines": len(error.bad)}
        told = [f"line {each['line']}: {each['why']}" for each in bad]
        if len(error.bad) > len(bad):
            told.append(f"and {len(error.bad) - len(bad)} more")
        lines = [*told, f"{name}: {error} Nothing was imported."]
        self.finish(report, lines=lines, as_json=as_json, code=Exit.FINDINGS)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise usage(f"The file is larger than {MAX_FILE_BYTES // 2**20} MiB; split it by days.")
        return path.read_bytes()
    except OSError as error:
        raise usage(f"The file cannot be read: {error.strerror}.") from error


def _lines(content: bytes, *, account: str, form: str | None, map_file: str | None, **_: Any) -> list[StatementLine]:
    if (form or ("camt053" if bank_camt.looks_like_it(content) else "csv")) == "camt053":
        return bank_camt.read(content, account=account)
    if not account:
        raise usage("Name our bank account with --account: a CSV does not say which it is.")
    how = bank_csv.DEFAULT_MAP
    if map_file:
        try:
            how = bank_csv.read_map(Path(map_file).read_text(encoding="utf-8"))
        except (OSError, UnicodeError) as error:
            raise usage(f"The map cannot be read: {error}.") from error
        except bank_csv.BadMap as error:
            raise usage(str(error)) from error
    return bank_csv.read(content, how=how, account=account)
