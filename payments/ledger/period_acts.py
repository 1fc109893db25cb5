"""Closing a month, as a dangerous act: Finance sees the balances that are frozen before they are."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from payments.ledger import periods as accounting_periods
from payments.ledger import watch as ledger_watch
from payments.ledger.check import amount_text
from payments.ledger.periods import CannotClose
from payments.models import StaffAction
from payments.roles import Area
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register


@register
class ClosePeriod(StaffOperation):
    """Freezes the trial balance of a month; nothing is posted into it any more. Its subject is the month as 202611.

    A request has no time to verify the whole ledger: the keeper's daily run, or `verify_ledger`, must have found
    nothing since the month was over.
    """

    name = "close_period"
    label = "Close the month"
    subject_kind = "month"
    area = Area.FINANCE
    reasons: ClassVar[dict[str, str]] = {
        "month_end": "The month is over and reconciled",
        "catching_up": "An earlier month was left open",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        month = self._month(subject_id, at=at)
        lines = accounting_periods.balance_of(month)
        return Preview(
            summary=f"{month:%Y-%m} is closed with the balances below; nothing is posted into it any more, by anybody.",
            changes=tuple(
                Change(
                    what=f"{line.account}, {line.currency}",
                    before=f"{amount_text(line.opening_minor, line.currency)} at the month's beginning",
                    after=f"{amount_text(line.balance_minor, line.currency)} at its end, frozen",
                )
                for line in lines
            ),
            count=len(lines),
            warnings=("A closed month is never opened again; what turns out wrong is corrected in an open one.",),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        month = self._month(action.subject_id, at=at)
        try:
            period = accounting_periods.close(month=month, actor=action.actor, at=at)
        except CannotClose as error:
            raise NotPossible(str(error)) from None
        return {"month": str(period), "accounts": period.balances.count()}

    def _month(self, number: int, *, at: datetime) -> date:
        """Return the month if it can be closed now."""
        try:
            month = accounting_periods.month_of(number)
            if accounting_periods.closed(month) is not None:
                raise CannotClose(f"{month:%Y-%m} is closed already.")
            accounting_periods.check_closable(month, at=at)
        except CannotClose as error:
            raise NotPossible(str(error)) from None
        _, end = accounting_periods.bounds(month)
        last = ledger_watch.last_finished()
        if last is None or last.begun_at < end:
            raise NotPossible(
                "The ledger was not verified since the month was over. The keeper does it once a day; "
                "`manage.py verify_ledger` does it now."
            )
        if last.finding_count:
            raise NotPossible(f"The ledger is not right, and a wrong month is not closed: {last.first_finding}")
        return month
