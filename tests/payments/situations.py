"""One situation for each rule of payments/why/, and what is told of it: data for tests of words and looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orders.money import Money
from payments.models.call import Operation
from payments.models.case import CaseKind
from payments.refunds.undecided import UndecidedRefund
from payments.situation import Attempt, Call, Disputed, Notice, OpenCase, Paused, Situation, Untold

NOW = datetime(2026, 11, 21, 14, 10, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


ATTEMPT = Attempt(
    state="pending",
    provider="stripe",
    created_at=NOW - minutes(9),
    url_given_at=NOW - minutes(9),
    page_open=True,
    looked_at=NOW - minutes(5),
    said="pending",
    next_look_at=NOW + minutes(1),
)
PLACED = Situation(
    now=NOW,
    number=1042,
    state="placed",
    total=Money(4200, "EUR"),
    locale="de_DE",
    placed_at=NOW - minutes(10),
    expires_at=NOW + minutes(50),
    status_url="https://shop.example/orders/t0ken/",
    pay_url="https://shop.example/pay/t0ken/",
    attempt=ATTEMPT,
)
PAID = replace(
    PLACED,
    state="paid",
    paid_at=NOW - minutes(5),
    attempt=replace(ATTEMPT, state="paid", page_open=False, said="paid", next_look_at=None),
)


def attempt(**changes: Any) -> Attempt:
    return replace(ATTEMPT, **changes)


def placed(**changes: Any) -> Situation:
    return replace(PLACED, **changes)


def paid(**changes: Any) -> Situation:
    return replace(PAID, **changes)


def ended(state: str, **changes: Any) -> Situation:
    over = attempt(state="cancelled", page_open=False, said="cancelled", next_look_at=NOW + minutes(20))
    return replace(PLACED, state=state, **{"attempt": over, "closed_at": NOW - minutes(2), **changes})


def case(kind: CaseKind, theirs: str = "stripe says so.", fix: str = "Compare both.") -> OpenCase:
    return OpenCase(number=7, kind=kind.value, label=str(kind.label), theirs=theirs, suggested_fix=fix)


DOWN = {"look_failures": 2, "look_error": "unavailable: no answer in time"}
NOTICE = Notice(state="received", received_at=NOW - timedelta(seconds=40), next_try_at=NOW)

SITUATIONS: dict[str, Situation] = {
    "keys_refused": placed(
        attempt=attempt(look_failures=1, look_error="configuration: Invalid API Key provided"),
        cases=(case(CaseKind.PROVIDER_CONFIGURATION),),
    ),
    "provider_unreachable": placed(attempt=attempt(page_open=False, **DOWN)),
    "signatures_fail": placed(signatures_fail_since=NOW - minutes(60), orders_waiting=37),
    "amount_differs": placed(
        cases=(case(CaseKind.AMOUNT_MISMATCH, "stripe says 41.00 EUR.", "Return it, or accept it by a correction."),)
    ),
    "double_payment": paid(
        cases=(case(CaseKind.DOUBLE_PAYMENT, fix="Refund the duplicate; what was paid first stays as it is."),),
        extra=(Money(4200, "EUR"),),
        extra_at=NOW - minutes(3),
    ),
    "late_money": ended(
        "expired",
        cases=(case(CaseKind.LATE_MONEY, fix="Reopen the order and apply the money, or refund it."),),
        extra=(Money(4200, "EUR"),),
        extra_at=NOW - timedelta(days=1),
    ),
    "stopped_by_case": placed(cases=(case(CaseKind.WRONG_ACCOUNT, "Account acct_9.", "Put back the first key."),)),
    "time_ran_out": placed(expires_at=NOW - minutes(1)),
    "provider_paused": placed(
        attempt=attempt(state="created", page_open=False, url_given_at=None, looked_at=None, said=""),
        paused=Paused(label="Stripe", since=NOW - minutes(60), reason="Announced maintenance until three"),
    ),
    "page_open": placed(attempt=attempt(decline_reason="insufficient_funds", decline_code="card_declined")),
    "capture_on_its_way": placed(
        attempt=attempt(state="authorized", page_open=False, said="authorized"),
        call=Call(
            operation=Operation.CAPTURE,
            created_at=NOW - minutes(1),
            tries=1,
            next_try_at=NOW,
            error="No answer in time",
        ),
    ),
    "notice_queued": placed(notice=NOTICE),
    "notice_failed": placed(
        notice=replace(
            NOTICE, state="failed", received_at=NOW - minutes(4), next_try_at=NOW + minutes(2), error="No answer"
        )
    ),
    "three_d_secure": placed(attempt=attempt(state="requires_action", said="requires_action")),
    "bank_processing": placed(attempt=attempt(page_open=False)),
    "in_review": placed(attempt=attempt(page_open=False, in_review=True)),
    "opening": placed(
        attempt=attempt(state="created", page_open=False, url_given_at=None, looked_at=None, said=""),
        call=Call(
            operation=Operation.START,
            created_at=NOW - minutes(9),
            tries=3,
            next_try_at=NOW + minutes(1),
            error="No answer.",
        ),
    ),
    "last_try_failed": placed(
        attempt=attempt(
            state="failed", page_open=False, said="failed", decline_reason="fraud", decline_code="stolen_card"
        )
    ),
    "never_started": placed(attempt=None),
    "unsettled": placed(attempt=attempt(state="paid", page_open=False, said="paid")),
    "refund_failed": paid(
        cases=(case(CaseKind.REFUND_FAILED, "stripe: expired_or_canceled_card", "Pay the customer another way."),)
    ),
    "disputed": paid(
        dispute=Disputed(
            dispute_id="du_1",
            state="open",
            amount=Money(4200, "EUR"),
            reason="product_not_received",
            opened_at=NOW - minutes(3),
            respond_by=NOW + timedelta(days=8, hours=4),
            case=7,
        )
    ),
    "paid_with_case": paid(
        cases=(case(CaseKind.PROVIDER_REFUND, "stripe shows refund re_1 (pending).", "Tell the customer."),)
    ),
    "refund_on_its_way": paid(
        refund=UndecidedRefund(
            state="pending",
            label="Stripe",
            amount=Money(500, "EUR"),
            requested_at=NOW - minutes(4),
            next_look_at=NOW + minutes(5),
        )
    ),
    "paid_untold": paid(
        untold=(
            Untold(
                receiver="CRM",
                fact="order.paid",
                dead=False,
                tries=3,
                next_try_at=NOW + minutes(9),
                error="It answered 500.",
            ),
            Untold(receiver="ERP", fact="order.paid", dead=False, tries=1, next_try_at=NOW + minutes(2)),
        )
    ),
    "paid": paid(receipt_at=NOW - minutes(4)),
    "partially_refunded": paid(state="partially_refunded", closed_at=NOW - minutes(2)),
    "refunded": paid(state="refunded", closed_at=NOW - minutes(2)),
    "expired": ended("expired"),
    "cancelled": ended("cancelled", attempt=None),
}
"""By the name of the rule that must match."""
