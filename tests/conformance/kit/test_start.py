"""Beginning a payment: where the shopper goes, what a look says before anybody has paid, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.contract import (
    IdempotencyConflict,
    InvalidRequest,
    PaymentStatus,
    Presentation,
    ProviderIds,
    UnknownObject,
)
from integrations.guard import GuardedProvider
from tests.conformance.features import Feature
from tests.conformance.kit.shop import Shop, new_key
from tests.conformance.stand import Stand

STRANGE = ("..", "../x", "x/../y", "x/y", "x?y=1", "x#y", "x y", "x\ny", "x\x00", "%2e%2e", "\u0661", "x" * 1000)
"""What no provider has for an id; in a path, it would lead elsewhere."""


def test_a_payment_begins_where_it_can_be_paid(shop: Shop) -> None:
    payment = shop.start()
    started = payment.started
    assert started.mode == shop.provider.mode
    assert started.account == shop.provider.account() != ""
    assert started.ids.page_id or started.ids.intent_id, "nothing to look at later"
    if payment.request.presentation is Presentation.HOSTED:
        assert started.redirect_url.startswith(("https://", "http://127.0.0.1"))
    else:
        assert started.redirect_url == ""


@pytest.mark.needs(Feature.LOOK_BEFORE_PAYING)
def test_a_payment_nobody_has_paid_waits(shop: Shop) -> None:
    payment = shop.start()
    snapshot = shop.provider.fetch(payment.ids)
    wanted = payment.request
    assert snapshot.provider == shop.provider.name
    assert snapshot.account == shop.provider.account()
    assert snapshot.mode == shop.provider.mode
    assert snapshot.status in (PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION)
    assert snapshot.page_open
    assert (snapshot.amount_minor, snapshot.currency) == (wanted.amount_minor, wanted.currency)
    assert snapshot.reference == wanted.reference
    assert snapshot.ids.page_id == payment.ids.page_id
    assert (snapshot.captures, snapshot.refunds, snapshot.disputes, snapshot.decline) == ((), (), (), None)


@pytest.mark.needs(Feature.HOSTED, Feature.LOOK_BEFORE_PAYING)
def test_a_look_tells_the_page_that_the_shopper_can_return_to(shop: Shop) -> None:
    payment = shop.start(shop.request(presentation=Presentation.HOSTED))
    assert shop.look(payment).page_url == payment.started.redirect_url


@pytest.mark.needs(Feature.PAGE_LIFETIME)
def test_the_page_ends_when_we_said(shop: Shop) -> None:
    payment = shop.start()
    assert payment.started.expires_at == payment.request.expires_at
    assert shop.look(payment).expires_at == payment.request.expires_at


@pytest.mark.needs(Feature.PAGE_LIFETIME)
@pytest.mark.parametrize("end", ["too soon", "too late", "without a zone"])
def test_a_page_cannot_live_longer_or_shorter_than_the_provider_takes(shop: Shop, end: str) -> None:
    said, moment = shop.provider.capabilities, datetime.now(UTC)
    expires_at = {
        "too soon": moment + timedelta(seconds=said.page_lifetime_min_seconds / 2),
        "too late": moment + timedelta(seconds=said.page_lifetime_max_seconds + 3600),
        "without a zone": (moment + timedelta(hours=1)).replace(tzinfo=None),
    }[end]
    with pytest.raises(InvalidRequest) as refused:
        shop.start(shop.request(expires_at=expires_at))
    assert refused.value.permanent


@pytest.mark.needs(Feature.KEYS)
def test_the_same_key_begins_the_same_payment(shop: Shop) -> None:
    first = shop.start()
    again = shop.start(first.request, key=first.key)
    assert (again.ids, again.started.redirect_url) == (first.ids, first.started.redirect_url)


@pytest.mark.needs(Feature.KEYS)
def test_the_same_key_for_another_request_is_a_conflict_for_good(shop: Shop) -> None:
    first = shop.start()
    with pytest.raises(IdempotencyConflict) as refused:
        shop.start(shop.request(), key=first.key)
    assert refused.value.permanent
    assert not refused.value.outcome_unknown


@pytest.mark.needs(Feature.KEYS)
def test_the_longest_key_that_is_declared_is_taken(shop: Shop) -> None:
    key = (new_key() * 16)[: shop.provider.capabilities.key_max_length]
    first = shop.start(key=key)
    assert shop.start(first.request, key=key).ids == first.ids


def test_a_payment_nobody_knows(stand: Stand, provider: GuardedProvider) -> None:
    with pytest.raises(UnknownObject) as refused:
        provider.fetch(stand.unknown_ids)
    assert refused.value.permanent
    assert not refused.value.outcome_unknown


@pytest.mark.needs(Feature.CLOSING)
def test_closing_a_page_nobody_knows(stand: Stand, provider: GuardedProvider) -> None:
    with pytest.raises(UnknownObject):
        provider.close(stand.unknown_ids, idempotency_key=new_key())


def test_an_id_that_would_change_the_path_is_not_sent(stand: Stand, provider: GuardedProvider) -> None:
    """Ids come back from outside: from webhooks, lists, and people's fingers."""
    assert stand.hostile_ids, "name some ids that must not reach a path"
    strange = [ProviderIds(page_id=text) for text in STRANGE] + [ProviderIds(intent_id=text) for text in STRANGE]
    for ids in (*stand.hostile_ids, *strange, ProviderIds()):
        for ask in (provider.fetch, lambda ids: provider.close(ids, idempotency_key=new_key())):
            with pytest.raises(InvalidRequest):
                ask(ids)


@pytest.mark.parametrize("changes", [{"email": "nobody"}, {"return_url": "not a url"}], ids=["e-mail", "address"])
@pytest.mark.needs(Feature.HOSTED)
def test_a_refusal_is_for_good_and_repeats_nothing_of_the_shopper(shop: Shop, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        shop.start(shop.request(presentation=Presentation.HOSTED, **changes))
    assert refused.value.permanent
    assert not refused.value.outcome_unknown
    assert "nobody" not in str(refused.value)
