"""Which ways to pay a shopper is offered, and what happens when one of them is away: at the pages and the API alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.readers import Reader, presentations
from integrations import breaker, providers
from integrations.breaker import Seen, Sign, Subject
from integrations.contract import Presentation, ProviderMisconfigured, Unavailable
from integrations.models import Failure
from payments import checkout, ways_to_pay
from payments.models import PaymentAttempt
from tests.factories import make_order
from tests.fake_forms import without_keys
from tests.fake_provider import FakeProvider
from tests.payments.test_at_once import at_once
from tests.world import World

pytestmark = pytest.mark.django_db

STRIPE = Subject(provider="stripe")
BOTH = (Presentation.HOSTED, Presentation.EMBEDDED)


@pytest.fixture(autouse=True)
def breakers_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(breaker, "_readings", {})


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeProvider]:
    """Two providers, each with payments of its own."""
    fakes = {"stripe": FakeProvider(), "other": FakeProvider()}
    fakes["other"].name = "other"
    monkeypatch.setattr(providers, "get", fakes.__getitem__)
    monkeypatch.setattr(providers, "enabled", lambda: tuple(fakes))
    return fakes


@pytest.fixture
def world(two: dict[str, FakeProvider], db: None) -> World:
    now = timezone.now()
    return World(provider=two["stripe"], order=make_order(now=now), now=now)


def go_away(*names: str, now: datetime, settings: Any) -> None:
    for name in names:
        for _ in range(settings.BREAKER_FAILURES):
            seen = Seen(sign=Sign.AWAY, failure=Failure.UNAVAILABLE, detail="no answer")
            breaker.note(Subject(provider=name), seen, now=now)


def page(world: World, **query: str) -> str:
    return Client().get(reverse("payments:pay", args=[world.order.token]), query).content.decode()


def post(world: World, **fields: str) -> Any:
    return Client().post(reverse("payments:pay", args=[world.order.token]), fields)


def read(world: World) -> list[str]:
    told: dict[str, Any] = Client().get(f"/api/v1/orders/{world.order.token}/").json()
    ways: list[str] = told["providers"]
    return ways


class TestOffered:
    """What the page and the API offer."""

    def test_all_that_take_the_currency_in_the_order_of_the_setting(self, world: World) -> None:
        assert read(world) == ["stripe", "other"]
        shown = page(world)
        assert shown.index('value="stripe"') < shown.index('value="other"')

    def test_one_that_does_not_take_the_currency_is_no_way(self, world: World, two: dict[str, FakeProvider]) -> None:
        two["other"].capabilities = replace(two["other"].capabilities, currencies=frozenset({"USD"}))
        assert read(world) == ["stripe"]
        assert "Other" not in page(world)
        with pytest.raises(checkout.CannotPay) as refused:
            world.press_pay("other")
        assert (refused.value.code, PaymentAttempt.objects.count()) == ("unknown_provider", 0)

    def test_one_that_is_away_is_named_and_not_offered(self, world: World, settings: Any) -> None:
        go_away("stripe", now=world.now, settings=settings)
        assert read(world) == ["other"]
        shown = page(world)
        assert "Card or bank (Stripe) is not available just now. Please pay with Other." in shown
        assert ('value="stripe"' in shown, 'value="other"' in shown) == (False, True)

    def test_a_paused_one_is_not_offered_and_its_open_page_goes_on(self, world: World) -> None:
        opening = world.press_pay()
        breaker.pause(STRIPE, actor="user:7", reason="x", now=world.now)
        assert read(world) == ["other"]
        assert world.press_pay().redirect_url == opening.redirect_url, "what has begun may end"
        breaker.resume(STRIPE, actor="user:7", reason="x", now=world.now)
        assert read(world) == ["stripe", "other"]

    def test_when_none_is_left_the_page_says_what_to_do(self, world: World, settings: Any) -> None:
        go_away("stripe", "other", now=world.now, settings=settings)
        assert read(world) == []
        shown = page(world)
        assert "Paying is not possible at this moment" in shown
        assert "No money was taken. Your order of €20.00 is kept until" in shown
        assert '<input type="radio"' not in shown
        answer = post(world)
        assert (answer.status_code, "No money was taken" in answer.content.decode()) == (502, True)
        assert PaymentAttempt.objects.count() == 0

    def test_a_currency_that_nobody_takes(self, world: World, two: dict[str, FakeProvider]) -> None:
        for fake in two.values():
            fake.capabilities = replace(fake.capabilities, currencies=frozenset({"USD"}))
        assert "No way to pay takes the currency of €20.00" in page(world)

    def test_one_whose_settings_forbid_its_use(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        make = providers.get

        def refuses(name: str) -> Any:
            if name == "other":
                raise ProviderMisconfigured("other", ())
            return make(name)

        monkeypatch.setattr(providers, "get", refuses)
        assert read(world) == ["stripe"]
        assert "Other is not available just now." in page(world)

    def test_a_button_without_a_choice_goes_to_the_last_way_or_the_first_that_is_available(
        self, world: World, two: dict[str, FakeProvider], settings: Any
    ) -> None:
        go_away("stripe", now=world.now, settings=settings)
        assert "pay.test" in post(world, action="start").headers["Location"]
        assert world.attempt.provider == "other"
        two["other"].fail(two["other"].the_payment())
        checkout.look(world.attempt.pk, clock=world.clock, actor="test")
        world.wait(minutes=10)
        breaker.try_now(STRIPE, now=timezone.now())
        post(world, action="start")
        assert [each.provider for each in world.attempts] == ["other", "other"]


class TestAnotherProvider:
    """The second attempt begins when the first is settled; there are never two that may take money."""

    def test_the_first_is_closed_and_the_second_pays(self, world: World, two: dict[str, FakeProvider]) -> None:
        world.press_pay("stripe")
        world.press_pay("other")
        assert [(each.provider, each.state) for each in world.attempts] == [
            ("stripe", "cancelled"),
            ("other", "pending"),
        ]
        assert [verb for verb, _ in two["stripe"].calls] == ["start", "fetch", "close", "fetch"]
        two["other"].pay(two["other"].the_payment())
        world.work()
        world.sweep_until(lambda: world.order.state == "paid", limit_minutes=5)
        assert world.order.state == "paid"

    def test_the_first_was_paid_in_the_meantime(self, world: World, two: dict[str, FakeProvider]) -> None:
        world.press_pay("stripe")
        two["stripe"].pay(two["stripe"].the_payment())
        with pytest.raises(checkout.CannotPay) as refused:
            world.press_pay("other")
        assert (refused.value.code, world.order.state, len(world.attempts)) == ("order_paid", "paid", 1)

    def test_the_first_cannot_be_asked(self, world: World, two: dict[str, FakeProvider]) -> None:
        """Money may have moved there: nothing else begins before we know."""
        world.press_pay("stripe")
        two["stripe"].fail_next = [Unavailable("away")] * 9
        with pytest.raises(checkout.CannotPay) as refused:
            world.press_pay("other")
        assert (refused.value.code, [each.state for each in world.attempts]) == ("earlier_attempt_open", ["pending"])

    def test_the_first_cannot_be_asked_and_only_we_could_have_moved_its_money(
        self, world: World, two: dict[str, FakeProvider]
    ) -> None:
        two["stripe"].capabilities = replace(two["stripe"].capabilities, **without_keys())
        world.press_pay("stripe")
        two["stripe"].fail_next = [Unavailable("away")] * 9
        assert world.press_pay("other").redirect_url
        assert [each.state for each in world.attempts] == ["cancelled", "pending"]

    def test_not_while_our_own_call_there_is_out(self, world: World, two: dict[str, FakeProvider]) -> None:
        two["stripe"].capabilities = replace(two["stripe"].capabilities, **without_keys())
        two["stripe"].tells_of_unpaid = False
        world.press_pay("stripe")
        two["stripe"].fail_next = [Unavailable("away")] * 2
        pay_by_token(world)
        with pytest.raises(checkout.CannotPay) as refused:
            world.press_pay("other")
        assert (refused.value.code, [each.state for each in world.attempts]) == ("earlier_attempt_open", ["pending"])

    def test_one_that_is_away_closes_nothing(self, world: World, two: dict[str, FakeProvider], settings: Any) -> None:
        opening = world.press_pay("stripe")
        go_away("other", now=world.now, settings=settings)
        with pytest.raises(checkout.CannotPay) as refused:
            world.press_pay("other")
        assert refused.value.code == "provider_refused"
        assert world.press_pay("stripe").redirect_url == opening.redirect_url


@pytest.mark.django_db(transaction=True)
def test_32_tabs_at_two_providers_leave_one_live_attempt(two: dict[str, FakeProvider]) -> None:
    now = timezone.now()
    world = World(provider=two["stripe"], order=make_order(now=now), now=now)
    at_once(lambda number: world.press_pay(("stripe", "other")[number % 2]))
    live = [attempt for attempt in world.attempts if attempt.is_live]
    assert len(live) == 1
    open_there = {
        payment.request.reference for fake in two.values() for payment in fake.payments.values() if payment.page_open
    }
    assert open_there <= {live[0].reference}, "no page is left open that could take money a second time"


def pay_by_token(world: World) -> PaymentAttempt:
    return checkout.pay_with_token(
        order_id=world.order_id,
        reference=world.attempts[-1].reference,
        token="tok",
        clock=world.clock,
        actor="shopper",
    )


class TestPresentation:
    """Where a provider offers both, a setting decides."""

    @pytest.mark.parametrize(
        ("written", "chosen"),
        [
            ("", "hosted"),
            ("hosted", "hosted"),
            ("embedded", "embedded"),
            ("stripe=embedded", "embedded"),
            ("embedded,stripe=hosted", "hosted"),
            ("other=embedded", "hosted"),
        ],
    )
    def test_as_the_setting_says(self, world: World, settings: Any, written: str, chosen: str) -> None:
        settings.PAYMENTS_PRESENTATION = presentations(Reader({"PAYMENTS_PRESENTATION": written}))
        world.provider.capabilities = replace(world.provider.capabilities, presentations=BOTH)
        opening = world.press_pay()
        assert world.attempt.presentation == chosen
        assert world.provider.the_payment().request.presentation == chosen
        path = f"/pay/{world.order.token}/stripe/"
        assert opening.redirect_url.endswith(path) == (chosen == "embedded")
        assert reverse("payments:form", args=[world.order.token, "stripe"]) == path

    def test_what_a_provider_does_not_offer_is_not_asked_of_it(self, world: World, settings: Any) -> None:
        settings.PAYMENTS_PRESENTATION = {"": "embedded"}
        assert ways_to_pay.presentation_for("stripe") is Presentation.HOSTED
