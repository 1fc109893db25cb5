"""What the provider pays out, and the entries that make it up: to the cent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.contract import EntryKind, InvalidRequest, PayoutStatus, UnknownObject
from tests.conformance.features import Feature
from tests.conformance.kit.shop import Shop
from tests.conformance.kit.test_lists import all_of
from tests.conformance.stand import Stand


@pytest.fixture(autouse=True)
def empty(stand: Stand) -> None:
    """A payout holds whatever the balance has: also what other tests left."""
    stand.empty()


@pytest.mark.needs(Feature.PAYOUTS)
def test_a_payout_is_explained_to_the_cent(shop: Shop, stand: Stand) -> None:
    payment, capture = shop.paid()
    refund = shop.refund(payment, capture, 1000)
    payout_id = stand.pay_out()
    payout = shop.provider.fetch_payout(payout_id)
    assert payout.payout_id == payout_id
    assert payout.mode == shop.provider.mode
    assert payout.automatic
    assert payout.entries_complete
    entries, _ = all_of(lambda cursor: shop.provider.payout_entries(payout_id, cursor=cursor))
    assert sum(entry.net_minor for entry in entries) == payout.amount_minor
    for entry in entries:
        assert entry.amount_minor - entry.fee_minor == entry.net_minor
        assert entry.kind is not EntryKind.PAYOUT, "a payout is not made of itself"
    by_source = {entry.source_id: entry for entry in entries}
    assert by_source[capture.capture_id].kind is EntryKind.PAYMENT
    assert by_source[capture.capture_id].amount_minor == capture.amount_minor
    assert by_source[refund.refund_id].kind is EntryKind.REFUND
    assert by_source[refund.refund_id].amount_minor == -1000


@pytest.mark.needs(Feature.PAYOUTS)
def test_a_payout_stands_in_the_list(shop: Shop, stand: Stand) -> None:
    shop.paid()
    payout_id = stand.pay_out()
    since = datetime.now(UTC) - timedelta(hours=1)
    listed, _ = all_of(lambda cursor: shop.provider.list_payouts(since=since, cursor=cursor))
    [line] = [payout for payout in listed if payout.payout_id == payout_id]
    assert line == shop.provider.fetch_payout(payout_id)


@pytest.mark.needs(Feature.PAYOUTS, Feature.FAILED_PAYOUTS)
def test_a_payout_that_the_bank_returned(shop: Shop, stand: Stand) -> None:
    shop.paid()
    payout_id = stand.pay_out()
    stand.fail_payout(payout_id)
    assert shop.provider.fetch_payout(payout_id).status is PayoutStatus.FAILED


@pytest.mark.needs(Feature.PAYOUTS, Feature.MANUAL_PAYOUTS)
def test_a_payout_by_hand_cannot_be_itemised(shop: Shop, stand: Stand) -> None:
    shop.paid()
    payout_id = stand.pay_out(by_hand=True)
    assert not shop.provider.fetch_payout(payout_id).automatic
    with pytest.raises(InvalidRequest):
        shop.provider.payout_entries(payout_id)


@pytest.mark.needs(Feature.PAYOUTS)
def test_a_payout_nobody_knows(shop: Shop) -> None:
    with pytest.raises(UnknownObject):
        shop.provider.fetch_payout("po_nobody")
    for hostile in ("../charges", "po_1?x=1", ""):
        with pytest.raises(InvalidRequest):
            shop.provider.fetch_payout(hostile)
        with pytest.raises(InvalidRequest):
            shop.provider.payout_entries(hostile)


@pytest.mark.needs(Feature.PAYOUTS, Feature.BALANCE_LIST)
def test_the_balance_of_a_time_holds_each_entry_once(shop: Shop, stand: Stand) -> None:
    payment, capture = shop.paid()
    stand.capture_many(payment, count=stand.page_size + 3)
    since, until = datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC) + timedelta(minutes=5)
    entries, pages = all_of(lambda cursor: shop.provider.list_balance_entries(since=since, until=until, cursor=cursor))
    assert pages > 1
    assert len({entry.entry_id for entry in entries}) == len(entries) > stand.page_size + 3
    assert capture.capture_id in {entry.source_id for entry in entries}
    later = shop.provider.list_balance_entries(since=until, until=until + timedelta(days=1))
    assert later.items == ()
