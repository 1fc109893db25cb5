"""Any history of a payment by token or by approval: lost answers, declines, deaths, other providers, time.

However it goes: at most one live attempt, one post an attempt where there are no keys, money taken once for an order
that is not told of by a case, and books that are right.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from integrations import providers
from integrations.contract import DeclineReason, Presentation, RateLimited, Unavailable
from payments import checkout, rebuilding
from payments.ledger import check as ledger_check
from payments.models import Capture, ProviderCall
from payments.settlement import look
from payments.states import LIVE_STATES
from tests.factories import make_order
from tests.fake_forms import without_keys
from tests.fake_provider import FakeProvider, Payment
from tests.payments.test_histories import undone
from tests.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

BOTH = frozenset({Presentation.HOSTED, Presentation.EMBEDDED})


class Shop:
    """Two providers of a kind, one order, and what may happen to it."""

    def __init__(self, now: datetime, changes: dict[str, Any], *, tells_of_unpaid: bool) -> None:
        self.fakes = {"stripe": FakeProvider(), "other": FakeProvider()}
        for name, fake in self.fakes.items():
            fake.name = name
            fake.capabilities = replace(fake.capabilities, **changes)
            fake.tells_of_unpaid = tells_of_unpaid
        self.world = World(provider=self.fakes["stripe"], order=make_order(now=now), now=now)

    def press(self, provider: str) -> None:
        with suppress(checkout.CannotPay):
            self.world.press_pay(provider)

    def post_form(self) -> None:
        for attempt in self.world.attempts[-1:]:
            with suppress(checkout.CannotPay):
                checkout.pay_with_token(
                    order_id=self.world.order_id,
                    reference=attempt.reference,
                    token=f"tok-{attempt.pk}",
                    clock=self.world.clock,
                    actor="shopper",
                )

    def approve(self) -> None:
        for payment in self._payments():
            if payment.page_open and not payment.captures:
                self.fakes["stripe"].approve(payment)

    def look_at_all(self) -> None:
        for attempt in self.world.attempts:
            look(attempt.pk, clock=self.world.clock, actor="test")

    def every(self, act: Callable[[FakeProvider], None]) -> None:
        for fake in self.fakes.values():
            act(fake)

    def _payments(self) -> list[Payment]:
        return [payment for fake in self.fakes.values() for payment in fake.payments.values()]

    def captured(self) -> int:
        return sum(len(payment.captures) for payment in self._payments())


def _lose(fake: FakeProvider) -> None:
    fake.lose_answer_once = True


def _decline(fake: FakeProvider) -> None:
    fake.decline_next = DeclineReason.DO_NOT_HONOR


def _fail(error: type[Unavailable | RateLimited]) -> Callable[[FakeProvider], None]:
    return lambda fake: fake.fail_next.append(error("scripted"))


STEPS: dict[str, Callable[[Shop], None]] = {
    "press": lambda shop: shop.press("stripe"),
    "press other": lambda shop: shop.press("other"),
    "post the form": Shop.post_form,
    "approve": Shop.approve,
    "look": Shop.look_at_all,
    "work": lambda shop: shop.world.work(),
    "a minute": lambda shop: shop.world.wait(minutes=1),
    "half an hour": lambda shop: shop.world.wait(minutes=30),
    "lose an answer": lambda shop: shop.every(_lose),
    "decline": lambda shop: shop.every(_decline),
    "away for a verb": lambda shop: shop.every(_fail(Unavailable)),
    "too many requests": lambda shop: shop.every(_fail(RateLimited)),
}

KINDS: dict[str, tuple[dict[str, Any], bool]] = {
    "token, no keys": (without_keys(), False),
    "token, keys": (without_keys(key_lifetime_seconds=86_400), True),
    "approval": ({"moved_by_us": BOTH}, True),
}


TAKING = ("post the form", "approve")
"""What lets money move; at each kind of provider one of them is out of place, and must do no harm."""
TROUBLE = ("lose an answer", "decline", "away for a verb", "too many requests")


def histories() -> st.SearchStrategy[list[str]]:
    """Return histories in which most presses come to something: rounds of trouble, an act of the shopper, the rest."""
    rest = sorted(set(STEPS) - set(TAKING) - set(TROUBLE))
    rounds = st.tuples(
        st.sampled_from(("press", "press other")),
        st.sampled_from(("look", *TROUBLE)),
        st.sampled_from(TAKING),
        st.lists(st.sampled_from([*rest, *TAKING, *TROUBLE]), max_size=4),
    )
    return st.lists(rounds, min_size=1, max_size=3).map(
        lambda told: [step for first, second, third, more in told for step in (first, second, third, *more)]
    )


@pytest.mark.parametrize("kind", KINDS)
@given(steps=histories())
@example(steps=["press", "away for a verb", "post the form", "press", "lose an answer", "approve"])
@example(steps=["press other", "lose an answer", "approve", "press", "away for a verb", "post the form", "a minute"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history(db: None, now: datetime, kind: str, steps: list[str]) -> None:
    changes, tells_of_unpaid = KINDS[kind]
    with undone():
        _play(Shop(now, changes, tells_of_unpaid=tells_of_unpaid), steps, keys=kind != "token, no keys")


def _play(shop: Shop, steps: list[str], *, keys: bool) -> None:
    with (
        patch.object(providers, "get", shop.fakes.__getitem__),
        patch.object(providers, "enabled", lambda: tuple(shop.fakes)),
    ):
        for step in steps:
            STEPS[step](shop)
            live = [attempt for attempt in shop.world.attempts if attempt.state in LIVE_STATES]
            assert len(live) <= 1
        for fake in shop.fakes.values():
            fake.fail_next.clear()
        shop.world.sweep_until(
            lambda: shop.world.order.state in ("paid", "expired"), step_minutes=5, limit_minutes=60 * 30
        )
        assert_all_is_well(shop, keys=keys)


def assert_all_is_well(shop: Shop, *, keys: bool) -> None:
    world = shop.world
    assert world.order.state in ("paid", "expired"), [each.state for each in world.attempts]
    captures = Capture.objects.filter(order_id=world.order_id)
    assert captures.count() == shop.captured(), "all money that moved is recorded"
    assert shop.captured() <= 1, "and it moved once"
    assert (world.order.state == "paid") == (captures.filter(disposition="applied").count() == 1)
    assert "late_money" not in world.cases()
    if not keys:
        for attempt in world.attempts:
            posts = ProviderCall.objects.filter(attempt=attempt, operation="pay", tries__gt=0).count()
            assert posts <= 1
        tokens = [token for fake in shop.fakes.values() for token in fake.tokens]
        assert len(tokens) == len(set(tokens)), "no token was posted twice"
    calls = ProviderCall.objects.filter(attempt__order_id=world.order_id)
    assert not any(call.request.get("token") for call in calls if call.state in ("answered", "abandoned"))
    assert ledger_check.check().findings == []
    assert rebuilding.check().differences == []
