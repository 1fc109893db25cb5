"""Money going back: a part, all, in parts, by us and behind our back, refused, and decided later."""

from __future__ import annotations

import os

import pytest

from integrations.contract import IdempotencyConflict, InvalidRequest, PaymentStatus, RefundRequest
from tests.conformance.features import Feature
from tests.conformance.kit.shop import Shop, new_key
from tests.conformance.stand import Stand


def test_a_part_goes_back(shop: Shop, stand: Stand) -> None:
    payment, capture = shop.paid()
    request = shop.refund_request(payment, capture, 1000)
    made = shop.provider.refund(request, idempotency_key=new_key())
    assert made.capture_id == capture.capture_id
    assert (made.amount_minor, made.currency, made.reference) == (1000, capture.currency, request.reference)
    assert made.status in ("pending", "succeeded")
    assert shop.seen_refunds(payment) == {made.refund_id: made}
    assert shop.look(payment).status is PaymentStatus.PAID, "what the money did stands in the refunds"
    assert (stand.moved(payment).refunds, stand.moved(payment).refunded_minor) == (1, 1000)


@pytest.mark.parametrize("mature", [False, True], ids=["at once", "after settlement"])
def test_all_of_it_goes_back(shop: Shop, stand: Stand, mature: bool) -> None:
    payment, capture = shop.paid(mature=mature)
    made = shop.refund(payment, capture, capture.amount_minor)
    assert made.amount_minor == capture.amount_minor
    [seen] = shop.seen_refunds(payment).values()
    assert (seen.refund_id, seen.amount_minor) == (made.refund_id, capture.amount_minor)
    assert [told.amount_minor for told in shop.look(payment).captures] == [capture.amount_minor]
    assert stand.moved(payment).refunded_minor == capture.amount_minor


@pytest.mark.needs(Feature.EARLY_PARTIAL_REFUND)
def test_a_part_goes_back_at_once(shop: Shop) -> None:
    payment, capture = shop.paid(mature=False)
    shop.refund(payment, capture, 1)
    assert [seen.amount_minor for seen in shop.seen_refunds(payment).values()] == [1]


def test_a_part_before_settlement_is_refused_for_good_where_it_is_not_offered(shop: Shop, stand: Stand) -> None:
    payment, capture = shop.paid(mature=False)
    if shop.provider.capabilities.refund_before_settlement:
        return
    with pytest.raises(InvalidRequest):
        shop.refund(payment, capture, 1)
    assert stand.moved(payment).refunds == 0


def test_all_of_it_in_parts_and_not_a_unit_more(shop: Shop, stand: Stand) -> None:
    payment, capture = shop.paid()
    for amount_minor in (1, 1000, capture.amount_minor - 1001):
        shop.refund(payment, capture, amount_minor)
    with pytest.raises(InvalidRequest) as refused:
        shop.refund(payment, capture, 1)
    assert refused.value.permanent
    assert not refused.value.outcome_unknown
    assert stand.moved(payment).refunded_minor == capture.amount_minor
    assert len(shop.seen_refunds(payment)) == 3


@pytest.mark.parametrize("too_much", [1, 10**7], ids=["a unit more", "far more"])
def test_more_than_was_captured_is_refused(shop: Shop, stand: Stand, too_much: int) -> None:
    payment, capture = shop.paid()
    with pytest.raises(InvalidRequest) as refused:
        shop.refund(payment, capture, capture.amount_minor + too_much)
    assert refused.value.permanent
    assert stand.moved(payment).refunds == 0


@pytest.mark.parametrize("amount", [0, -1], ids=["nothing", "less than nothing"])
def test_what_is_no_amount_is_refused(shop: Shop, stand: Stand, amount: int) -> None:
    payment, capture = shop.paid()
    with pytest.raises(InvalidRequest):
        shop.refund(payment, capture, amount)
    assert stand.moved(payment).refunds == 0


@pytest.mark.needs(Feature.KEYS)
def test_the_same_key_gives_the_same_refund(shop: Shop, stand: Stand) -> None:
    payment, capture = shop.paid()
    request, key = shop.refund_request(payment, capture, 1000), new_key()
    first = shop.provider.refund(request, idempotency_key=key)
    assert shop.provider.refund(request, idempotency_key=key).refund_id == first.refund_id
    assert stand.moved(payment).refunds == 1


@pytest.mark.needs(Feature.KEYS)
def test_the_same_key_for_another_refund_is_a_conflict_for_good(shop: Shop, stand: Stand) -> None:
    payment, capture = shop.paid()
    key = new_key()
    shop.provider.refund(shop.refund_request(payment, capture, 1000), idempotency_key=key)
    with pytest.raises(IdempotencyConflict) as refused:
        shop.provider.refund(shop.refund_request(payment, capture, 999), idempotency_key=key)
    assert refused.value.permanent
    assert stand.moved(payment).refunded_minor == 1000


@pytest.mark.needs(Feature.PAYING)
def test_of_a_capture_nobody_knows(shop: Shop, stand: Stand) -> None:
    _, capture = shop.paid()
    unknown = RefundRequest(
        reference="rf_" + os.urandom(20).hex(),
        ids=stand.unknown_ids,
        capture_id=capture.capture_id[:-6] + "nobody",
        amount_minor=1,
        currency=capture.currency,
        reason=shop.refund_request(shop.start(), capture, 1).reason,
    )
    with pytest.raises(InvalidRequest):
        shop.provider.refund(unknown, idempotency_key=new_key())


@pytest.mark.needs(Feature.REFUND_AT_PROVIDER)
def test_a_refund_made_at_the_provider_is_seen_beside_ours(shop: Shop, stand: Stand) -> None:
    payment, capture = shop.paid()
    ours = shop.refund(payment, capture, 1000)
    theirs = stand.refund(payment, amount_minor=400)
    seen = shop.seen_refunds(payment)
    assert set(seen) == {ours.refund_id, theirs}
    told = seen[theirs]
    assert (told.amount_minor, told.capture_id, told.reference) == (400, capture.capture_id, "")
    assert told.status == "succeeded"


@pytest.mark.needs(Feature.REFUND_DECIDED_LATER)
@pytest.mark.parametrize("status", ["pending", "succeeded", "failed"])
def test_a_refund_through_its_states(shop: Shop, stand: Stand, status: str) -> None:
    payment, capture = shop.paid()
    made = shop.refund(payment, capture, 1000)
    stand.decide_refund(made.refund_id, status=status)
    [seen] = shop.seen_refunds(payment).values()
    assert (seen.refund_id, seen.status, seen.amount_minor) == (made.refund_id, status, 1000)
    assert bool(seen.failure_reason) == (status == "failed")


@pytest.mark.slow
@pytest.mark.needs(Feature.REFUND_AT_PROVIDER)
def test_more_refunds_than_stand_on_one_page_are_all_seen(shop: Shop, stand: Stand) -> None:
    payment, _ = shop.paid()
    made = {stand.refund(payment, amount_minor=1) for _ in range(stand.page_size + 3)}
    assert set(shop.seen_refunds(payment)) == made
