"""The pages from *pay* onwards as real answers: what they show, what they refuse, what they never change."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from integrations.contract import Unavailable
from orders.models import Order
from payments import checkout
from payments.models import PaymentAttempt, ProviderCall
from tests.fake_provider import FakeProvider
from tests.orders import factories

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/pay/{}/", "/pay/{}/return/", "/orders/{}/", "/orders/{}/status.json"])
@pytest.mark.parametrize("token", ["nobody", "%00", "a%00b", "%F0%9F%AB%96", "x" * 5000, "..", "%2e%2e%2f"])
def test_a_token_that_opens_nothing_is_404(token: str, path: str, client: Client, fake: FakeProvider) -> None:
    assert client.get(path.format(token)).status_code == 404


def test_opening_pages_begins_nothing(order: Order, client: Client, fake: FakeProvider) -> None:
    for path in ("/pay/{}/", "/pay/{}/?other=1", "/orders/{}/", "/orders/{}/status.json"):
        assert client.get(path.format(order.token)).status_code == 200
    assert not PaymentAttempt.objects.exists()


def test_paying_a_paid_order_shows_when_it_was_paid_and_the_receipt(
    order: Order, client: Client, fake: FakeProvider, now: datetime
) -> None:
    factories.pay(order, now=now)
    page = client.get(f"/pay/{order.token}/").content.decode()
    assert "Already paid" in page
    assert "Payment method" in page
    assert 'name="provider"' not in page


@pytest.mark.parametrize("goes_back_by", ["cancel_url", "return_url"])
def test_whichever_way_the_shopper_comes_back_the_page_knows(
    goes_back_by: str, client: Client, fake: FakeProvider
) -> None:
    placed = factories.order(now=timezone.now())
    assert client.post(f"/pay/{placed.token}/", {"provider": "stripe", "action": "start"}).status_code == 303
    way_back = getattr(fake.the_payment().request, goes_back_by)

    page = client.get(urlsplit(way_back).path, follow=True).content.decode()

    assert "Not paid yet" in page
    assert "Continue" in page
    assert "Please don&#x27;t pay again" not in page


def test_a_provider_that_does_not_answer_a_start_took_nothing_and_the_page_says_so(
    client: Client, fake: FakeProvider
) -> None:
    placed = factories.order(now=timezone.now())
    fake.fail_next = [Unavailable("503")]
    answer = client.post(f"/pay/{placed.token}/", {"provider": "stripe", "action": "start"})
    assert answer.status_code == 503
    assert "No money was taken. Please try again" in answer.content.decode()

    again = client.post(f"/pay/{placed.token}/", {"provider": "stripe", "action": "start"})
    assert again.status_code == 303, "the same call goes out again, under its own key"
    assert len(fake.payments) == 1


def test_a_key_under_which_the_provider_only_fails_is_given_up_for_another(client: Client, fake: FakeProvider) -> None:
    """FAULTS.md 6: Stripe replays a 500 for its key, for a day. Nobody has the page's address, so nothing is risked."""
    placed = factories.order(now=timezone.now())

    def press() -> int:
        return client.post(f"/pay/{placed.token}/", {"provider": "stripe", "action": "start"}).status_code

    fake.fail_next = [Unavailable("500")] * checkout.STUCK_AFTER_TRIES
    assert [press() for _ in range(checkout.STUCK_AFTER_TRIES)] == [503] * checkout.STUCK_AFTER_TRIES
    assert ProviderCall.objects.count() == 1

    assert press() == 303
    assert list(ProviderCall.objects.order_by("pk").values_list("state", flat=True)) == ["abandoned", "answered"]
    assert list(placed.attempts.order_by("pk").values_list("state", flat=True)) == ["cancelled", "pending"]


def test_a_provider_that_does_not_answer_the_return_is_told_as_not_known(client: Client, fake: FakeProvider) -> None:
    placed = factories.order(now=timezone.now())
    client.post(f"/pay/{placed.token}/", {"provider": "stripe", "action": "start"})
    fake.fail_next = [Unavailable("503")]
    page = client.get(f"/pay/{placed.token}/return/?paid=yes", follow=True).content.decode()
    assert "We can&#x27;t confirm yet. Please don&#x27;t pay again." in page
    assert Order.objects.get(pk=placed.pk).state == "placed"


def test_a_defect_while_looking_still_shows_the_order(
    client: Client, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = factories.order(now=timezone.now())
    client.post(f"/pay/{placed.token}/", {"provider": "stripe", "action": "start"})

    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("payments.shop.views.look", break_down)
    assert client.get(f"/pay/{placed.token}/return/").status_code == 303


def test_the_browsers_own_way_back_to_the_pay_page_knows_as_well(client: Client, fake: FakeProvider) -> None:
    placed = factories.order(now=timezone.now())
    client.post(f"/pay/{placed.token}/", {"provider": "stripe", "action": "start"})

    page = client.get(f"/pay/{placed.token}/", follow=True)

    assert page.request["PATH_INFO"] == f"/orders/{placed.token}/"
    assert "Not paid yet" in page.content.decode()
    assert "Continue" in page.content.decode()
    # Another method is chosen on the pay page itself, which must not send its shopper away.
    assert client.get(f"/pay/{placed.token}/?other=1").status_code == 200
