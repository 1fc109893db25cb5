"""`manage.py reconcile --order N`: asks the provider now about every attempt of one order, and settles what it says."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from orders.models import Order
from payments.management.reporting import Exit, ReportingCommand, usage
from payments.models import Case, PaymentAttempt
from payments.settlement import Outcome, look

ACTOR = "command:reconcile"
LATER = ("since", "provider", "dry_run")
"""Options of the public surface that reconcile lists of payments; this command looks at one order."""


class Command(ReportingCommand):
    """Exit codes: 0 the order agrees with the provider (now); 2 usage; 3 a case is open on it, a person must see to it;
    4 the provider could not be asked about every attempt."""

    help = (
        "Ask the provider now about every attempt of an order, and settle what it says. Repeating it does no harm. "
        "Prints what changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--order", metavar="N|TOKEN", help="the order's number, or the token in its address")
        for name in LATER:
            parser.add_argument(f"--{name.replace('_', '-')}", nargs="?", const=True, help="not with --order")
        self.add_json(parser)

    def handle(self, *_: Any, json: bool, **options: Any) -> None:
        if any(options[name] is not None for name in LATER) or not options["order"]:
            raise usage(
                "Name one order: manage.py reconcile --order N. Whole lists of payments cannot be reconciled yet."
            )
        order = _find(options["order"])
        before = order.state
        self.record_run(at=timezone.now(), subject_kind="order", subject_id=order.pk)
        looked = [self._look(attempt_id) for attempt_id in order.attempts.order_by("pk").values_list("pk", flat=True)]
        order = Order.objects.get(pk=order.pk)
        cases = list(Case.objects.filter(order=order, closed_at=None).order_by("pk"))
        report = {
            "order": order.number,
            "before": before,
            "state": order.state,
            "changed": before != order.state or any(each["changed"] for each in looked),
            "attempts": looked,
            "cases": [{"case": case.pk, "kind": case.kind, "suggested_fix": case.suggested_fix} for case in cases],
        }
        self.finish(report, lines=_lines(report, cases), as_json=json, code=_code(report))

    def _look(self, attempt_id: int) -> dict[str, Any]:
        before = PaymentAttempt.objects.get(pk=attempt_id)
        captured = before.captures.count()
        self.progress(f"Asking {before.provider} about attempt {attempt_id}")
        result = look(attempt_id, clock=timezone.now, actor=ACTOR)
        after = PaymentAttempt.objects.get(pk=attempt_id)
        new_captures = after.captures.count() - captured
        return {
            "attempt": attempt_id,
            "provider": after.provider,
            "outcome": result.outcome.value,
            "before": before.state,
            "state": after.state,
            "new_captures": new_captures,
            "changed": before.state != after.state or new_captures > 0,
            "error": f"{result.error.category}: {result.error.message}" if result.error else "",
        }


def _find(named: str) -> Order:
    """Return the order by number or token. A token of digits only is taken for a number."""
    is_number = named.isascii() and named.isdigit() and len(named) < 19
    order = Order.objects.filter(pk=int(named)) if is_number else Order.objects.filter(token=named)
    found = order.first()
    if found is None:
        raise usage(f"There is no order {named}.")
    return found


def _code(report: dict[str, Any]) -> Exit:
    if any(each["outcome"] == Outcome.UNREACHABLE for each in report["attempts"]):
        return Exit.PARTIAL
    return Exit.FINDINGS if report["cases"] else Exit.CLEAN


def _lines(report: dict[str, Any], cases: list[Case]) -> list[str]:
    lines = [_line(each) for each in report["attempts"]]
    lines += [f"case {case.pk}, {case.get_kind_display()}: {case.suggested_fix}" for case in cases]
    moved = f"{report['before']} → {report['state']}" if report["before"] != report["state"] else report["state"]
    asked = f"{len(report['attempts'])} attempt{'' if len(report['attempts']) == 1 else 's'} asked about"
    return [
        *lines,
        f"Order {report['order']}: {moved}; {asked}, {len(cases)} open case{'' if len(cases) == 1 else 's'}",
    ]


def _line(each: dict[str, Any]) -> str:
    name = f"attempt {each['attempt']} at {each['provider']}"
    if each["error"]:
        return f"{name}: cannot be asked now ({each['error']})"
    if each["outcome"] == Outcome.NOTHING_TO_ASK:
        return f"{name}: {each['state']}; it never reached the provider"
    captures = (
        f", {each['new_captures']} new capture{'' if each['new_captures'] == 1 else 's'}"
        if each["new_captures"]
        else ""
    )
    moved = f"{each['before']} → {each['state']}" if each["before"] != each["state"] else f"{each['state']}, unchanged"
    return f"{name}: {moved}{captures}"
