"""One OrderView for each page a shopper may see: PEOPLE.md's table as data, for tests of words and looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.contract import DeclineReason
from payments.shop.page_data import AttemptView, MoneyBack, OrderView

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=2)

ORDER = OrderView(
    now=NOW,
    order_number=1042,
    order_state="placed",
    total_display="€42.00",
    email="ann@example.com",
    placed_at=NOW - timedelta(minutes=10),
    expires_at=NOW + timedelta(minutes=50),
    pay_url="/pay/token/",
    order_url="/orders/token/",
    check_url="/pay/token/return/",
    again_url="/basket/again/token/",
    provider_count=2,
)
ATTEMPT = AttemptView(
    state="pending",
    url_given=True,
    page_open=True,
    verified_at=NOW - timedelta(seconds=5),
    pending_since=NOW - timedelta(seconds=20),
    method="Card or bank (Stripe)",
)


def order(attempt: AttemptView | None = None, **changed: Any) -> OrderView:
    """Return ORDER with these changes."""
    return replace(ORDER, attempt=attempt, **changed)


def attempt(**changed: Any) -> AttemptView:
    """Return ATTEMPT (page open, verified unpaid) with these changes."""
    return replace(ATTEMPT, **changed)


PAID_ATTEMPT = attempt(state="paid", page_open=False)
PAID = order(PAID_ATTEMPT, order_state="paid", paid_at=EARLIER)

STATES: dict[str, OrderView] = {
    "not_started": order(),
    "open": order(attempt(decline_reason=DeclineReason.INSUFFICIENT_FUNDS.value)),
    "pending": order(attempt(page_open=False)),
    "long_pending": order(attempt(page_open=False, pending_since=EARLIER)),
    "action_needed": order(attempt(state="requires_action")),
    "paid": PAID,
    "failed": order(attempt(state="failed", page_open=False, decline_reason=DeclineReason.EXPIRED_CARD.value)),
    "expired": order(attempt(state="cancelled", page_open=False), order_state="expired", closed_at=EARLIER),
    "paid_elsewhere": replace(PAID, paying=True),
    "extra_money": replace(PAID, extra_display="€42.00", extra_at=EARLIER),
    "cancelled": order(order_state="cancelled", closed_at=EARLIER),
    "refunded": replace(
        PAID,
        order_state="refunded",
        refunded_display="€42.00",
        refunds=(MoneyBack(amount_display="€42.00", at=EARLIER, arrives_by=NOW + timedelta(days=10)),),
    ),
    "partially_refunded": replace(
        PAID,
        order_state="partially_refunded",
        refunded_display="€12.00",
        refunds=(MoneyBack(amount_display="€12.00", at=EARLIER, arrives_by=NOW + timedelta(days=10)),),
    ),
    "disputed": replace(PAID, disputed_at=EARLIER, disputed_display="€42.00"),
    "unreachable": order(attempt(unreachable=True)),
}

STRIPE, PAYPAL, SQUARE = "Card or bank (Stripe)", "PayPal", "Card (Square)"

FORMS: dict[str, OrderView] = {
    "pay": order(paying=True),
    "pay_four": order(paying=True, provider_count=4),
    "pay_one_away": order(paying=True, provider_count=3, ways_away=(STRIPE,)),
    "pay_one_left": order(paying=True, provider_count=1, ways_away=(STRIPE, PAYPAL, SQUARE)),
    "pay_all_away": order(paying=True, provider_count=0, ways_away=(STRIPE,)),
    "pay_no_currency": order(paying=True, provider_count=0),
    "choose": order(attempt(), paying=True, choosing=True),
    "choose_one_away": order(attempt(), paying=True, choosing=True, ways_away=(STRIPE,)),
}
"""The pages with the form to pay, which are states of the table as well: with four ways, and with some away."""
