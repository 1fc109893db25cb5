"""Rules: money is on its way back, or did not arrive."""

from __future__ import annotations

from payments.models.case import CaseKind
from payments.situation import Situation
from payments.states import RefundState
from payments.why.answer import Why, by_case, capitalised, when


def refund_failed(it: Situation) -> Why | None:
    """Somebody meant the customer to have money back, and they do not have it."""
    case = it.case_of(CaseKind.REFUND_FAILED)
    if case is None:
        return None
    return by_case("refund_failed", case, f"A refund failed. {capitalised(case.theirs)}")


def refund_on_its_way(it: Situation) -> Why | None:
    """A refund is asked for, and not decided."""
    told = it.refund
    if told is None:
        return None
    asked = f"A refund of {told.amount} was asked for{when(told.requested_at, it)}"
    if told.state == RefundState.PENDING:
        sentence = f"{asked}; {told.label} has it in hand."
        return Why("refund_on_its_way", "wait", sentence, f"We ask {told.label} again", told.next_look_at)
    error = f" ({told.error})" if told.error else ""
    sentence = f"{asked}; {told.label} has not confirmed it yet{error}."
    if told.next_try_at is None:
        becomes = (
            f"It is not asked for again, since that could pay it back twice; we ask {told.label} what became of it"
        )
        return Why("refund_on_its_way", "wait", sentence, becomes, told.next_look_at)
    return Why("refund_on_its_way", "wait", sentence, "It is asked for again, under its own key", told.next_try_at)
