"""Why an order is as it is: ordered rules, the first that matches, one sentence each, with the next automatic step.

Pure: the clock and all facts come in a Situation. Each rule has a snapshot in tests/payments/test_why.py, which fails
where one has none. For staff only: the shopper's words are in payments/replies.py.
"""

from __future__ import annotations

from collections.abc import Callable

from payments.situation import Situation
from payments.why import refunds, settled, trouble, unpaid
from payments.why.answer import Why, moment

__all__ = ["RULES", "Why", "moment", "why"]

Rule = Callable[[Situation], Why | None]

RULES: tuple[Rule, ...] = (
    trouble.keys_refused,
    trouble.provider_unreachable,
    trouble.signatures_fail,
    trouble.amount_differs,
    trouble.double_payment,
    trouble.late_money,
    trouble.stopped_by_case,
    unpaid.time_ran_out,
    unpaid.provider_paused,
    unpaid.page_open,
    unpaid.capture_on_its_way,
    unpaid.notice_queued,
    unpaid.notice_failed,
    unpaid.three_d_secure,
    unpaid.bank_processing,
    unpaid.in_review,
    unpaid.opening,
    unpaid.last_try_failed,
    unpaid.never_started,
    unpaid.unsettled,
    refunds.refund_failed,
    settled.disputed,
    settled.paid_with_case,
    refunds.refund_on_its_way,
    settled.paid_untold,
    settled.paid,
    settled.partially_refunded,
    settled.refunded,
    settled.expired,
    settled.cancelled,
)
"""In this order; each rule is named as its answers are."""


def why(situation: Situation) -> Why:
    """Return why the order is as it is. There is an answer for every situation."""
    return next(answer for rule in RULES if (answer := rule(situation)) is not None)
