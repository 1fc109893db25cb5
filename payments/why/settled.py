"""Rules: the order is paid, or at its end."""

from __future__ import annotations

from datetime import timedelta

from orders.states import OrderState
from payments.disputes import words as dispute_words
from payments.models.case import CaseKind
from payments.situation import Situation, Untold
from payments.states import DisputeState
from payments.why.answer import Why, by_case, capitalised, ended, lowered, tries, when
from payments.why.trouble import STOPS

LATE_FACT_AFTER = timedelta(minutes=1)
"""A receiver that has not been told within this is worth a sentence."""

_MONEY_TAKEN = (OrderState.PAID, OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED)
_NOTHING_MORE = "Nothing more is to happen"


def disputed(it: Situation) -> Why | None:
    """Paid, and the customer's bank claims the money back, or has taken it for good."""
    told = it.dispute
    if told is None or it.state not in _MONEY_TAKEN:
        return None
    left = dispute_words.countdown(
        told.state, respond_by=told.respond_by, submitted_at=told.submitted_at, closed_at=told.closed_at, at=it.now
    )
    asks = "inquires about" if told.state == DisputeState.INQUIRY else "disputes"
    reason = dispute_words.reason_words(told.reason)
    sentence = f"{_paid(it)} But the customer's bank {asks} {told.amount} ({reason}): {ended(left)}"
    if told.awaits_answer:
        return Why("disputed", "act", sentence, "Unanswered, the bank decides against us", told.respond_by, told.case)
    if told.state == DisputeState.LOST:
        return Why("disputed", "bad", sentence, _NOTHING_MORE, None, told.case)
    return Why("disputed", "wait", sentence, "The bank decides; we ask the provider a few times a day", None, told.case)


def paid_with_case(it: Situation) -> Why | None:
    """Paid, and the provider tells something that a person must see."""
    case = it.case_of(CaseKind.PROVIDER_REFUND, CaseKind.PROVIDER_DISPUTE, *STOPS)
    if case is None or it.state not in _MONEY_TAKEN:
        return None
    return by_case("paid_with_case", case, f"{_paid(it)} But: {lowered(case.label)}. {capitalised(case.theirs)}")


def paid_untold(it: Situation) -> Why | None:
    """Paid, and somebody who should know has not confirmed it."""
    late = [each for each in it.untold if _is_late(each, it)]
    if it.state != OrderState.PAID or not late:
        return None
    worst = next((each for each in late if each.dead), late[0])
    who = worst.receiver if len(late) == 1 else f"{worst.receiver} (and {len(late) - 1} more)"
    error = f": {ended(worst.error)}" if worst.error else "."
    if worst.dead:
        told = f"{who} was not told of {worst.fact}, given up after {tries(worst.tries)}{error}"
        return Why("paid_untold", "bad", f"{_paid(it)} {told}", "A person must replay it once the receiver is mended")
    told = f"{who} has not confirmed {worst.fact} after {tries(worst.tries)}{error}"
    return Why("paid_untold", "wait", f"{_paid(it)} {told}", "It is sent again", worst.next_try_at)


def paid(it: Situation) -> Why | None:
    """All is well."""
    if it.state != OrderState.PAID:
        return None
    receipt = f" The receipt was mailed{when(it.receipt_at, it)}." if it.receipt_at else ""
    return Why("paid", "good", f"{_paid(it)}{receipt}", _NOTHING_MORE)


def partially_refunded(it: Situation) -> Why | None:
    """Some of the money went back."""
    if it.state != OrderState.PARTIALLY_REFUNDED:
        return None
    return Why(
        "partially_refunded", "good", f"{_paid(it)} Part of it went back{when(it.closed_at, it)}.", _NOTHING_MORE
    )


def refunded(it: Situation) -> Why | None:
    """All of the money went back."""
    if it.state != OrderState.REFUNDED:
        return None
    return Why("refunded", "good", f"{_paid(it)} All of it went back{when(it.closed_at, it)}.", _NOTHING_MORE)


def expired(it: Situation) -> Why | None:
    """Its time ran out unpaid."""
    if it.state != OrderState.EXPIRED:
        return None
    asked = it.attempt is not None and it.attempt.url_given_at is not None
    how = f"{it.attempt.label} said that nothing was paid" if it.attempt and asked else "nobody had begun to pay"
    return _over("expired", f"Expired{when(it.closed_at, it)}: {how}.", it)


def cancelled(it: Situation) -> Why | None:
    """Called off."""
    return _over("cancelled", f"Cancelled{when(it.closed_at, it)}, before it was paid.", it)


def _over(rule: str, sentence: str, it: Situation) -> Why:
    watched_until = it.attempt.next_look_at if it.attempt else None
    step = "We look once more for late money" if watched_until else _NOTHING_MORE
    return Why(rule, "good", sentence, step, watched_until)


def _is_late(each: Untold, it: Situation) -> bool:
    return each.dead or each.tries > 0 or (it.paid_at is not None and it.now - it.paid_at >= LATE_FACT_AFTER)


def _paid(it: Situation) -> str:
    by = f" through {it.attempt.label}" if it.attempt else ""
    return f"Paid{when(it.paid_at, it)}{by}: {it.total}."
