"""`manage.py seal_audit`: seals the audit log as it stands, without waiting for the end of the day."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from payments.audit import sealing
from payments.management.reporting import Exit, ReportingCommand


class Command(ReportingCommand):
    """Exit codes: 0 sealed; 4 a transaction is still writing, or another seal was made meanwhile: try again."""

    help = (
        "Seal every audit row written so far: before an export, in an incident. The cluster `keep` does it by itself "
        "once a day is over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", default="", help="why; written to the audit log with your name")
        self.add_json(parser)

    def handle(self, *_: Any, json: bool, **__: Any) -> None:
        self.record_run(at=timezone.now())
        seal = sealing.seal_now(now=timezone.now())
        if seal is None:
            lines = ["Not sealed: transactions are still writing, or another seal was made meanwhile. Try again."]
            self.finish({"sealed": False}, lines=lines, as_json=json, code=Exit.PARTIAL)
            return
        report = {"sealed": True, "number": seal.number, "rows": seal.row_count, "digest": seal.digest}
        lines = [f"anchor: {seal.number}:{seal.digest}", f"seal {seal.number}, {seal.row_count} rows"]
        self.finish(report, lines=lines, as_json=json)
