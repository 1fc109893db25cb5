"""The shopper's side: paid, declined and paid, action, days of waiting, closed, run out, late, twice, otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.contract import DeclineReason, PaymentSnapshot, PaymentStatus, ProviderIds, UnknownObject, WrongMode
from integrations.guard import GuardedProvider
from tests.conformance.features import Feature
from tests.conformance.kit.shop import Shop, new_key
from tests.conformance.stand import Means, Moved, Stand

NOT_PAID = (PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION, PaymentStatus.FAILED, PaymentStatus.CANCELLED)


def test_paid(shop: Shop, stand: Stand) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    payment = shop.start()
    snapshot = shop.pay(payment)
    wanted = payment.request
    assert snapshot.status is PaymentStatus.PAID
    assert not snapshot.page_open
    assert snapshot.reference == wanted.reference
    assert (snapshot.amount_minor, snapshot.currency) == (wanted.amount_minor, wanted.currency)
    assert snapshot.decline is None
    [capture] = snapshot.captures
    assert (capture.amount_minor, capture.currency) == (wanted.amount_minor, wanted.currency)
    assert capture.capture_id
    assert before - timedelta(seconds=1) <= capture.captured_at <= datetime.now(UTC) + timedelta(seconds=2)
    assert stand.moved(payment) == Moved(captures=1, captured_minor=wanted.amount_minor)


def test_a_look_says_the_same_twice(shop: Shop) -> None:
    payment, _ = shop.paid()
    assert shop.provider.fetch(payment.ids) == shop.provider.fetch(payment.ids)


@pytest.mark.needs(Feature.FEES)
def test_the_fee_is_told(shop: Shop) -> None:
    payment, _ = shop.paid()
    [capture] = shop.look(payment).captures
    assert capture.fee_minor is not None
    assert 0 < capture.fee_minor < capture.amount_minor


def test_each_id_alone_leads_to_the_payment(shop: Shop) -> None:
    payment, capture = shop.paid()
    ids = shop.look(payment).ids
    for alone in (ProviderIds(page_id=ids.page_id), ProviderIds(intent_id=ids.intent_id)):
        if alone == ProviderIds():
            continue
        snapshot = shop.provider.fetch(alone)
        told_ids = {snapshot.ids.page_id, snapshot.ids.intent_id}
        assert told_ids - {""} <= {ids.page_id, ids.intent_id}, "some cannot tell the page of a payment"
        assert [told.capture_id for told in snapshot.captures] == [capture.capture_id]


def test_declined_and_then_paid(shop: Shop, stand: Stand, reason: DeclineReason) -> None:
    payment = shop.start()
    snapshot = shop.pay(payment, Means(decline=reason))
    decline = shop.declined or snapshot.decline
    assert decline is not None
    assert decline.reason is reason
    assert snapshot.status in NOT_PAID
    assert snapshot.captures == ()
    assert stand.moved(payment) == Moved()

    if Feature.RETRY not in stand.lacks:
        assert snapshot.page_open
    else:
        payment = shop.start()
    snapshot = shop.pay(payment)
    assert snapshot.status is PaymentStatus.PAID
    assert snapshot.decline is None
    assert stand.moved(payment).captures == 1


def test_every_reason_is_tried_or_declared(stand: Stand) -> None:
    assert len(set(DeclineReason) - set(stand.never_declined)) >= 1, "a provider that never declines is none"


def test_what_a_decline_says_is_no_text_of_a_stranger(shop: Shop) -> None:
    """Codes only: the provider's sentences may repeat what the shopper typed."""
    first = next(reason for reason in DeclineReason if reason not in shop.stand.never_declined)
    snapshot = shop.pay(shop.start(), Means(decline=first))
    decline = shop.declined or snapshot.decline
    assert decline is not None
    assert " " not in decline.provider_code
    assert len(decline.provider_code) <= 100


@pytest.mark.needs(Feature.ACTION)
def test_action_needed_and_given(shop: Shop, stand: Stand) -> None:
    payment = shop.start()
    snapshot = shop.pay(payment, Means(action=True))
    assert snapshot.status is PaymentStatus.REQUIRES_ACTION
    assert snapshot.captures == ()
    stand.authenticate(payment, success=True)
    assert shop.look(payment).status is PaymentStatus.PAID


@pytest.mark.needs(Feature.ACTION)
def test_action_needed_and_refused(shop: Shop, stand: Stand) -> None:
    payment = shop.start()
    shop.pay(payment, Means(action=True))
    stand.authenticate(payment, success=False)
    snapshot = shop.look(payment)
    assert snapshot.status in NOT_PAID
    assert snapshot.decline is not None
    assert snapshot.decline.reason is DeclineReason.AUTHENTICATION_REQUIRED
    assert snapshot.captures == ()


@pytest.mark.needs(Feature.DECIDED_LATER)
@pytest.mark.parametrize(("success", "status"), [(True, PaymentStatus.PAID), (False, PaymentStatus.FAILED)])
def test_decided_days_later(shop: Shop, stand: Stand, success: bool, status: PaymentStatus) -> None:
    payment = shop.start()
    snapshot = shop.pay(payment, Means(later=True))
    assert snapshot.status is PaymentStatus.PENDING
    assert not snapshot.page_open, "a page that is done takes no more money"
    assert snapshot.captures == ()
    stand.decide(payment, success=success)
    snapshot = shop.look(payment)
    assert snapshot.status is status
    assert len(snapshot.captures) == success


@pytest.mark.needs(Feature.AUTHORIZATION)
def test_reserved_money_is_given_back_once(stand: Stand, provider: GuardedProvider) -> None:
    ids, key = stand.authorize(), new_key()
    snapshot = provider.fetch(ids)
    assert snapshot.status is PaymentStatus.AUTHORIZED
    assert snapshot.captures == ()
    for again in (key, key, new_key()):
        provider.release(ids, idempotency_key=again)
    assert provider.fetch(ids).status is PaymentStatus.CANCELLED


def test_what_is_captured_is_not_released(shop: Shop) -> None:
    payment, _ = shop.paid()
    shop.provider.release(payment.ids, idempotency_key=new_key())
    assert shop.look(payment).status is PaymentStatus.PAID


@pytest.mark.needs(Feature.CLOSING)
def test_a_closed_page_takes_no_money_and_may_be_closed_again(shop: Shop) -> None:
    payment = shop.start()
    shop.provider.close(payment.ids, idempotency_key=new_key())
    snapshot = shop.look(payment)
    assert snapshot.status is PaymentStatus.CANCELLED
    assert not snapshot.page_open
    shop.provider.close(payment.ids, idempotency_key=new_key())


@pytest.mark.needs(Feature.CLOSING)
def test_a_paid_page_stays_paid_when_it_is_closed(shop: Shop) -> None:
    payment, _ = shop.paid()
    shop.provider.close(payment.ids, idempotency_key=new_key())
    assert shop.look(payment).status is PaymentStatus.PAID


@pytest.mark.needs(Feature.CLOSING, Feature.ACTION)
def test_a_page_is_closed_while_the_bank_asks(shop: Shop) -> None:
    payment = shop.start()
    shop.pay(payment, Means(action=True))
    shop.provider.close(payment.ids, idempotency_key=new_key())
    assert shop.look(payment).status is PaymentStatus.CANCELLED


@pytest.mark.needs(Feature.EXPIRY)
def test_a_page_that_ran_out(shop: Shop, stand: Stand) -> None:
    payment = shop.start()
    stand.expire(payment)
    snapshot = shop.look(payment)
    assert snapshot.status is PaymentStatus.CANCELLED
    assert not snapshot.page_open
    assert snapshot.captures == ()


@pytest.mark.needs(Feature.LATE_MONEY)
def test_money_that_came_after_the_page_was_closed_is_seen(shop: Shop, stand: Stand) -> None:
    payment = shop.start()
    shop.provider.close(payment.ids, idempotency_key=new_key())
    stand.pay_closed(payment)
    snapshot = shop.look(payment)
    assert snapshot.status is PaymentStatus.PAID
    assert [capture.amount_minor for capture in snapshot.captures] == [payment.request.amount_minor]


@pytest.mark.needs(Feature.SECOND_CAPTURE)
def test_two_captures_of_one_payment_are_two(shop: Shop, stand: Stand) -> None:
    payment, first = shop.paid()
    stand.pay_again(payment)
    captures = shop.look(payment).captures
    assert len(captures) == len({capture.capture_id for capture in captures}) == 2
    assert first.capture_id in {capture.capture_id for capture in captures}
    assert stand.moved(payment).captured_minor == sum(capture.amount_minor for capture in captures)


@pytest.mark.needs(Feature.OTHER_AMOUNT)
@pytest.mark.parametrize("other", ["amount", "currency"])
def test_another_amount_or_currency_comes_out_as_it_is(shop: Shop, stand: Stand, other: str) -> None:
    """Settlement compares; an adapter that told what was asked for instead of what was paid would blind it."""
    payment = shop.start()
    wanted = payment.request
    currency = next(code for code in ("USD", "EUR") if code != wanted.currency)
    seen = (100, wanted.currency) if other == "amount" else (wanted.amount_minor, currency)
    stand.pay_other(payment, amount_minor=seen[0], currency=seen[1])
    [capture] = shop.look(payment).captures
    assert (capture.amount_minor, capture.currency) == seen


@pytest.mark.needs(Feature.MODE_OF_PAYMENTS)
def test_a_payment_of_the_other_mode_is_wrong_mode(shop: Shop, stand: Stand) -> None:
    payment = shop.start()
    stand.turn_live(payment)
    with pytest.raises(WrongMode) as caught:
        shop.look(payment)
    assert caught.value.permanent
    assert isinstance(caught.value.answer, PaymentSnapshot)
    assert caught.value.answer.reference == payment.request.reference


@pytest.mark.needs(Feature.ACCOUNT_OF_PAYMENTS)
def test_a_payment_of_another_account_is_told_as_such_or_unknown(shop: Shop, stand: Stand) -> None:
    payment, _ = shop.paid()
    stand.move_away(payment)
    try:
        snapshot = shop.look(payment)
    except UnknownObject:
        return
    assert snapshot.account not in ("", shop.provider.account())
