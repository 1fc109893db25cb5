"""`manage.py verify_ledger`: does the ledger balance, and agree with every cause of a posting (docs/ledger.md)?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db import DatabaseError
from django.utils import timezone

from payments.audit import recording as audit
from payments.ledger import check as ledger_check
from payments.ledger import watch as ledger_watch
from payments.ledger.check import MOST_FINDINGS, Checked
from payments.management.reporting import Exit, ReportingCommand
from payments.snapshot import one_snapshot

SHOWN = 50
"""Findings shown without --json."""


class Command(ReportingCommand):
    """Exit codes: 0 the ledger is right; 3 it is not: each finding is a line with its remedy."""

    help = (
        "Verify the ledger: every transaction and each currency sums to zero, every account is of the chart, and each "
        "cause and its posting agree both ways. Reads everything by key, changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_json(parser)

    def handle(self, *_: Any, json: bool, **__: Any) -> None:
        begun = timezone.now()
        with one_snapshot():
            checked = ledger_check.check(told=lambda stage, seen: self.progress(f"{stage}: {seen} rows"))
        try:
            ledger_watch.remember(
                checked, begun_at=begun, at=timezone.now(), actor=audit.name_of(audit.current().actor)
            )
        except DatabaseError as error:  # a standby answers too; the result counts
            self.stderr.write(f"The result could not be kept for `status` ({type(error).__name__}).")
        code = Exit.FINDINGS if checked.findings else Exit.CLEAN
        self.finish(_report(checked), lines=_lines(checked), as_json=json, code=code)


def _report(checked: Checked) -> dict[str, Any]:
    return {
        "transactions": checked.transactions,
        "causes": checked.causes,
        "findings": [finding.as_json() for finding in checked.findings],
        "finding_count": len(checked.findings),
        "stopped": len(checked.findings) >= MOST_FINDINGS,
    }


def _lines(checked: Checked) -> list[str]:
    count = len(checked.findings)
    hidden = count - SHOWN
    many = f"{MOST_FINDINGS} or more findings" if count >= MOST_FINDINGS else f"{count} finding{'s'[: count != 1]}"
    return [
        *(str(finding) for finding in checked.findings[:SHOWN]),
        *([f"and {hidden} further ones; --json shows them"] if hidden > 0 else []),
        f"{checked.transactions} transactions and {checked.causes} causes compared, {many}",
    ]
