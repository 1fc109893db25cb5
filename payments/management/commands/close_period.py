"""`manage.py close_period YYYY-MM`: verifies the ledger and freezes the month's trial balance (docs/ledger.md)."""

from __future__ import annotations

import argparse
import re
from datetime import date
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from payments.audit import recording as audit
from payments.ledger import check as ledger_check
from payments.ledger import periods as accounting_periods
from payments.ledger import watch as ledger_watch
from payments.ledger.check import Checked, amount_text
from payments.ledger.periods import CannotClose
from payments.management.reporting import Exit, ReportingCommand, refused
from payments.models import AccountingPeriod
from payments.snapshot import one_snapshot


class Command(ReportingCommand):
    """Exit codes: 0 closed, now or before; 2 usage; 3 the ledger is not right; 5 refused: the month is not over, or an
    earlier one is open."""

    help = (
        "Close a month: verify the ledger, freeze the month's trial balance, and let nothing be posted into it any "
        "more. Closing it again changes nothing and says the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("month", type=_month, metavar="YYYY-MM")
        parser.add_argument("--reason", default="", help="why; written to the audit log with your name")
        self.add_json(parser)

    def handle(self, *_: Any, month: date, json: bool, **__: Any) -> None:
        known = accounting_periods.closed(month)
        if known is not None:
            self.finish(_report(known), lines=_lines(known), as_json=json)
            return
        try:
            accounting_periods.check_closable(month, at=timezone.now())
            checked = self._verify()
            if checked.findings:
                report = {"closed": False, "findings": [finding.as_json() for finding in checked.findings]}
                lines = [*map(str, checked.findings[:10]), f"{month:%Y-%m} stays open: the ledger is not right"]
                self.finish(report, lines=lines, as_json=json, code=Exit.FINDINGS)
            self.record_run(at=timezone.now(), subject_kind="month", subject_id=accounting_periods.number_of(month))
            actor = audit.name_of(audit.current().actor)
            period = accounting_periods.close(month=month, actor=actor, at=timezone.now())
        except CannotClose as error:
            raise refused(str(error)) from None
        self.finish(_report(period), lines=_lines(period), as_json=json)

    def _verify(self) -> Checked:
        begun = timezone.now()
        with one_snapshot():
            checked = ledger_check.check(told=lambda stage, seen: self.progress(f"{stage}: {seen} rows"))
        actor = audit.name_of(audit.current().actor)
        ledger_watch.remember(checked, begun_at=begun, at=timezone.now(), actor=actor)
        return checked


def _month(text: str) -> date:
    found = re.fullmatch(r"([0-9]{4})-([0-9]{2})", text, re.ASCII)
    try:
        return accounting_periods.month_of(int(found[1]) * 100 + int(found[2]) if found else 0)
    except CannotClose:
        raise argparse.ArgumentTypeError(f"{text!r} is no month: write it as 2026-11.") from None


def _report(period: AccountingPeriod) -> dict[str, Any]:
    return {
        "closed": True,
        "month": str(period),
        "closed_at": period.closed_at.isoformat(),
        "actor": period.actor,
        "balances": [
            {
                "account": line.account,
                "currency": line.currency,
                "debit_minor": line.debit_minor,
                "credit_minor": line.credit_minor,
                "balance_minor": line.balance_minor,
            }
            for line in accounting_periods.frozen(period)
        ],
    }


def _lines(period: AccountingPeriod) -> list[str]:
    lines = accounting_periods.frozen(period)
    return [
        *(f"{line.account}: {amount_text(line.balance_minor, line.currency)}" for line in lines),
        f"{period} closed on {period.closed_at:%Y-%m-%d %H:%M:%S} UTC by {period.actor}, {len(lines)} balances",
    ]
