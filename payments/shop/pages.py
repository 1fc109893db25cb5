"""Which page a shopper sees, and its words: a pure function of what we know. One state a page (PEOPLE.md, Shop pages).

The views fill an OrderView and render the Page. Nothing here asks the database, the provider or the clock.
"No money was taken" is said only where the provider said so after it could no longer take any.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from orders.states import OrderState
from payments.shop.decline_texts import decline_text
from payments.shop.page_data import AttemptView, Button, MoneyBack, OrderView, Page
from payments.states import LIVE_STATES, AttemptState

LONG_PENDING_AFTER = timedelta(minutes=2)
REFRESH_QUICKLY_FOR = timedelta(minutes=1)
REFRESH_AT_ALL_FOR = timedelta(minutes=5)
REFRESH_QUICK_SECONDS = 5
REFRESH_SLOW_SECONDS = 20

NO_MONEY = "No money was taken."
DO_NOT_PAY_AGAIN = "Please don't pay again."
WE_WILL_MAIL = "We'll e-mail you."

ACTION_START = "start"
ACTION_CONTINUE = "continue"
ACTION_ANOTHER = "another"

__all__ = ["AttemptView", "Button", "MoneyBack", "OrderView", "Page", "masked_email", "page_for", "receipt_for", "when"]

_POLLED = frozenset(
    {"not_started", "open", "pending", "long_pending", "action_needed", "failed", "unreachable", "expired", "cancelled"}
)
"""Money may come late to what has expired or was cancelled; then nobody shall read on that none was taken."""
_WITH_RECEIPT = frozenset({"paid", "paid_elsewhere", "refunded", "partially_refunded", "disputed"})
_TONES = {
    "paid": "good",
    "paid_elsewhere": "good",
    "failed": "bad",
    "expired": "bad",
    "cancelled": "note",
    "extra_money": "note",
    "refunded": "note",
    "partially_refunded": "note",
    "disputed": "note",
    "not_started": "act",
    "open": "act",
    "action_needed": "act",
}


def page_for(view: OrderView) -> Page:
    """Return the one page that fits `view`. The first rule that matches wins."""
    if view.extra_display:
        return _extra_money(view)
    if view.order_state == OrderState.PLACED:
        return _unpaid(view)
    return {
        OrderState.PAID: _paid,
        OrderState.EXPIRED: _expired,
        OrderState.CANCELLED: _cancelled,
        OrderState.REFUNDED: _refunded,
        OrderState.PARTIALLY_REFUNDED: _partially_refunded,
    }[OrderState(view.order_state)](view)


def receipt_for(view: OrderView) -> tuple[tuple[str, str], ...]:
    """Return the receipt as (label, value); empty while the order was never paid."""
    if view.paid_at is None:
        return ()
    rows = [
        ("Order", str(view.order_number)),
        ("Total paid", view.total_display),
        ("Paid on", when(view.paid_at, zone=view.zone)),
        ("Payment method", view.attempt.method if view.attempt else ""),
        ("Receipt goes to", masked_email(view.email)),
        ("Returned to you", view.refunded_display),
    ]
    return tuple((label, value) for label, value in rows if value)


def masked_email(email: str) -> str:
    """Return the address as far as its owner needs it: a page's address may be seen by others."""
    name, _, domain = email.rpartition("@")
    return f"{name[:1]}…@{domain}" if name else ""


def when(moment: datetime, *, zone: tzinfo) -> str:
    """Return a moment in words that cannot be misread: `21 November 2026, 14:03 UTC`."""
    local = moment.astimezone(zone)
    return f"{local.day} {local:%B %Y}, {local:%H:%M %Z}"


def _unpaid(view: OrderView) -> Page:
    attempt = view.attempt
    live = attempt is not None and attempt.state in LIVE_STATES and attempt.url_given
    if attempt is not None and live:
        return _choosing(view) if view.paying and view.choosing else _live(view, attempt)
    if view.now >= view.expires_at:
        # Its time is over and nothing is under way that could still take money; the state follows by itself.
        return _expired(view) if _ended_unpaid(attempt) else _pending(view, since=view.expires_at)
    if attempt is not None and attempt.state == AttemptState.FAILED and not view.choosing:
        return _failed(view, attempt)
    if attempt is not None and attempt.state not in (*LIVE_STATES, AttemptState.FAILED, AttemptState.CANCELLED):
        # The attempt is paid and the order is not (yet): never ask for money here.
        return _pending(view, since=attempt.pending_since)
    return _not_started(view)


def _live(view: OrderView, attempt: AttemptView) -> Page:
    if attempt.unreachable:
        return _page(
            view,
            "unreachable",
            "We can't confirm yet. Please don't pay again.",
            text=("The payment service does not answer just now. We keep asking it.", WE_WILL_MAIL),
            buttons=(_check(view),),
            since=attempt.pending_since,
        )
    if attempt.state == AttemptState.REQUIRES_ACTION and attempt.page_open:
        return _page(
            view,
            "action_needed",
            "Your bank needs one more step",
            text=(f"Your payment of {view.total_display} waits until you have finished it.",),
            buttons=(_continue(view),),
        )
    if attempt.page_open and attempt.verified_at is not None and attempt.state == AttemptState.PENDING:
        reason = decline_text(attempt.decline_reason)
        return _page(
            view,
            "open",
            "Not paid yet",
            text=((reason,) if reason else ()) + (f"Your order of {view.total_display} waits for your payment.",),
            buttons=(_continue(view), _another(view)),
        )
    return _pending(view, since=attempt.pending_since)


def _pending(view: OrderView, *, since: datetime | None) -> Page:
    if since is not None and view.now - since >= LONG_PENDING_AFTER:
        return _page(
            view,
            "long_pending",
            "Your bank is taking longer than usual",
            text=(f"{DO_NOT_PAY_AGAIN} It is safe to close this page. {WE_WILL_MAIL}",),
            buttons=(_check(view),),
            since=since,
        )
    return _page(
        view, "pending", "We're confirming your payment", text=(f"{DO_NOT_PAY_AGAIN} {WE_WILL_MAIL}",), since=since
    )


def _not_started(view: OrderView) -> Page:
    attempt = view.attempt
    if view.paying and not view.provider_count:
        return _no_way(view)
    closed = attempt is not None and attempt.state in (AttemptState.CANCELLED, AttemptState.FAILED)
    earlier: tuple[str, ...] = ()
    if attempt is not None and closed and _ended_unpaid(attempt):
        earlier = (f"Your earlier try was closed. {NO_MONEY}",)
    return _page(
        view,
        "not_started",
        "Ready to pay",
        text=(f"Total: {view.total_display}", *earlier),
        buttons=() if view.paying else (Button("Pay", "link", view.pay_url, primary=True),),
        pay_action=ACTION_START if view.paying else "",
    )


def _no_way(view: OrderView) -> Page:
    """Nobody can take the money now, or ever in this currency: say so, and what to do."""
    if not view.ways_away:
        return _page(
            view,
            "not_started",
            "This order can't be paid online",
            text=(f"No way to pay takes the currency of {view.total_display}. Please order in another one.",),
        )
    until = when(view.expires_at, zone=view.zone)
    return _page(
        view,
        "not_started",
        "Paying is not possible at this moment",
        text=(f"{NO_MONEY} Your order of {view.total_display} is kept until {until}.", "Please try again in a minute."),
        buttons=(Button("Try again", "link", view.pay_url, primary=True),),
    )


def _choosing(view: OrderView) -> Page:
    return _page(
        view,
        "open",
        "Use another method",
        text=("Before a new payment begins we ask about the one you started, so that you never pay twice.",),
        buttons=(Button("Back", "link", view.order_url),),
        pay_action=ACTION_ANOTHER,
    )


def _failed(view: OrderView, attempt: AttemptView) -> Page:
    reason = decline_text(attempt.decline_reason) or "Your payment did not go through."
    kept = "Your basket is kept."
    return _page(
        view,
        "failed",
        reason,
        text=(f"{NO_MONEY} {kept}" if _ended_unpaid(attempt) else kept,),
        buttons=(
            Button("Try again", "post", view.pay_url, primary=True, fields=(("action", ACTION_START),)),
            _another(view),
        ),
    )


def _paid(view: OrderView) -> Page:
    paid_at = view.paid_at or view.now
    if view.disputed_display and view.dispute_lost_at:
        return _page(
            view,
            "disputed",
            "Your bank gave the money back to you",
            text=(
                f"On {when(view.dispute_lost_at, zone=view.zone)} your bank decided over {view.disputed_display}.",
                "It has given you this money back, or will; your bank knows when.",
            ),
        )
    if view.disputed_display and view.disputed_at:
        return _page(
            view,
            "disputed",
            "You asked your bank about this payment",
            text=(
                f"On {when(view.disputed_at, zone=view.zone)} your bank opened a dispute over {view.disputed_display}.",
                "Your bank decides it, and tells you. There is nothing to pay now.",
            ),
        )
    if view.paying:
        same_day = paid_at.astimezone(view.zone).date() == view.now.astimezone(view.zone).date()
        moment = f"at {paid_at.astimezone(view.zone):%H:%M}" if same_day else f"on {when(paid_at, zone=view.zone)}"
        return _page(
            view,
            "paid_elsewhere",
            f"Already paid {moment}",
            text=(f"Order {view.order_number} is paid in full. There is nothing more to pay.",),
            buttons=(Button("Show the order", "link", view.order_url, primary=True),),
        )
    return _page(
        view,
        "paid",
        f"Paid. Order {view.order_number}",
        text=(
            f"Thank you. We received {view.total_display}. Your receipt goes to {masked_email(view.email)}.",
            *_extra_sentences(view),
        ),
    )


def _expired(view: OrderView) -> Page:
    return _page(
        view,
        "expired",
        "This payment link expired." if view.extra_refunds else f"This payment link expired. {NO_MONEY}",
        text=(*_extra_sentences(view), "You can order the same goods again, at today's prices."),
        buttons=(Button("Start a new payment", "post", view.again_url, primary=True),),
    )


def _cancelled(view: OrderView) -> Page:
    moment = f" on {when(view.closed_at, zone=view.zone)}" if view.closed_at else ""
    return _page(
        view,
        "cancelled",
        "This order was cancelled",
        text=(
            f"Order {view.order_number} over {view.total_display} was cancelled{moment}. There is nothing to pay.",
            *_extra_sentences(view),
        ),
        buttons=(Button("Order again", "post", view.again_url),),
    )


def _refunded(view: OrderView) -> Page:
    return _page(
        view,
        "refunded",
        "Your payment was refunded",
        text=(f"We sent back all of {view.total_display}.", *_refund_sentences(view)),
    )


def _partially_refunded(view: OrderView) -> Page:
    return _page(
        view,
        "partially_refunded",
        "Part of your payment was refunded",
        text=(f"We sent back {view.refunded_display} of {view.total_display}.", *_refund_sentences(view)),
    )


def _refund_sentences(view: OrderView) -> tuple[str, ...]:
    return tuple(_money_back(refund, view) for refund in view.refunds)


def _extra_sentences(view: OrderView) -> tuple[str, ...]:
    """Tell of money beyond what the order owed that was sent back."""
    return tuple(f"We sent an extra payment back: {_money_back(refund, view)}" for refund in view.extra_refunds)


def _money_back(refund: MoneyBack, view: OrderView) -> str:
    arrives = f" It arrives by {_day(refund.arrives_by, zone=view.zone)}." if refund.arrives_by else ""
    return f"{refund.amount_display} on {when(refund.at, zone=view.zone)}.{arrives}"


def _extra_money(view: OrderView) -> Page:
    moment = f" on {when(view.extra_at, zone=view.zone)}" if view.extra_at else ""
    return _page(
        view,
        "extra_money",
        "We received an extra payment",
        text=(
            f"{view.extra_display} reached us{moment} beyond what order {view.order_number} owed.",
            f"We will return it or use it for this order, and tell you. {DO_NOT_PAY_AGAIN}",
        ),
        show_receipt=view.paid_at is not None,
    )


def _ended_unpaid(attempt: AttemptView | None) -> bool:
    """Whether it is certain that no money moved: no page was given out, or the provider told how it ended."""
    if attempt is None or (attempt.state in (*LIVE_STATES, AttemptState.CANCELLED) and not attempt.url_given):
        return True
    return attempt.state in (AttemptState.FAILED, AttemptState.CANCELLED) and attempt.verified_at is not None


def _continue(view: OrderView) -> Button:
    return Button("Continue", "post", view.pay_url, primary=True, fields=(("action", ACTION_CONTINUE),))


def _another(view: OrderView) -> Button:
    if view.provider_count > 1:
        return Button("Use another method", "link", f"{view.pay_url}?other=1")
    return Button("Use another method", "post", view.pay_url, fields=(("action", ACTION_ANOTHER),))


def _check(view: OrderView) -> Button:
    return Button("Check again", "link", view.check_url, primary=True)


def _day(moment: datetime, *, zone: tzinfo) -> str:
    local = moment.astimezone(zone)
    return f"{local.day} {local:%B %Y}"


def _refresh_seconds(view: OrderView, since: datetime | None) -> int | None:
    """How soon a page without JavaScript reloads itself: quickly, then slowly, then no more."""
    if since is None:
        return None
    waited = view.now - since
    if waited < REFRESH_QUICKLY_FOR:
        return REFRESH_QUICK_SECONDS
    return REFRESH_SLOW_SECONDS if waited < REFRESH_AT_ALL_FOR else None


def _title(heading: str, view: OrderView) -> str:
    order = f"Order {view.order_number}"
    return heading if heading.endswith(order) else f"{heading.rstrip('.')} · {order}"


def _page(
    view: OrderView,
    key: str,
    heading: str,
    *,
    text: tuple[str, ...],
    buttons: tuple[Button, ...] = (),
    since: datetime | None = None,
    show_receipt: bool | None = None,
    pay_action: str = "",
) -> Page:
    waits = key in ("pending", "long_pending", "unreachable")
    return Page(
        key=key,
        title=_title(heading, view),
        heading=heading,
        text=text,
        buttons=buttons,
        # While another method is chosen the page must not go away under the shopper.
        poll=key in _POLLED and pay_action != ACTION_ANOTHER,
        meta_refresh_seconds=_refresh_seconds(view, since) if waits else None,
        tone=_TONES.get(key, "wait"),
        show_receipt=key in _WITH_RECEIPT if show_receipt is None else show_receipt,
        show_pay_form=bool(pay_action),
        pay_action=pay_action,
        check_url=view.check_url if key == "pending" else "",
    )
