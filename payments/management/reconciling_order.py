"""What `reconcile --order` does and tells: every attempt of one order looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orders.models import Order
from payments.clock import Clock
from payments.management.reporting import Exit, usage
from payments.models import Case, PaymentAttempt
from payments.settlement import Outcome, look

ACTOR = "command:reconcile"


def find(named: str) -> Order:
    """Return the order by number or token. A token of digits only is taken for a number. Raises CommandError."""
    is_number = named.isascii() and named.isdigit() and len(named) < 19
    order = Order.objects.filter(pk=int(named)) if is_number else Order.objects.filter(token=named)
    found = order.first()
    if found is None:
        raise usage(f"There is no order {named}.")
    return found


def look_at_all(order: Order, *, clock: Clock, progress: Callable[[str], None]) -> dict[str, Any]:
    """Look at every attempt and return the report."""
    before = order.state
    attempts = order.attempts.order_by("pk").values_list("pk", flat=True)
    looked = [_look(attempt_id, clock=clock, progress=progress) for attempt_id in attempts]
    order = Order.objects.get(pk=order.pk)
    cases = Case.objects.filter(order=order, closed_at=None).order_by("pk")
    return {
        "order": order.number,
        "before": before,
        "state": order.state,
        "changed": before != order.state or any(each["changed"] for each in looked),
        "attempts": looked,
        "cases": [{"case": case.pk, "kind": case.kind, "suggested_fix": case.suggested_fix} for case in cases],
    }


def exit_code(report: dict[str, Any]) -> Exit:
    """Return what the report means."""
    if any(each["outcome"] == Outcome.UNREACHABLE for each in report["attempts"]):
        return Exit.PARTIAL
    return Exit.FINDINGS if report["cases"] else Exit.CLEAN


def lines_of(report: dict[str, Any]) -> list[str]:
    """Return the report as it is read; the last line sums up."""
    lines = [_line(each) for each in report["attempts"]]
    labels = {
        case.pk: case.get_kind_display() for case in Case.objects.filter(pk__in=[c["case"] for c in report["cases"]])
    }
    lines += [f"case {each['case']}, {labels[each['case']]}: {each['suggested_fix']}" for each in report["cases"]]
    moved = f"{report['before']} → {report['state']}" if report["before"] != report["state"] else report["state"]
    attempts, cases = len(report["attempts"]), len(report["cases"])
    asked = f"{attempts} attempt{'' if attempts == 1 else 's'} asked about"
    return [*lines, f"Order {report['order']}: {moved}; {asked}, {cases} open case{'' if cases == 1 else 's'}"]


def _look(attempt_id: int, *, clock: Clock, progress: Callable[[str], None]) -> dict[str, Any]:
    before = PaymentAttempt.objects.get(pk=attempt_id)
    captured = before.captures.count()
    progress(f"Asking {before.provider} about attempt {attempt_id}")
    result = look(attempt_id, clock=clock, actor=ACTOR)
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
