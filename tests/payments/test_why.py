"""Why an order is as it is: each rule to the letter, and an answer for every situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.states import OrderState
from payments.models.call import Operation
from payments.models.case import CaseKind
from payments.situation import Situation
from payments.states import AttemptState
from payments.why import RULES, why
from payments.why.unpaid import after_business_days
from tests.payments.situations import DOWN, NOTICE, NOW, PLACED, SITUATIONS, attempt, case, ended, minutes, paid, placed

# rule: tone, sentence, next step
SNAPSHOTS = {
    "keys_refused": (
        "bad",
        "Stripe refuses our key; at 14:05 UTC it said that its page is open, not paid.",
        "A person must mend the key. We go on asking at 14:11 UTC.",
    ),
    "provider_unreachable": (
        "bad",
        "Cannot ask Stripe; at 14:05 UTC it said processing (2 tries since).",
        "We ask again at 14:11 UTC.",
    ),
    "signatures_fail": (
        "bad",
        (
            "Our signature check of Stripe's notices has been failing since 13:10 UTC; 37 orders wait. "
            "At 14:05 UTC it said that its page is open, not paid."
        ),
        "A person must mend the webhook's secret. Meanwhile we ask by ourselves, next at 14:11 UTC.",
    ),
    "amount_differs": (
        "act",
        "The amount differs: the order owes 42.00 EUR. Stripe says 41.00 EUR. Nothing moves.",
        "Nothing happens by itself. Case 7: Return it, or accept it by a correction.",
    ),
    "double_payment": (
        "act",
        "Paid more than once: 42.00 EUR (taken at 14:07 UTC) came beyond what the order owes.",
        "Nothing happens by itself. Case 7: Refund the duplicate; what was paid first stays as it is.",
    ),
    "late_money": (
        "act",
        "Late money: 42.00 EUR (taken on 20 November 2026, 14:10 UTC) came, though the order is expired.",
        "Nothing happens by itself. Case 7: Reopen the order and apply the money, or refund it.",
    ),
    "stopped_by_case": (
        "act",
        "Stopped: another account. Account acct_9.",
        "Nothing happens by itself. Case 7: Put back the first key.",
    ),
    "time_ran_out": (
        "wait",
        "The time to pay ran out at 14:09 UTC; before the order expires we make sure that nothing was paid.",
        "We look, close the page, and look again at 14:11 UTC.",
    ),
    "provider_paused": (
        "act",
        "Stripe is paused since 13:10 UTC: Announced maintenance until three. No new payment begins there.",
        "Nothing happens by itself. Whoever may pause providers can resume it.",
    ),
    "page_open": (
        "wait",
        (
            "The pay page at Stripe is open, not paid yet (asked at 14:05 UTC). "
            "Last decline: insufficient funds (code card_declined)."
        ),
        "The shopper may pay until 15:00 UTC. We ask again at 14:11 UTC.",
    ),
    "capture_on_its_way": (
        "wait",
        "The money is reserved at Stripe, and our capture is on its way. Last error: No answer in time.",
        "It is sent, under one key however often, and we look at 14:10 UTC.",
    ),
    "notice_queued": (
        "wait",
        "The provider's notice of 14:09 UTC waits in our inbox (lag 40 s).",
        "A worker takes it up, and we ask the provider at 14:10 UTC.",
    ),
    "notice_failed": (
        "bad",
        "The provider's notice of 14:06 UTC could not be used (lag 4 min): No answer.",
        "It is tried again at 14:12 UTC.",
    ),
    "three_d_secure": (
        "wait",
        "3-D Secure is unfinished: the bank wants one more step from the shopper.",
        "The shopper can finish it from the order's page. We ask again at 14:11 UTC.",
    ),
    "bank_processing": (
        "wait",
        "The bank is processing the payment, begun at 14:01 UTC; expected by 10 December 2026.",
        "We ask again at 14:11 UTC.",
    ),
    "in_review": (
        "wait",
        "The payment is in review at Stripe: nothing is captured until somebody there decides.",
        "Decide it in Stripe's dashboard. We ask again at 14:11 UTC.",
    ),
    "opening": (
        "wait",
        "Stripe has not answered our request of 14:01 UTC to open its pay page (3 tries: No answer).",
        "It is sent again under the same key at 14:11 UTC.",
    ),
    "last_try_failed": (
        "wait",
        "The last try at Stripe failed: fraud (code stolen_card). No other is under way.",
        "The shopper may try again; if nobody pays, the order expires at 15:00 UTC.",
    ),
    "never_started": (
        "wait",
        "Nobody has begun to pay. The link expires at 15:00 UTC.",
        "If nobody pays, the order expires at 15:00 UTC.",
    ),
    "unsettled": (
        "act",
        "The attempt is paid, and the order is not paid by it.",
        "Nothing happens by itself. Compare the payment at the provider, and tell the developers.",
    ),
    "refund_failed": (
        "act",
        "A refund failed. Stripe: expired_or_canceled_card",
        "Nothing happens by itself. Case 7: Pay the customer another way.",
    ),
    "disputed": (
        "act",
        (
            "Paid at 14:05 UTC through Stripe: 42.00 EUR. But the customer's bank disputes 42.00 EUR "
            "(product not received): answer within 8 days 4 hours, by 2026-11-29 18:10 UTC."
        ),
        "Unanswered, the bank decides against us on 29 November 2026, 18:10 UTC.",
    ),
    "paid_with_case": (
        "act",
        (
            "Paid at 14:05 UTC through Stripe: 42.00 EUR. But: refunded at the provider. "
            "Stripe shows refund re_1 (pending)."
        ),
        "Nothing happens by itself. Case 7: Tell the customer.",
    ),
    "refund_on_its_way": (
        "wait",
        "A refund of 5.00 EUR was asked for at 14:06 UTC; Stripe has it in hand.",
        "We ask Stripe again at 14:15 UTC.",
    ),
    "paid_untold": (
        "wait",
        (
            "Paid at 14:05 UTC through Stripe: 42.00 EUR. "
            "CRM (and 1 more) has not confirmed order.paid after 3 tries: It answered 500."
        ),
        "It is sent again at 14:19 UTC.",
    ),
    "paid": (
        "good",
        "Paid at 14:05 UTC through Stripe: 42.00 EUR. The receipt was mailed at 14:06 UTC.",
        "Nothing more is to happen.",
    ),
    "partially_refunded": (
        "good",
        "Paid at 14:05 UTC through Stripe: 42.00 EUR. Part of it went back at 14:08 UTC.",
        "Nothing more is to happen.",
    ),
    "refunded": (
        "good",
        "Paid at 14:05 UTC through Stripe: 42.00 EUR. All of it went back at 14:08 UTC.",
        "Nothing more is to happen.",
    ),
    "expired": (
        "good",
        "Expired at 14:08 UTC: Stripe said that nothing was paid.",
        "We look once more for late money at 14:30 UTC.",
    ),
    "cancelled": (
        "good",
        "Cancelled at 14:08 UTC, before it was paid.",
        "Nothing more is to happen.",
    ),
}


def test_every_rule_has_a_snapshot() -> None:
    names = [rule.__name__ for rule in RULES]
    assert list(SNAPSHOTS) == list(SITUATIONS) == names


@pytest.mark.parametrize("rule", SNAPSHOTS)
def test_a_rule_says_this(rule: str) -> None:
    situation = SITUATIONS[rule]
    answer = why(situation)
    assert (answer.rule, (answer.tone, answer.sentence, answer.next_sentence(now=NOW))) == (rule, SNAPSHOTS[rule])


# Variants within a rule: what it is about, the situation, what must be read.
OUR_CAPTURE = SITUATIONS["capture_on_its_way"].call or pytest.fail("the situation has a call")

VARIANTS: dict[str, tuple[Situation, str]] = {
    "a payment by token whose answer was lost": (
        replace(
            SITUATIONS["capture_on_its_way"],
            attempt=attempt(page_open=False),
            call=replace(OUR_CAPTURE, operation=Operation.PAY, next_try_at=None),
        ),
        (
            "The shopper gave a card in Stripe's form, and our request to take the money is on its way. "
            "Last error: No answer in time."
        ),
    ),
    "approved, not captured": (
        replace(
            SITUATIONS["capture_on_its_way"], attempt=attempt(page_open=False), call=replace(OUR_CAPTURE, error="")
        ),
        "The shopper has approved the payment at Stripe, and our capture is on its way.",
    ),
    "never answered": (
        placed(attempt=attempt(looked_at=None, said="", look_failures=1, look_error="unavailable: away")),
        "Cannot ask Stripe; it has told us nothing since the payment began at 14:01 UTC (1 try since).",
    ),
    "never asked": (
        placed(attempt=attempt(looked_at=None, said="")),
        "The pay page at Stripe is open, not paid yet (opened at 14:01 UTC, not asked about since).",
    ),
    "an unknown object is an answer": (
        placed(attempt=attempt(**DOWN), cases=(case(CaseKind.UNKNOWN_OBJECT, "stripe knows no such object."),)),
        "Stopped: the provider does not know this payment. Stripe knows no such object.",
    ),
    "another currency": (
        placed(cases=(case(CaseKind.CURRENCY_MISMATCH, "stripe says 42.00 USD."),)),
        "The currency differs: the order owes 42.00 EUR. Stripe says 42.00 USD. Nothing moves.",
    ),
    "one order waits": (
        placed(signatures_fail_since=NOW - minutes(3), orders_waiting=1, attempt=attempt(page_open=False)),
        (
            "Our signature check of Stripe's notices has been failing since 14:07 UTC; 1 order waits. "
            "At 14:05 UTC it said processing."
        ),
    ),
    "time ran out with nothing under way": (
        placed(expires_at=NOW, attempt=None),
        "The time to pay ran out at 14:10 UTC; nothing is under way that could pay it.",
    ),
    "time ran out, but a bank is processing": (
        placed(expires_at=NOW - minutes(9), attempt=attempt(page_open=False)),
        "The bank is processing the payment, begun at 14:01 UTC; expected by 10 December 2026.",
    ),
    "a notice given up before the last look is no news": (
        placed(notice=replace(NOTICE, state="dead", received_at=NOW - minutes(6))),
        "The pay page at Stripe is open, not paid yet (asked at 14:05 UTC).",
    ),
    "parked": (
        placed(
            notice=replace(NOTICE, state="parked", received_at=NOW - timedelta(hours=3)),
            attempt=attempt(page_open=False),
        ),
        "The provider's notice of 11:10 UTC waits in our inbox (lag 3 h). It matches nothing here yet.",
    ),
    "given up": (
        placed(notice=replace(NOTICE, state="dead", error="")),
        "The provider's notice of 14:09 UTC could not be used and was given up (lag 40 s): no reason is known.",
    ),
    "closed unpaid": (
        placed(attempt=attempt(state="cancelled", page_open=False)),
        "The last pay page was closed unpaid; no other is open. The link expires at 15:00 UTC.",
    ),
    "a dead letter": (
        paid(untold=(replace(SITUATIONS["paid_untold"].untold[0], dead=True, error="", next_try_at=None),)),
        "Paid at 14:05 UTC through Stripe: 42.00 EUR. CRM was not told of order.paid, given up after 3 tries.",
    ),
    "a fact on its first way is no trouble": (
        paid(
            paid_at=NOW - timedelta(seconds=5),
            untold=(replace(SITUATIONS["paid_untold"].untold[0], tries=0, error=""),),
        ),
        "Paid at 14:09 UTC through Stripe: 42.00 EUR.",
    ),
    "nobody had begun": (ended("expired", attempt=None), "Expired at 14:08 UTC: nobody had begun to pay."),
}


@pytest.mark.parametrize("about", VARIANTS)
def test_a_variant_says_this(about: str) -> None:
    situation, sentence = VARIANTS[about]
    assert why(situation).sentence == sentence


states = st.sampled_from(list(AttemptState.values))
attempts = st.none() | st.builds(
    attempt,
    state=states,
    page_open=st.booleans(),
    in_review=st.booleans(),
    look_failures=st.integers(0, 3),
    look_error=st.sampled_from(["", "configuration: bad key", "unavailable: away"]),
    looked_at=st.none() | st.just(NOW - minutes(5)),
    next_look_at=st.none() | st.just(NOW + minutes(5)),
    said=st.sampled_from(["", "pending", "failed"]),
    decline_reason=st.sampled_from(["", "fraud"]),
)
situations = st.builds(
    lambda **changes: replace(PLACED, **changes),
    state=st.sampled_from(list(OrderState.values)),
    attempt=attempts,
    expires_at=st.sampled_from([NOW - minutes(1), NOW + minutes(1)]),
    signatures_fail_since=st.none() | st.just(NOW),
    cases=st.lists(st.sampled_from(list(CaseKind)).map(case), max_size=2).map(tuple),
    notice=st.none()
    | st.sampled_from(["received", "failed", "dead", "parked"]).map(lambda s: replace(NOTICE, state=s)),
    call=st.none() | st.just(SITUATIONS["opening"].call),
    untold=st.just(()) | st.just(SITUATIONS["paid_untold"].untold),
)


@given(situations)
def test_every_situation_has_one_sentence(situation: Situation) -> None:
    answer = why(situation)
    assert answer.rule in SNAPSHOTS
    assert answer.sentence.endswith((".", "!"))
    assert ".." not in answer.sentence
    assert answer.next_sentence(now=NOW).endswith(".")


def test_business_days_pass_over_weekends() -> None:
    friday = datetime(2026, 11, 20, 12, 0, tzinfo=NOW.tzinfo)
    assert after_business_days(friday, 1).strftime("%A") == "Monday"
    assert after_business_days(friday, 5).strftime("%A %d") == "Friday 27"
