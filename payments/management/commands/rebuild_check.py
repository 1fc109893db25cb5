"""`manage.py rebuild_check`: are all states what steps, money and ledger say they must be (docs/ledger.md)?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from orders.models import Order
from payments import rebuilding
from payments.management.reporting import Exit, ReportingCommand, usage
from payments.rebuilding import MOST_DIFFERENCES, Rebuilt
from payments.snapshot import one_snapshot

SHOWN = 50
"""Differences shown without --json."""


class Command(ReportingCommand):
    """Exit codes: 0 all is as it must be; 2 there is no such order; 3 something differs."""

    help = (
        "Derive every order's, attempt's and refund's state anew from captures, refunds, calls, transitions and the "
        "ledger, and name each difference: order, field, stored, derived, from what. Changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--order", type=int, metavar="N", help="only the order of this number")
        self.add_json(parser)

    def handle(self, *_: Any, order: int | None, json: bool, **__: Any) -> None:
        if order is not None and not (0 < order < 2**63 and Order.objects.filter(pk=order).exists()):
            raise usage(f"There is no order {order}.")
        with one_snapshot():
            rebuilt = rebuilding.check(
                order=order, told=lambda reached, last: self.progress(f"order {reached} of up to {last}")
            )
        code = Exit.FINDINGS if rebuilt.differences else Exit.CLEAN
        self.finish(_report(rebuilt), lines=_lines(rebuilt), as_json=json, code=code)


def _report(rebuilt: Rebuilt) -> dict[str, Any]:
    return {
        "orders": rebuilt.orders,
        "differences": [each.as_json() for each in rebuilt.differences],
        "difference_count": len(rebuilt.differences),
        "stopped": len(rebuilt.differences) >= MOST_DIFFERENCES,
    }


def _lines(rebuilt: Rebuilt) -> list[str]:
    count = len(rebuilt.differences)
    many = f"{MOST_DIFFERENCES} or more" if count >= MOST_DIFFERENCES else str(count)
    return [
        *map(str, rebuilt.differences[:SHOWN]),
        *([f"and {count - SHOWN} further ones; --json shows them"] if count > SHOWN else []),
        f"{rebuilt.orders} orders derived anew, {many} difference{'s'[: count != 1]}",
    ]
