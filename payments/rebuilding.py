"""Derives every order's, attempt's and refund's state anew, and names each difference from what is stored.

Three sources that the database keeps apart: the steps (orders_transition), the money (captures, refunds, calls), and
the ledger. This is code of its own: it asks neither the machines nor settlement. Reads only, a few hundred orders at a
time. What one source lost is seen by the others; a source that is itself named is not used to judge another, so that
one wrong row is named once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from orders.models import Order, Transition
from payments import rebuilding_facts
from payments.models import Capture, PaymentAttempt, ProviderCall, Refund
from payments.rebuilding_facts import OrderFacts

AT_ONCE = 300
MOST_DIFFERENCES = 1_000
"""Looking stops after so many."""

PAID_BRANCH = ("paid", "partially_refunded", "refunded")
NOT_PAID = {
    "order": ("placed", "cancelled", "expired"),
    "attempt": ("created", "pending", "requires_action", "authorized", "failed", "cancelled"),
}
BEGINS = {"order": "placed", "attempt": "created", "refund": "requested"}
DISPOSITION_OF = {"sales": "applied", "unapplied": "unapplied", "suspense": "suspense"}


Judged = tuple[str, tuple[str, ...]]
"""A source, and the states that it allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that is not as it must be. `source`: what it was derived from."""

    order: int
    subject: str
    field: str
    stored: str
    derived: str
    source: str

    def __str__(self) -> str:
        return (
            f"order {self.order}, {self.subject}: {self.field} is {self.stored}, and must be {self.derived} by "
            f"{self.source}. Find out who wrote past the application; `manage.py reconcile --order {self.order}` "
            "asks the provider."
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Rebuilt:
    """What came of a run."""

    orders: int = 0
    differences: list[Difference] = field(default_factory=list)


def check(*, order: int | None = None, told: Callable[[int, int], None] = lambda done, last: None) -> Rebuilt:
    """Derive all orders, or the one of this number, anew. `told` is called with the order reached and the last one."""
    result = Rebuilt()
    after, last = rebuilding_facts.key_range()
    after -= 1
    while len(result.differences) < MOST_DIFFERENCES:
        orders = (
            list(Order.objects.filter(pk=order))
            if order is not None
            else rebuilding_facts.orders_after(after, most=AT_ONCE)
        )
        for facts in rebuilding_facts.facts_of(orders):
            result.differences += differences_of(facts)
        result.orders += len(orders)
        if order is not None or len(orders) < AT_ONCE:
            break
        after = orders[-1].pk
        told(after, last)
    del result.differences[MOST_DIFFERENCES:]
    return result


def differences_of(facts: OrderFacts) -> list[Difference]:
    """Return what differs about one order and all that belongs to it."""
    found = [*_steps_in_order(facts), *_captures(facts), *_refunds(facts), *_totals(facts)]
    if not any(difference.subject == "steps of order" for difference in found):
        found += _paid_at(facts)
    doubted = {difference.subject for difference in found}
    for attempt in facts.attempts:
        found += _state(facts, f"attempt {attempt.pk}", ("attempt", attempt.pk), attempt.state, doubted)
    found += _state(facts, "order", ("order", facts.order.pk), facts.order.state, doubted)
    return found


# --- states --------------------------------------------------------------------------------------------------


def _state(
    facts: OrderFacts, name: str, subject: tuple[str, int], stored: str, doubted: set[str]
) -> Iterator[Difference]:
    """Compare an order's or attempt's state with its steps and with its money, as far as neither is doubted."""
    judged: list[Judged] = []
    if f"steps of {name}" not in doubted:
        judged.append(("its steps", (_after_steps(facts, subject),)))
    if not any(each.startswith(("capture", "refund")) for each in doubted):
        judged.append(("its captures and refunds", _by_money(facts, subject)))
    wrong = [(source, may_be) for source, may_be in judged if stored not in may_be]
    if wrong:
        yield Difference(
            order=facts.order.pk,
            subject=name,
            field="state",
            stored=stored,
            derived=_narrowest(wrong),
            source=" and ".join(source for source, _ in wrong),
        )


def _narrowest(judged: list[Judged]) -> str:
    """Return the states of the source that leaves the fewest open."""
    fewest: tuple[str, ...] = min((states for _, states in judged), key=len)
    return " or ".join(fewest)


def _after_steps(facts: OrderFacts, subject: tuple[str, int]) -> str:
    taken = [step for step in facts.steps.get(subject, ()) if not step.forbidden]
    return taken[-1].to_state if taken else BEGINS[subject[0]]


def _by_money(facts: OrderFacts, subject: tuple[str, int]) -> tuple[str, ...]:
    """Return the states that what was taken and given back allows."""
    kind, key = subject
    taken = [each for each in facts.captures if kind == "order" or each.attempt_id == key]
    applied = [each for each in taken if each.disposition == "applied"]
    if not applied:
        # Money that pays no order ends its attempt as paid, and its refund moves nothing.
        held = kind == "attempt" and any(each.disposition == "unapplied" for each in taken)
        return ("paid",) if held else NOT_PAID[kind]
    back = sum(
        refund.amount_minor
        for refund in facts.refunds
        if refund.state == "succeeded" and refund.capture_id == applied[0].pk
    )
    if back >= applied[0].amount_minor:
        return ("refunded",)
    return ("partially_refunded",) if back else ("paid",)


def _steps_in_order(facts: OrderFacts) -> Iterator[Difference]:
    """Each subject's steps: numbered without a gap, each beginning where the one before ended."""
    subjects = [("order", ("order", facts.order.pk))]
    subjects += [(f"attempt {attempt.pk}", ("attempt", attempt.pk)) for attempt in facts.attempts]
    subjects += [(f"refund {refund.pk}", ("refund", refund.pk)) for refund in facts.refunds]
    for name, subject in subjects:
        stands, wrong = BEGINS[subject[0]], ""
        for number, step in enumerate(facts.steps.get(subject, ()), start=1):
            wrong = wrong or _wrong_step(step, number, stands)
            stands = step.to_state or stands
        if wrong:
            stored, _, derived = wrong.partition("|")
            yield _difference(facts, f"steps of {name}", "chain", stored, derived, "the steps before")


def _wrong_step(step: Transition, number: int, stands: str) -> str:
    if step.sequence != number:
        return f"step {step.sequence}|step {number}"
    if step.from_state != stands:
        return f"step {number} from {step.from_state}|from {stands}"
    return ""


# --- money ---------------------------------------------------------------------------------------------------


def _captures(facts: OrderFacts) -> Iterator[Difference]:
    for capture in facts.captures:
        posted = facts.postings.get(("capture", capture.pk), {})
        told = [
            ("amount_minor", capture.amount_minor, _cleared(posted)),
            ("disposition", capture.disposition, _disposition(facts, capture, posted)),
            ("fee_minor", capture.fee_minor or 0, facts.postings.get(("fee", capture.pk), {}).get("fees", 0)),
        ]
        yield from _compared(facts, f"capture {capture.pk}", told, source="the ledger")


def _disposition(facts: OrderFacts, capture: Capture, posted: dict[str, int]) -> str:
    if ("application", capture.pk) in facts.postings:
        return "applied"
    return next((word for account, word in DISPOSITION_OF.items() if account in posted), "not posted")


def _cleared(posted: dict[str, int]) -> int:
    return sum(amount for account, amount in posted.items() if account.startswith("clearing:"))


def _refunds(facts: OrderFacts) -> Iterator[Difference]:
    for refund in facts.refunds:
        name = f"refund {refund.pk}"
        posted = facts.postings.get(("refund", refund.pk))
        back = facts.postings.get(("refund_reversal", refund.pk))
        by_ledger = _refund_states(posted, back)
        wrong: list[Judged] = [("the ledger", by_ledger)] if refund.state not in by_ledger else []
        steps = _after_steps(facts, ("refund", refund.pk))
        if refund.state != steps:
            wrong.append(("its steps", (steps,)))
        if wrong:
            sources = " and ".join(source for source, _ in wrong)
            yield _difference(facts, name, "state", refund.state, _narrowest(wrong), sources)
        if posted is not None:
            told = [("amount_minor", refund.amount_minor, -_cleared(posted))]
            yield from _compared(facts, name, told, source="the ledger")
        elif call := _call_of(facts.calls, refund):
            told = [("amount_minor", refund.amount_minor, call.request.get("amount_minor"))]
            yield from _compared(facts, name, told, source=f"its call {call.pk}")


def _refund_states(posted: dict[str, int] | None, back: dict[str, int] | None) -> tuple[str, ...]:
    if posted is None:
        return ("requested", "pending", "failed")
    return ("failed",) if back is not None else ("succeeded",)


def _call_of(calls: Iterable[ProviderCall], refund: Refund) -> ProviderCall | None:
    return next((call for call in calls if call.refund_id == refund.pk), None)


def _totals(facts: OrderFacts) -> Iterator[Difference]:
    """What the order and its attempts are over."""
    order = facts.order
    if facts.lines_minor is not None:
        told = [("total_minor", order.total_minor, facts.lines_minor)]
        yield from _compared(facts, "order", told, source="its lines")
    for attempt in facts.attempts:
        yield from _attempt_amount(facts, attempt)


def _paid_at(facts: OrderFacts) -> Iterator[Difference]:
    order = facts.order
    paid = [step.at for step in facts.steps.get(("order", order.pk), ()) if step.event == "paid" and not step.forbidden]
    if order.paid_at != (paid[-1] if paid else None):
        derived = paid[-1].isoformat() if paid else "empty"
        stored = order.paid_at.isoformat() if order.paid_at else "empty"
        yield _difference(facts, "order", "paid_at", stored, derived, "its steps")


def _attempt_amount(facts: OrderFacts, attempt: PaymentAttempt) -> Iterator[Difference]:
    asked = next((each for each in facts.calls if each.attempt_id == attempt.pk and each.operation == "start"), None)
    if asked is not None and "amount_minor" in asked.request:
        told = [("amount_minor", attempt.amount_minor, asked.request["amount_minor"])]
        yield from _compared(facts, f"attempt {attempt.pk}", told, source=f"its call {asked.pk}")


def _compared(
    facts: OrderFacts, subject: str, told: Iterable[tuple[str, Any, Any]], *, source: str
) -> Iterator[Difference]:
    for name, stored, derived in told:
        if stored != derived:
            yield _difference(facts, subject, name, str(stored), str(derived), source)


def _difference(facts: OrderFacts, subject: str, name: str, stored: str, derived: str, source: str) -> Difference:
    return Difference(order=facts.order.pk, subject=subject, field=name, stored=stored, derived=derived, source=source)
