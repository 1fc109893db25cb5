"""Rules: the provider cannot be asked or heard, or a person must decide."""

from __future__ import annotations

from orders.states import OrderState
from payments.models.case import CaseKind
from payments.situation import Situation
from payments.why.answer import Why, by_case, capitalised, is_placed, last_said, lowered, tries, when

STOPS = (
    CaseKind.REFERENCE_MISMATCH,
    CaseKind.WRONG_ACCOUNT,
    CaseKind.WRONG_MODE,
    CaseKind.UNKNOWN_OBJECT,
    CaseKind.FORBIDDEN_TRANSITION,
)
_ANSWERED_BUT_WRONG = (CaseKind.UNKNOWN_OBJECT, CaseKind.WRONG_MODE)


def keys_refused(it: Situation) -> Why | None:
    """The provider refuses our keys."""
    attempt = it.attempt
    if not is_placed(it) or attempt is None or not attempt.look_error.startswith("configuration:"):
        return None
    case = it.case_of(CaseKind.PROVIDER_CONFIGURATION)
    return Why(
        "keys_refused",
        "bad",
        f"{attempt.label} refuses our key; {last_said(attempt, it)}.",
        "A person must mend the key. We go on asking",
        attempt.next_look_at,
        case.number if case else None,
    )


def provider_unreachable(it: Situation) -> Why | None:
    """The last look got no answer that can be believed."""
    attempt = it.attempt
    if not is_placed(it) or attempt is None or not attempt.look_failures or it.case_of(*_ANSWERED_BUT_WRONG):
        return None
    return Why(
        "provider_unreachable",
        "bad",
        f"Cannot ask {attempt.label}; {last_said(attempt, it)} ({tries(attempt.look_failures)} since).",
        "We ask again",
        attempt.next_look_at,
    )


def signatures_fail(it: Situation) -> Why | None:
    """No webhook of the provider passes our check: a mistaken secret."""
    attempt, since = it.attempt, it.signatures_fail_since
    if not is_placed(it) or attempt is None or not attempt.is_live or since is None:
        return None
    return Why(
        "signatures_fail",
        "bad",
        f"Our signature check of {attempt.label}'s notices has been failing since{when(since, it)[3:]}; "
        f"{_orders(it.orders_waiting)}. {capitalised(last_said(attempt, it))}.",
        "A person must mend the webhook's secret. Meanwhile we ask by ourselves, next",
        attempt.next_look_at,
    )


def amount_differs(it: Situation) -> Why | None:
    """What was paid, or asked for, is not what the order owes."""
    case = it.case_of(CaseKind.AMOUNT_MISMATCH, CaseKind.CURRENCY_MISMATCH)
    if case is None:
        return None
    what = "amount" if case.kind == CaseKind.AMOUNT_MISMATCH else "currency"
    return by_case(
        "amount_differs",
        case,
        f"The {what} differs: the order owes {it.total}. {capitalised(case.theirs)} Nothing moves.",
    )


def double_payment(it: Situation) -> Why | None:
    """The order has its money, and more came."""
    case = it.case_of(CaseKind.DOUBLE_PAYMENT)
    if case is None:
        return None
    return by_case("double_payment", case, f"Paid more than once: {_extra(it)} came beyond what the order owes.")


def late_money(it: Situation) -> Why | None:
    """Money came after the order had ended."""
    case = it.case_of(CaseKind.LATE_MONEY)
    if case is None or it.state not in (OrderState.EXPIRED, OrderState.CANCELLED):
        return None
    return by_case("late_money", case, f"Late money: {_extra(it)} came, though the order is {it.state}.")


def stopped_by_case(it: Situation) -> Why | None:
    """The provider's answer is not one we may act on."""
    case = it.case_of(*STOPS)
    if case is None or not is_placed(it):
        return None
    return by_case("stopped_by_case", case, f"Stopped: {lowered(case.label)}. {capitalised(case.theirs)}")


def _orders(waiting: int) -> str:
    return "1 order waits" if waiting == 1 else f"{waiting} orders wait"


def _extra(it: Situation) -> str:
    amounts = " and ".join(str(amount) for amount in it.extra) or "money"
    return f"{amounts} (taken{when(it.extra_at, it)})" if it.extra_at else amounts
