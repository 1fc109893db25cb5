"""How a payout goes from its announcement to its end, and how the provider's lists of it are read, told as stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from integrations.contract import (
    ConfigurationError,
    EntryKind,
    PayoutStatus,
    Unavailable,
)
from orders.models import Transition
from payments.models import LedgerTransaction, Payout, PayoutMirror
from payments.payouts.explanation import NotExplainable
from payments.payouts.mirror import Busy, mirror
from tests.spec.payouts import bring_in, capture_of, explained, payment_entry, payout
from tests.world import World

pytestmark = pytest.mark.django_db


def test_a_payout_that_fails_after_it_was_paid_puts_the_money_back(paid: World) -> None:
    told = paid.provider.pay_out([payment_entry(paid)])
    bring_in(paid)
    paid.provider.move_payout(told, PayoutStatus.FAILED, failure_code="account_closed")
    bring_in(paid)

    assert (payout().state, payout().failure_code) == ("failed", "account_closed")
    assert paid.balance() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000, "payouts": 0}

    back = paid.provider.balance[-1]
    paid.provider.pay_out([back])
    bring_in(paid)
    assert paid.balance() == {"clearing:stripe": 0, "fees": 59, "sales": -2000, "payouts": 1941}
    assert list(Payout.objects.values_list("remainder_minor", flat=True)) == [0, 0]
    assert paid.cases() == []


@pytest.mark.parametrize("end", [PayoutStatus.FAILED, PayoutStatus.CANCELLED])
def test_one_that_never_arrived_was_never_posted(paid: World, end: PayoutStatus) -> None:
    told = paid.provider.pay_out([payment_entry(paid)], status=PayoutStatus.IN_TRANSIT)
    bring_in(paid)
    assert payout().state == "in_transit"
    paid.provider.move_payout(told, end)
    bring_in(paid)
    assert payout().state == end
    assert paid.balance() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}


def test_each_step_of_a_payout_is_a_transition(paid: World) -> None:
    told = paid.provider.pay_out([payment_entry(paid)], status=PayoutStatus.PENDING)
    for status in (PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT, PayoutStatus.PAID, PayoutStatus.PAID):
        paid.provider.move_payout(told, status)
        bring_in(paid)
    rows = Transition.objects.filter(subject_kind="payout").values_list("from_state", "to_state", "event")
    assert list(rows) == [("pending", "in_transit", "sent"), ("in_transit", "paid", "paid")]


def test_what_our_edges_do_not_allow_is_a_forbidden_row_and_a_case_once(paid: World) -> None:
    told = paid.provider.pay_out([payment_entry(paid)])
    bring_in(paid)
    paid.provider.payouts[told.payout_id] = paid.provider.move_payout(told, PayoutStatus.CANCELLED)
    bring_in(paid)
    bring_in(paid)
    assert payout().state == "paid"
    assert (paid.forbidden(), paid.cases()) == (1, ["forbidden_transition"])
    assert paid.balance()["payouts"] == 1941


def test_a_manual_payout_is_said_to_be_unexplainable(paid: World) -> None:
    paid.provider.pay_out([payment_entry(paid)], automatic=False)
    bring_in(paid)
    with pytest.raises(NotExplainable, match="was made by hand"):
        explained()
    assert (payout().remainder_minor, paid.cases()) == (None, [])
    assert ("payout_entries", payout().payout_id) not in paid.provider.calls, "nobody asks what cannot be told"
    assert paid.balance() == {"clearing:stripe": 0, "fees": 59, "sales": -2000, "payouts": 1941}


def test_entries_are_read_once_the_provider_says_they_are_complete(paid: World) -> None:
    told = paid.provider.pay_out([payment_entry(paid)], entries_complete=False)
    bring_in(paid)
    with pytest.raises(NotExplainable, match="has not told all of its entries yet"):
        explained()
    paid.provider.move_payout(told, PayoutStatus.PAID, entries_complete=True)
    bring_in(paid)
    assert explained().remainder_minor == 0


def test_an_account_that_settles_in_another_currency(paid: World) -> None:
    """20.00 EUR come to 21.50 USD, of which the provider keeps 0.70 USD; the EUR are no longer held."""
    entry = paid.provider.entry(
        EntryKind.PAYMENT,
        2150,
        fee_minor=70,
        source_id=capture_of(paid).capture_id,
        currency="USD",
        exchange_rate="1.075",
    )
    paid.provider.pay_out([entry])
    bring_in(paid)
    bring_in(paid)

    assert (payout().currency, explained().fees_minor, explained().remainder_minor) == ("USD", 70, 0)
    by_currency: dict[tuple[str, str], int] = {}
    for posted in LedgerTransaction.objects.exclude(cause_kind__in=["capture", "fee"]).prefetch_related("entries"):
        for leg in posted.entries.all():
            key = (posted.currency, leg.account)
            by_currency[key] = by_currency.get(key, 0) + leg.amount_minor
    assert by_currency == {
        ("EUR", "exchange"): 2000,
        ("EUR", "clearing:stripe"): -2000,
        ("USD", "exchange"): -2150,
        ("USD", "fees"): 70,
        ("USD", "clearing:stripe"): 0,
        ("USD", "payouts"): 2080,
    }


def test_the_same_lists_again_change_nothing(paid: World) -> None:
    paid.provider.pay_out([payment_entry(paid), paid.provider.entry(EntryKind.ADJUSTMENT, 5)])
    bring_in(paid)
    before = (paid.balance(), list(Payout.objects.values()), Transition.objects.count())
    bring_in(paid)
    assert mirror("stripe", clock=paid.clock, since=paid.now - timedelta(days=90)).complete
    after = (paid.balance(), list(Payout.objects.values()), Transition.objects.count())
    assert after == before


def test_a_provider_that_is_away_is_asked_again_and_loses_nothing(paid: World) -> None:
    paid.provider.pay_out([payment_entry(paid)])
    paid.provider.fail_next = [None, Unavailable("away")]
    done = mirror("stripe", clock=paid.clock)
    assert (done.complete, done.error is not None) == (False, True)
    assert PayoutMirror.objects.get().error == "unavailable: away"
    bring_in(paid)
    assert (payout().remainder_minor, PayoutMirror.objects.get().error) == (0, "")


def test_a_key_that_may_not_read_payouts_is_a_case(paid: World) -> None:
    paid.provider.fail_next = [ConfigurationError("Stripe refuses our API key")]
    mirror("stripe", clock=paid.clock)
    assert paid.cases() == ["provider_configuration"]


def test_two_workers_do_not_mirror_one_provider_at_once(paid: World) -> None:
    met: list[str] = []

    def meanwhile() -> bool:
        if not met:
            with pytest.raises(Busy):
                mirror("stripe", clock=paid.clock)
            met.append("busy")
        return True

    paid.provider.pay_out([payment_entry(paid)])
    assert mirror("stripe", clock=paid.clock, goes_on=meanwhile).complete
    assert met == ["busy"]


def test_a_payout_of_another_amount_than_before_is_a_case(paid: World) -> None:
    told = paid.provider.pay_out([payment_entry(paid)])
    bring_in(paid)
    paid.provider.payouts[told.payout_id] = replace(told, amount_minor=told.amount_minor + 1)
    bring_in(paid)
    assert paid.cases() == ["amount_mismatch"]
    assert payout().amount_minor == told.amount_minor


@pytest.mark.parametrize("pages", range(1, 9))
def test_broken_off_after_any_page_it_ends_the_same(paid: World, pages: int) -> None:
    provider = paid.provider
    provider.page_size = 2
    entries = [payment_entry(paid), *(provider.entry(EntryKind.ADJUSTMENT, amount) for amount in range(1, 6))]
    provider.pay_out(entries)
    left = iter([True] * pages)
    first = mirror("stripe", clock=paid.clock, goes_on=lambda: next(left, False))
    bring_in(paid)
    assert not first.complete
    assert (payout().remainder_minor, payout().lines.count()) == (0, 6)
    assert paid.balance() == {
        "clearing:stripe": 0,
        "fees": 59,
        "sales": -2000,
        "adjustments": -15,
        "payouts": 1956,
    }
