"""`manage.py export_audit`: the audit log with its seals, to be kept and checked elsewhere (docs/audit.md)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import date
from typing import IO, Any

from django.core.management.base import CommandParser
from django.utils import timezone

from payments import exporting
from payments.audit import export as audit_export
from payments.audit import recording as audit
from payments.audit.events import Event
from payments.management.days import day
from payments.management.reporting import ReportingCommand, usage
from payments.models import AuditSeal

FORMATS = ("jsonl", "csv")
TOLD_EVERY = 5_000


class Command(ReportingCommand):
    """Exit codes: 0 written; 2 usage, or the file is there already."""

    help = (
        "Write the audit log as JSON lines, from which the seals can be computed again, or as CSV, to read. The export "
        "is itself recorded, before its first line is written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=day, metavar="DAY", help="from the seals of this day (UTC) on")
        parser.add_argument("--until", type=day, metavar="DAY", help="to the seals of this day; empty: to the end")
        parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
        parser.add_argument("--output", metavar="FILE", help="a new file, readable by you only; empty: stdout")
        parser.add_argument("--reason", default="", help="why; written to the audit log with your name")
        self.add_json(parser)

    def handle(self, *_: Any, since: date | None, until: date | None, json: bool, **options: Any) -> None:
        if json and not options["output"]:
            raise usage("With --json the report goes to stdout: name a file for the export with --output.")
        out = _open(options["output"]) if options["output"] else None
        asked = {"what": "audit log", "format": options["format"], "since": str(since or ""), "until": str(until or "")}
        now = audit.current()
        audit.record(Event.EXPORTED, actor=now.actor, reason=now.reason, details=asked, at=timezone.now())
        counts = {"rows": 0, "seals": 0}
        entries = self._counted(audit_export.export(since=since, until=until), counts)
        for line in _lines(entries, options["format"]):
            (out or self.stdout).write(line if out else line.rstrip("\r\n"))
        if out:
            out.close()
        summary = f"{counts['rows']} rows, {counts['seals']} seals"
        if out is None:
            self.stderr.write(summary)
        else:
            self.finish({**asked, **counts, "output": options["output"]}, lines=[summary], as_json=json)

    def _counted(self, entries: Iterable[Any], counts: dict[str, int]) -> Iterator[Any]:
        for each in entries:
            counts["seals" if isinstance(each, AuditSeal) else "rows"] += 1
            if counts["rows"] % TOLD_EVERY == 0:
                self.progress(f"{counts['rows']} rows, {counts['seals']} seals")
            yield each


def _lines(entries: Iterator[Any], format_: str) -> Iterator[str]:
    if format_ == "csv":
        return exporting.lines(audit_export.CSV_HEADER, (audit_export.as_csv_row(each) for each in entries))
    return (audit_export.as_json_line(each) + "\n" for each in entries)


def _open(name: str) -> IO[str]:
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise usage(f"{name} is there already: name a new file.") from None
    except OSError as error:
        raise usage(f"{name} cannot be written: {error.strerror}.") from None
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")
