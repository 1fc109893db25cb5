"""What a shopper reads in each state, to the letter of PEOPLE.md, and what must never be said."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

from integrations.contract import DeclineReason
from orders.states import OrderState
from payments.shop.decline_texts import GENERIC, decline_text
from payments.shop.page_data import OrderView, Page
from payments.shop.pages import masked_email, page_for, receipt_for, when
from payments.states import AttemptState
from tests.payments.shop_states import EARLIER, NOW, PAID, STATES, attempt, order

ALL_KEYS = {
    *("not_started", "open", "pending", "long_pending", "action_needed", "paid", "failed", "expired"),
    *("paid_elsewhere", "extra_money", "cancelled", "refunded", "partially_refunded", "disputed", "unreachable"),
}

# heading; sentences; buttons (label, kind, address, posted action), the primary one first
TABLE: dict[str, tuple[str, tuple[str, ...], tuple[tuple[str, str, str, str], ...]]] = {
    "not_started": ("Ready to pay", ("Total: €42.00",), (("Pay", "link", "/pay/token/", ""),)),
    "open": (
        "Not paid yet",
        (
            "There is not enough money on this card or account. Use another method.",
            "Your order of €42.00 waits for your payment.",
        ),
        (
            ("Continue", "post", "/pay/token/", "continue"),
            ("Use another method", "link", "/pay/token/?other=1", ""),
        ),
    ),
    "pending": ("We're confirming your payment", ("Please don't pay again. We'll e-mail you.",), ()),
    "long_pending": (
        "Your bank is taking longer than usual",
        ("Please don't pay again. It is safe to close this page. We'll e-mail you.",),
        (("Check again", "link", "/pay/token/return/", ""),),
    ),
    "action_needed": (
        "Your bank needs one more step",
        ("Your payment of €42.00 waits until you have finished it.",),
        (("Continue", "post", "/pay/token/", "continue"),),
    ),
    "paid": (
        "Paid. Order 1042",
        ("Thank you. We received €42.00. Your receipt goes to a…@example.com.",),
        (),
    ),
    "failed": (
        "This card has expired. Use another card.",
        ("No money was taken. Your basket is kept.",),
        (
            ("Try again", "post", "/pay/token/", "start"),
            ("Use another method", "link", "/pay/token/?other=1", ""),
        ),
    ),
    "expired": (
        "This payment link expired. No money was taken.",
        ("You can order the same goods again, at today's prices.",),
        (("Start a new payment", "post", "/basket/again/token/", ""),),
    ),
    "paid_elsewhere": (
        "Already paid at 14:03",
        ("Order 1042 is paid in full. There is nothing more to pay.",),
        (("Show the order", "link", "/orders/token/", ""),),
    ),
    "extra_money": (
        "We received an extra payment",
        (
            "€42.00 reached us on 21 November 2026, 14:03 UTC beyond what order 1042 owed.",
            "We will return it or use it for this order, and tell you. Please don't pay again.",
        ),
        (),
    ),
    "cancelled": (
        "This order was cancelled",
        ("Order 1042 over €42.00 was cancelled on 21 November 2026, 14:03 UTC. There is nothing to pay.",),
        (("Order again", "post", "/basket/again/token/", ""),),
    ),
    "refunded": (
        "Your payment was refunded",
        (
            "We sent back all of €42.00.",
            "€42.00 on 21 November 2026, 14:03 UTC. It arrives by 1 December 2026.",
        ),
        (),
    ),
    "partially_refunded": (
        "Part of your payment was refunded",
        (
            "We sent back €12.00 of €42.00.",
            "€12.00 on 21 November 2026, 14:03 UTC. It arrives by 1 December 2026.",
        ),
        (),
    ),
    "disputed": (
        "You asked your bank about this payment",
        (
            "On 21 November 2026, 14:03 UTC your bank opened a dispute over €42.00.",
            "Your bank decides it, and tells you. There is nothing to pay now.",
        ),
        (),
    ),
    "unreachable": (
        "We can't confirm yet. Please don't pay again.",
        ("The payment service does not answer just now. We keep asking it.", "We'll e-mail you."),
        (("Check again", "link", "/pay/token/return/", ""),),
    ),
}


def words(page: Page) -> str:
    return " ".join((page.heading, *page.text))


@pytest.mark.parametrize("key", sorted(ALL_KEYS))
def test_each_state_reads_as_agreed(key: str) -> None:
    page = page_for(STATES[key])
    heading, text, buttons = TABLE[key]
    assert (page.key, page.heading, page.text) == (key, heading, text)
    assert (
        tuple((each.label, each.kind, each.url, dict(each.fields).get("action", "")) for each in page.buttons)
        == buttons
    )
    assert page.title.startswith(heading.rstrip("."))
    assert page.title.endswith("Order 1042")
    assert page.title.count("1042") == 1


def test_no_state_is_left_out() -> None:
    assert set(STATES) == set(TABLE) == ALL_KEYS


@pytest.mark.parametrize("key", sorted(ALL_KEYS))
def test_each_page_has_one_heading_and_one_primary_button_at_most(key: str) -> None:
    assert sum(button.primary for button in page_for(STATES[key]).buttons) <= 1


@pytest.mark.parametrize("key", sorted(ALL_KEYS))
def test_a_page_that_may_change_asks_and_the_others_are_still(key: str) -> None:
    still = {
        "paid",
        "paid_elsewhere",
        "refunded",
        "partially_refunded",
        "disputed",
        "extra_money",
    }
    assert page_for(STATES[key]).poll == (key not in still)


class TestNoMoneyWasTaken:
    """The sentence is said only where the provider told how it ended, or where no page was ever given out."""

    def said(self, view: OrderView) -> bool:
        return "No money was taken." in words(page_for(view))

    @pytest.mark.parametrize("state", [AttemptState.FAILED, AttemptState.CANCELLED])
    def test_said_once_the_provider_told_the_end(self, state: str) -> None:
        ended = attempt(state=state, page_open=False)
        assert self.said(order(ended))
        assert not self.said(order(replace(ended, verified_at=None)))

    def test_not_said_while_a_payment_may_still_come(self) -> None:
        for state, is_open, is_verified, unreachable in itertools.product(
            ("pending", "requires_action", "authorized", "created"), (True, False), (True, False), (True, False)
        ):
            live = attempt(
                state=state, page_open=is_open, verified_at=NOW if is_verified else None, unreachable=unreachable
            )
            for now in (NOW, NOW + timedelta(hours=2)):
                view = order(live, now=now)
                assert not self.said(view), view

    def test_said_of_an_order_that_nobody_tried_to_pay(self) -> None:
        assert self.said(order(now=NOW + timedelta(hours=2)))

    def test_never_said_beside_money(self) -> None:
        for key in ("paid", "paid_elsewhere", "extra_money", "refunded", "partially_refunded", "disputed"):
            assert not self.said(STATES[key])
        late = order(attempt(state="cancelled"), order_state="expired", extra_display="€42.00", extra_at=EARLIER)
        assert page_for(late).key == "extra_money"
        assert not self.said(late)


class TestNeverAskedTwice:
    """Nobody who may have paid is asked to pay."""

    def test_not_while_it_is_not_known(self) -> None:
        for view in (
            order(attempt(page_open=False)),
            order(attempt(verified_at=None)),
            order(attempt(unreachable=True)),
            order(attempt(state="authorized", page_open=False)),
            order(attempt(state="paid", page_open=False)),
            order(attempt(state="requires_action", page_open=False)),
        ):
            for paying in (True, False):
                page = page_for(replace(view, paying=paying))
                assert "Please don't pay again" in words(page)
                assert not page.show_pay_form
                assert {button.label for button in page.buttons} <= {"Check again"}

    def test_not_after_the_time_is_over(self) -> None:
        late = NOW + timedelta(hours=2)
        for attempted in (None, attempt(state="failed"), attempt(state="cancelled", url_given=False)):
            page = page_for(order(attempted, now=late, paying=True))
            assert (page.key, page.show_pay_form) == ("expired", False)
        assert page_for(order(attempt(page_open=False), now=late)).key == "long_pending"

    def test_not_when_it_is_paid_or_closed(self) -> None:
        for state in OrderState:
            if state is not OrderState.PLACED:
                page = page_for(replace(PAID, order_state=state, paying=True, refunded_display="€42.00"))
                assert not page.show_pay_form

    def test_an_attempt_whose_page_nobody_got_can_be_begun_again(self) -> None:
        page = page_for(order(attempt(state="created", url_given=False), paying=True))
        assert (page.key, page.show_pay_form, page.pay_action) == ("not_started", True, "start")

    def test_another_method_is_offered_beside_an_open_page_and_says_what_happens_first(self) -> None:
        page = page_for(order(attempt(), paying=True, choosing=True))
        assert (page.show_pay_form, page.pay_action, page.poll) == (True, "another", False)
        assert "never pay twice" in words(page)

    def test_the_only_method_begins_anew_without_a_choice(self) -> None:
        button = page_for(order(attempt(), provider_count=1)).buttons[1]
        assert (button.kind, button.fields) == ("post", (("action", "another"),))


class TestWaiting:
    """Pages without JavaScript reload themselves quickly, slowly, then not at all."""

    @pytest.mark.parametrize(
        ("waited_seconds", "key", "refresh_seconds"),
        [
            (0, "pending", 5),
            (59, "pending", 5),
            (60, "pending", 20),
            (119, "pending", 20),
            (120, "long_pending", 20),
            (299, "long_pending", 20),
            (300, "long_pending", None),
            (90_000, "long_pending", None),
        ],
    )
    def test_by_how_long_it_takes(self, waited_seconds: int, key: str, refresh_seconds: int | None) -> None:
        since = NOW - timedelta(seconds=waited_seconds)
        page = page_for(order(attempt(page_open=False, pending_since=since)))
        assert (page.key, page.meta_refresh_seconds) == (key, refresh_seconds)

    def test_not_without_knowing_since_when(self) -> None:
        assert page_for(order(attempt(page_open=False, pending_since=None))).meta_refresh_seconds is None

    def test_pages_where_the_shopper_acts_stay(self) -> None:
        for key in ALL_KEYS - {"pending", "long_pending", "unreachable"}:
            assert page_for(STATES[key]).meta_refresh_seconds is None


class TestDeclines:
    """Specific where that is safe; otherwise one and the same sentence."""

    SAFE = ("insufficient_funds", "expired_card", "incorrect_cvc", "invalid_card", "authentication_required")

    @pytest.mark.parametrize("reason", [*SAFE, "limit", "retry_later"])
    def test_specific(self, reason: str) -> None:
        assert decline_text(reason) not in ("", GENERIC)

    def test_all_others_read_the_same(self) -> None:
        others = set(DeclineReason) - {*self.SAFE, "limit", "retry_later"}
        words = {*others, "lost_card", "stolen_card", "fraudulent", "pickup_card", "never heard of", "\x00"}
        assert {decline_text(word) for word in words} == {
            "Your bank declined this payment. Contact it or use another method."
        }

    def test_none_is_none(self) -> None:
        assert decline_text("") == ""

    def test_every_sentence_is_its_own(self) -> None:
        texts = [decline_text(reason) for reason in (*self.SAFE, "limit", "retry_later")]
        assert len(set(texts)) == len(texts)


class TestReceipt:
    def test_says_what_was_paid_when_and_how(self) -> None:
        assert receipt_for(PAID) == (
            ("Order", "1042"),
            ("Total paid", "€42.00"),
            ("Paid on", "21 November 2026, 14:03 UTC"),
            ("Payment method", "Card or bank (Stripe)"),
            ("Receipt goes to", "a…@example.com"),
        )

    def test_says_what_came_back(self) -> None:
        assert ("Returned to you", "€12.00") in receipt_for(STATES["partially_refunded"])

    def test_there_is_none_before(self) -> None:
        assert receipt_for(STATES["open"]) == ()

    @pytest.mark.parametrize(
        ("email", "masked"),
        [("ann@example.com", "a…@example.com"), ("", ""), ("@x", ""), ('"a@b"@example.com', '"…@example.com')],
    )
    def test_shows_no_whole_address(self, email: str, masked: str) -> None:
        assert masked_email(email) == masked


def test_times_are_told_in_the_shops_zone() -> None:
    assert when(NOW, zone=UTC) == "21 November 2026, 14:05 UTC"
    assert when(NOW, zone=ZoneInfo("Asia/Tokyo")) == "21 November 2026, 23:05 JST"


def test_another_day_is_named() -> None:
    page = page_for(replace(PAID, paying=True, paid_at=datetime(2026, 11, 20, 14, 3, tzinfo=UTC)))
    assert page.heading == "Already paid on 20 November 2026, 14:03 UTC"


@pytest.mark.parametrize("order_state", list(OrderState))
@pytest.mark.parametrize("attempt_state", [None, *AttemptState])
def test_every_combination_has_a_page(order_state: str, attempt_state: str | None) -> None:
    for paying, choosing, given, is_open, later in itertools.product((True, False), repeat=5):
        seen = attempt(state=attempt_state, url_given=given, page_open=is_open) if attempt_state else None
        changed: dict[str, Any] = {"paid_at": EARLIER} if order_state not in ("placed", "expired", "cancelled") else {}
        now = NOW + timedelta(hours=2) if later else NOW
        view = order(seen, order_state=order_state, paying=paying, choosing=choosing, now=now, **changed)
        assert page_for(view).key in ALL_KEYS


@pytest.mark.parametrize("key", sorted(ALL_KEYS))
@pytest.mark.django_db
def test_each_page_is_rendered_whole(key: str) -> None:
    page = page_for(STATES[key])
    context = {
        "page": page,
        "order": {"number": 1042, "token": "token"},
        "lines": [],
        "total_display": "€42.00",
        "receipt": receipt_for(STATES[key]),
        "providers": [{"name": "stripe", "label": "Stripe"}],
        "status_version": "v1",
    }
    html = render_to_string("payments/order.html", context, request=RequestFactory().get("/"))
    assert html.count("<h1") == 1
    assert f"<title>{page.title}".replace("'", "&#x27;") in html
    assert 'role="status"' in html
    assert html.count('name="csrfmiddlewaretoken"') == html.count("<form")
    assert ("status.js" in html) == ("data-status-url=" in html) == page.poll
    assert ("http-equiv" in html) == (page.meta_refresh_seconds is not None)
    assert "style=" not in html
    assert "<script>" not in html
    assert "onclick" not in html
