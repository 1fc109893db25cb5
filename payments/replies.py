"""A reply to the customer, to copy: polite, in the shopper's terms, one text for each rule of payments/why/.

It holds nothing of our or the provider's insides: no ids but the order's number, no error, no provider's word of a
decline (payments/shop/decline_texts.py has the rules). "No money was taken" stands only where the provider said so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from payments.models.call import Operation
from payments.shop.decline_texts import decline_text
from payments.shop.pages import DO_NOT_PAY_AGAIN, NO_MONEY
from payments.shop.pages import when as told_when
from payments.situation import Situation
from payments.why import Why
from payments.why.unpaid import expected_by

WE_WILL_MAIL = "We will e-mail you as soon as we know more."
_PERSON = f"A colleague is looking into it and will write to you. {DO_NOT_PAY_AGAIN}"


def reply(situation: Situation, why: Why) -> str:
    """Return the text to send to whoever asks about this order, as plain text."""
    return "\n\n".join(
        (
            "Hello,",
            f"thank you for your message about order {situation.number} over {_total(situation)}.",
            BODIES[why.rule](situation),
            f"You can always see where your order stands here:\n{situation.status_url}",
            "Kind regards",
        )
    )


def _not_confirmed(it: Situation) -> str:
    return (
        "We cannot confirm your payment yet. We are asking the payment service for it again and again. "
        f"{DO_NOT_PAY_AGAIN} {WE_WILL_MAIL}"
    )


def _amount_differs(it: Situation) -> str:
    return f"A payment for your order reached us that does not match its amount. {_PERSON}"


def _extra(it: Situation) -> str:
    amounts = " and ".join(amount.format(locale=it.locale) for amount in it.extra)
    came = f" {amounts}" if amounts else " a payment"
    on = f" on {_date(it.extra_at)}" if it.extra_at else ""
    return f"{came}{on}"


def _double_payment(it: Situation) -> str:
    return (
        f"Your order is paid. Beyond that we received{_extra(it)}. We will return this extra payment or use it for "
        f"your order, and tell you. {DO_NOT_PAY_AGAIN}"
    )


def _late_money(it: Situation) -> str:
    return (
        f"We received{_extra(it)}, after the time to pay your order had run out. We will return it or use it for your "
        f"order, and tell you. {DO_NOT_PAY_AGAIN}"
    )


def _looking_into_it(it: Situation) -> str:
    return f"We cannot confirm your payment yet. {_PERSON}"


def _time_ran_out(it: Situation) -> str:
    return (
        "The time to pay this order has run out. We are making sure that no money was taken. "
        f"{DO_NOT_PAY_AGAIN} {WE_WILL_MAIL}"
    )


def _provider_paused(it: Situation) -> str:
    return (
        "Paying is not possible at this moment; we are working on it. Please try again a little later, from here:\n"
        f"{it.pay_url}"
    )


def _page_open(it: Situation) -> str:
    reason = decline_text(it.attempt.decline_reason) if it.attempt else ""
    before = f"Your last try did not succeed. {reason} " if reason else "We have not received your payment yet. "
    return f"{before}You can go on until {_date(it.expires_at)} here:\n{it.pay_url}"


def _capture_on_its_way(it: Situation) -> str:
    if it.call is not None and it.call.operation == Operation.PAY:
        return f"Your payment is on its way; your bank's answer has not reached us. {DO_NOT_PAY_AGAIN} {WE_WILL_MAIL}"
    return f"Your bank has agreed to the payment, and we are completing it. {DO_NOT_PAY_AGAIN} {WE_WILL_MAIL}"


def _three_d_secure(it: Situation) -> str:
    return (
        "Your bank needs one more step from you before the payment can be made. Please open this page, choose "
        f"“Continue” and finish your bank's check:\n{it.pay_url}"
    )


def _bank_processing(it: Situation) -> str:
    by = expected_by(it.attempt) if it.attempt else it.expires_at
    return (
        "Your bank is processing the payment. With this way to pay that takes some working days; we expect the answer "
        f"by {by.day} {by:%B %Y}. {DO_NOT_PAY_AGAIN} {WE_WILL_MAIL}"
    )


def _in_review(it: Situation) -> str:
    return (
        "Your payment is being checked before it is completed. You need not do anything. "
        f"{DO_NOT_PAY_AGAIN} {WE_WILL_MAIL}"
    )


def _opening(it: Situation) -> str:
    return (
        "The payment could not be started yet, because the payment service did not answer. You cannot have paid "
        f"anything so far. Please try again in a few minutes here:\n{it.pay_url}"
    )


def _last_try_failed(it: Situation) -> str:
    reason = (decline_text(it.attempt.decline_reason) if it.attempt else "") or "Your payment did not go through."
    verified = it.attempt is not None and it.attempt.looked_at is not None
    money = f" {NO_MONEY}" if verified else ""
    return f"{reason}{money} You can try again until {_date(it.expires_at)} here:\n{it.pay_url}"


def _never_started(it: Situation) -> str:
    return (
        f"Your order is not paid, and no payment is under way. You can pay it until {_date(it.expires_at)} here:\n"
        f"{it.pay_url}"
    )


def _paid(it: Situation) -> str:
    on = f" on {_date(it.paid_at)}" if it.paid_at else ""
    mailed = f" We e-mailed the receipt to you on {_date(it.receipt_at)}." if it.receipt_at else ""
    return f"Your payment of {_total(it)} reached us{on}.{mailed} The receipt is also on the page below."


def _paid_with_case(it: Situation) -> str:
    return f"{_paid(it)} A colleague is looking into what happened since, and will write to you."


def _disputed(it: Situation) -> str:
    return (
        f"{_paid(it)} You asked your bank about this payment, and your bank decides about it; there is nothing to pay "
        "now. If you asked by mistake, tell your bank that the payment is yours. If something is wrong with what you "
        "ordered, answer this message and we will see to it."
    )


def _refund_failed(it: Situation) -> str:
    return (
        "We wanted to send money back to you, and it did not reach you. A colleague is looking into it and will write "
        "to you, to send it another way."
    )


def _refund_on_its_way(it: Situation) -> str:
    amount = it.refund.amount.format(locale=it.locale) if it.refund else "the money"
    return (
        f"We are sending {amount} back to you, the way you paid. As soon as it has left us we e-mail you, and tell you "
        "by when it arrives."
    )


def _went_back(what: str) -> Callable[[Situation], str]:
    def body(it: Situation) -> str:
        on = f" on {_date(it.closed_at)}" if it.closed_at else ""
        return (
            f"We sent {what} of your payment back{on}. Depending on your bank it takes some working days until you "
            "see it in your account."
        )

    return body


def _expired(it: Situation) -> str:
    on = f" on {_date(it.closed_at)}" if it.closed_at else ""
    return (
        f"The time to pay this order ran out{on}. {NO_MONEY} "
        "If you still want the goods, please order them again from the page below."
    )


def _cancelled(it: Situation) -> str:
    on = f" on {_date(it.closed_at)}" if it.closed_at else ""
    return f"This order was cancelled{on} before it was paid. There is nothing to pay."


BODIES: dict[str, Callable[[Situation], str]] = {
    "keys_refused": _not_confirmed,
    "provider_unreachable": _not_confirmed,
    "signatures_fail": _not_confirmed,
    "amount_differs": _amount_differs,
    "double_payment": _double_payment,
    "late_money": _late_money,
    "stopped_by_case": _looking_into_it,
    "time_ran_out": _time_ran_out,
    "provider_paused": _provider_paused,
    "page_open": _page_open,
    "capture_on_its_way": _capture_on_its_way,
    "notice_queued": _not_confirmed,
    "notice_failed": _not_confirmed,
    "three_d_secure": _three_d_secure,
    "bank_processing": _bank_processing,
    "in_review": _in_review,
    "opening": _opening,
    "last_try_failed": _last_try_failed,
    "never_started": _never_started,
    "unsettled": _looking_into_it,
    "disputed": _disputed,
    "paid_with_case": _paid_with_case,
    "refund_failed": _refund_failed,
    "refund_on_its_way": _refund_on_its_way,
    "paid_untold": _paid,
    "paid": _paid,
    "partially_refunded": _went_back("a part"),
    "refunded": _went_back("all"),
    "expired": _expired,
    "cancelled": _cancelled,
}


def _total(it: Situation) -> str:
    return it.total.format(locale=it.locale)


def _date(at: datetime | None) -> str:
    return told_when(at, zone=UTC) if at is not None else ""
