"""Lists: newest first, pages without gaps or repeats, filters."""

from __future__ import annotations

from typing import Any, cast

import pytest
import stripe

from integrations.sandbox.control import SandboxControl
from tests.sandbox.shop import DECLINED, new_session


@pytest.fixture
def intents(client: stripe.StripeClient) -> list[str]:
    """Seven intents, newest first."""
    made = [client.v1.payment_intents.create({"amount": 100 + n, "currency": "eur"}).id for n in range(7)]
    return made[::-1]


def test_newest_first_ten_by_default(client: stripe.StripeClient, intents: list[str]) -> None:
    for _ in range(5):
        client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    page = client.v1.payment_intents.list()
    assert len(page.data) == 10
    assert page.has_more is True
    assert [intent.id for intent in page.data[5:]] == intents[:5]


def test_forwards_page_by_page(client: stripe.StripeClient, intents: list[str]) -> None:
    first = client.v1.payment_intents.list({"limit": 3})
    second = client.v1.payment_intents.list({"limit": 3, "starting_after": first.data[-1].id})
    third = client.v1.payment_intents.list({"limit": 3, "starting_after": second.data[-1].id})
    assert [intent.id for page in (first, second, third) for intent in page.data] == intents
    assert [page.has_more for page in (first, second, third)] == [True, True, False]


def test_backwards_gives_the_page_next_to_the_cursor(client: stripe.StripeClient, intents: list[str]) -> None:
    page = client.v1.payment_intents.list({"limit": 2, "ending_before": intents[4]})
    assert [intent.id for intent in page.data] == intents[2:4]
    assert page.has_more is True
    page = client.v1.payment_intents.list({"limit": 3, "ending_before": intents[2]})
    assert ([intent.id for intent in page.data], page.has_more) == (intents[:2], False)


def test_the_sdks_pager_sees_each_once(client: stripe.StripeClient, intents: list[str]) -> None:
    assert [intent.id for intent in client.v1.payment_intents.list({"limit": 2}).auto_paging_iter()] == intents


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_limits_outside_1_to_100(client: stripe.StripeClient, limit: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.list({"limit": limit})
    assert refused.value.param == "limit"


def test_cursors_that_make_no_sense(client: stripe.StripeClient, intents: list[str]) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.list({"starting_after": "pi_none"})
    assert (refused.value.code, refused.value.param) == ("resource_missing", "starting_after")
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        client.v1.payment_intents.list({"starting_after": intents[0], "ending_before": intents[1]})


def test_creation_times(client: stripe.StripeClient, control: SandboxControl) -> None:
    def ids(**bounds: Any) -> list[str]:
        return [intent.id for intent in client.v1.payment_intents.list({"created": cast("Any", bounds)}).data]

    old = client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    control.advance_clock(seconds=1000)
    new = client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    assert ids(gte=old.created) == [new.id, old.id]
    assert ids(gt=old.created) == [new.id]
    assert ids(lt=new.created) == [old.id]
    assert ids(lte=new.created, gte=new.created) == [new.id]
    assert [intent.id for intent in client.v1.payment_intents.list({"created": old.created}).data] == [old.id]


def test_filters_by_kind(client: stripe.StripeClient, control: SandboxControl) -> None:
    paid, declined, untouched = (new_session(client) for _ in range(3))
    intent = control.pay(paid.id, email="paid@shop.example").payment_intent
    other = control.pay(declined.id, card=DECLINED).payment_intent
    client.v1.refunds.create({"payment_intent": intent, "amount": 100})
    sessions = client.v1.checkout.sessions
    assert [session.id for session in sessions.list({"status": "complete"}).data] == [paid.id]
    assert [session.id for session in sessions.list({"status": "open"}).data] == [untouched.id, declined.id]
    assert [session.id for session in sessions.list({"payment_intent": other}).data] == [declined.id]
    found = sessions.list({"customer_details": {"email": "PAID@shop.example"}}).data
    assert [session.id for session in found] == [paid.id]
    charges = client.v1.charges.list({"payment_intent": intent}).data
    assert [charge.status for charge in charges] == ["succeeded"]
    assert [charge.status for charge in client.v1.charges.list({"payment_intent": other}).data] == ["failed"]
    assert len(client.v1.refunds.list({"charge": charges[0].id}).data) == 1
    entries = client.v1.balance_transactions
    assert [entry.type for entry in entries.list().data] == ["refund", "charge"]
    assert [entry.amount for entry in entries.list({"type": "refund"}).data] == [-100]
    assert [entry.net for entry in entries.list({"source": charges[0].id}).data] == [4815]


def test_events_by_type(client: stripe.StripeClient, control: SandboxControl) -> None:
    control.pay(new_session(client).id)
    by_one = client.v1.events.list({"type": "charge.succeeded"}).data
    assert [event.type for event in by_one] == ["charge.succeeded"]
    by_many = client.v1.events.list({"types": ["payment_intent.succeeded", "checkout.session.completed"]}).data
    assert [event.type for event in by_many] == ["checkout.session.completed", "payment_intent.succeeded"]


def test_events_older_than_30_days_are_gone_from_the_list(client: stripe.StripeClient, control: SandboxControl) -> None:
    control.pay(new_session(client).id)
    control.advance_clock(seconds=30 * 24 * 3600 + 60)
    assert [event.type for event in client.v1.events.list().data] == []
