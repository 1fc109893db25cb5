"""The provider's bad days. Outcome unknown means: the same key again, or a look; never a second effect."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import structlog

from integrations.contract import (
    ConfigurationError,
    IdempotencyConflict,
    InvalidRequest,
    NextStep,
    PaymentStatus,
    ProviderError,
    RateLimited,
    Unavailable,
)
from integrations.guard import GuardedProvider
from integrations.http import total_deadline
from tests.conformance.features import Feature
from tests.conformance.kit.shop import PAYS, Shop, new_key
from tests.conformance.stand import Fault, Moved, Payment, Stand

AFTER_THE_EFFECT = [Fault.LOST, Fault.HTML_502, Fault.HALF_BODY, Fault.TRUNCATED]


def unknown(ask: Callable[[], object]) -> Unavailable:
    """Ask, and get no answer that can be believed."""
    with pytest.raises(Unavailable) as caught:
        ask()
    assert caught.value.outcome_unknown
    assert not caught.value.permanent
    return caught.value


@pytest.mark.needs(Feature.KEYS, Feature.FAULTS, Feature.LOOK_BEFORE_PAYING)
@pytest.mark.parametrize("fault", AFTER_THE_EFFECT, ids=str)
def test_a_lost_start_is_found_under_its_key(shop: Shop, stand: Stand, fault: Fault) -> None:
    shop.provider.account()
    request, key = shop.request(), new_key()
    stand.spoil("start", fault)
    unknown(lambda: shop.start(request, key=key))
    found = shop.start(request, key=key)
    assert shop.look(found).reference == request.reference
    assert shop.start(request, key=key).ids.page_id == found.ids.page_id


@pytest.mark.needs(Feature.FAULTS, Feature.TOKENS)
@pytest.mark.parametrize("fault", AFTER_THE_EFFECT, ids=str)
def test_a_lost_payment_by_token_is_found_and_never_made_twice(shop: Shop, stand: Stand, fault: Fault) -> None:
    payment = shop.start()
    request, key = shop.pay_request(payment), new_key()
    stand.spoil("pay_with_token", fault)
    unknown(lambda: shop.provider.pay_with_token(request, idempotency_key=key))
    if shop.provider.capabilities.key_lifetime_seconds:
        payment.ids = shop.provider.pay_with_token(request, idempotency_key=key)
    snapshot = shop.look(payment)
    assert snapshot.status is PaymentStatus.PAID
    assert len(snapshot.captures) == stand.moved(payment).captures == 1


@pytest.mark.needs(Feature.FAULTS, Feature.CAPTURE)
@pytest.mark.parametrize("fault", AFTER_THE_EFFECT, ids=str)
def test_a_lost_capture_is_found_and_never_made_twice(shop: Shop, stand: Stand, fault: Fault) -> None:
    payment = approved(shop)
    request, key = shop.capture_request(payment), new_key()
    stand.spoil("capture", fault)
    unknown(lambda: shop.provider.capture(request, idempotency_key=key))
    shop.provider.capture(request, idempotency_key=key)
    assert shop.look(payment).status is PaymentStatus.PAID
    assert stand.moved(payment) == Moved(captures=1, captured_minor=payment.request.amount_minor)


@pytest.mark.needs(Feature.FAULTS, Feature.PAYING)
@pytest.mark.parametrize("fault", AFTER_THE_EFFECT, ids=str)
def test_a_lost_refund_is_found_and_never_made_twice(shop: Shop, stand: Stand, fault: Fault) -> None:
    payment, capture = shop.paid()
    request, key = shop.refund_request(payment, capture, 1000), new_key()
    stand.spoil("refund", fault)
    unknown(lambda: shop.provider.refund(request, idempotency_key=key))
    if shop.provider.capabilities.key_lifetime_seconds:
        shop.provider.refund(request, idempotency_key=key)
    [seen] = shop.seen_refunds(payment).values()
    assert (seen.reference, seen.amount_minor) == (request.reference, 1000)
    assert (stand.moved(payment).refunds, stand.moved(payment).refunded_minor) == (1, 1000)


@pytest.mark.needs(Feature.FAULTS, Feature.CLOSING)
@pytest.mark.parametrize("fault", AFTER_THE_EFFECT, ids=str)
def test_a_lost_closing_is_repeated_without_harm(shop: Shop, stand: Stand, fault: Fault) -> None:
    payment = shop.start()
    stand.spoil("close", fault)
    unknown(lambda: shop.provider.close(payment.ids, idempotency_key=new_key()))
    shop.provider.close(payment.ids, idempotency_key=new_key())
    assert shop.look(payment).status is PaymentStatus.CANCELLED


@pytest.mark.needs(Feature.CAPTURE)
def test_approved_is_not_paid_and_one_capture_of_ours_makes_it_so(shop: Shop, stand: Stand) -> None:
    payment = approved(shop)
    snapshot = shop.look(payment)
    assert snapshot.status is PaymentStatus.PENDING
    assert snapshot.next_step is NextStep.CAPTURE
    assert snapshot.captures == ()
    key = new_key()
    snapshot = shop.capture(payment, key=key)
    assert (snapshot.status, snapshot.next_step) == (PaymentStatus.PAID, NextStep.NONE)
    shop.capture(payment, key=key)
    assert stand.moved(payment) == Moved(captures=1, captured_minor=payment.request.amount_minor)


def approved(shop: Shop) -> Payment:
    """Return a payment that the shopper has approved and we have not captured."""
    payment = shop.start()
    shop.stand.pay(payment, PAYS)
    shop.look(payment)
    return payment


@pytest.mark.needs(Feature.TOKENS)
def test_a_token_pays_once(shop: Shop, stand: Stand) -> None:
    payment = shop.start()
    request = shop.pay_request(payment)
    shop.provider.pay_with_token(request, idempotency_key=new_key())
    with pytest.raises(ProviderError):
        shop.provider.pay_with_token(request, idempotency_key=new_key())
    shop.look(payment)
    assert stand.moved(payment).captures == 1


@pytest.mark.needs(Feature.FAULTS)
@pytest.mark.parametrize("fault", [Fault.LOST, Fault.HTML_502, Fault.HALF_BODY, Fault.TRUNCATED, Fault.BROKEN], ids=str)
def test_a_look_without_a_good_answer_says_nothing(shop: Shop, stand: Stand, fault: Fault) -> None:
    payment = shop.start()
    shop.provider.account()
    stand.spoil("fetch", fault)
    unknown(lambda: shop.provider.fetch(payment.ids))


@pytest.mark.needs(Feature.FAULTS)
def test_too_many_requests_is_not_executed(shop: Shop, stand: Stand) -> None:
    payment = shop.start()
    stand.spoil("fetch", Fault.BUSY)
    with pytest.raises(RateLimited) as caught:
        shop.provider.fetch(payment.ids)
    assert not caught.value.permanent
    assert not caught.value.outcome_unknown


@pytest.mark.needs(Feature.FAULTS, Feature.PAYING)
def test_nothing_is_repeated_behind_our_back(shop: Shop, stand: Stand) -> None:
    """An SDK that retries by itself would send what we have not decided to send."""
    payment, capture = shop.paid()
    request = shop.refund_request(payment, capture, 1000)
    before = stand.requests()
    stand.spoil("refund", Fault.BROKEN)
    unknown(lambda: shop.provider.refund(request, idempotency_key=new_key()))
    assert stand.requests() - before == 1


@pytest.mark.needs(Feature.FAULTS, Feature.KEYS, Feature.RUNNING_REQUESTS)
def test_a_request_that_still_runs_under_this_key(shop: Shop, stand: Stand) -> None:
    shop.provider.account()
    request, key = shop.request(), new_key()
    stand.spoil("start", Fault.SLOW, seconds=0.8)
    with total_deadline(0.3):
        unknown(lambda: shop.start(request, key=key))
    with pytest.raises(IdempotencyConflict) as caught:
        shop.start(request, key=key)
    assert not caught.value.permanent
    assert caught.value.outcome_unknown
    time.sleep(0.8)
    shop.start(request, key=key)


@pytest.mark.needs(Feature.FAULTS)
def test_the_deadline_holds_over_all_of_a_verb(shop: Shop, stand: Stand) -> None:
    payment = shop.start()
    hurried = GuardedProvider(stand.adapter(), deadline_seconds=0.4)
    stand.spoil("fetch", Fault.SLOW, seconds=0.8)
    began = time.monotonic()
    unknown(lambda: hurried.fetch(payment.ids))
    assert time.monotonic() - began < 0.8


@pytest.mark.needs(Feature.FAULTS)
def test_nobody_there(stand: Stand) -> None:
    provider = GuardedProvider(stand.adapter(base="http://127.0.0.1:9"))
    unknown(lambda: provider.fetch(stand.unknown_ids))


def test_a_key_that_the_provider_does_not_know_is_no_ones_secret(stand: Stand) -> None:
    assert stand.wrong_key, "name a key of the right shape that the provider refuses"
    provider = GuardedProvider(stand.adapter(key=stand.wrong_key))
    with pytest.raises(ConfigurationError) as caught:
        provider.fetch(stand.unknown_ids)
    assert not caught.value.permanent
    assert stand.wrong_key not in str(caught.value)


def test_one_line_a_verb_and_nothing_of_the_shopper_in_it(shop: Shop) -> None:
    with structlog.testing.capture_logs() as lines:
        payment = shop.start()
        with pytest.raises(InvalidRequest):
            shop.start(shop.request(amount_minor=1))
    of_verbs = [(line["verb"], line["outcome"]) for line in lines if line["event"] == "provider_call"]
    assert of_verbs == [("start", "ok"), ("start", "invalid_request")]
    for secret in ("shopper@", payment.request.reference, payment.key):
        assert secret not in repr(lines)
