"""A process dies at each step of a call of ours that takes money; workers and the shopper go on. Money moves once.

The death is an exception that nothing catches: what was committed stays, what was not is gone, as with SIGKILL (which
tests/faults sends to real processes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from integrations import failpoints
from integrations.contract import Presentation
from orders.models import Order
from payments import checkout
from payments.ledger import check as ledger_check
from payments.models import ProviderCall
from payments.settlement import look
from tests.fake_forms import without_keys
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SENDING = ("call.before_send", "call.after_send", "call.before_store", "call.after_store")
LOOKING = ("look.before_fetch", "look.after_fetch", "capture.before_posting", "settle.before_commit")
AFTER = ("settle.after_commit",)


class Died(BaseException):
    """The process is gone."""


class Deaths:
    """Lets whoever passes the armed failpoint die, once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.armed = ""
        monkeypatch.setenv("ENVIRONMENT", "test")
        monkeypatch.setenv("FAILPOINT", "armed by this test")
        monkeypatch.setattr(failpoints, "_pass_wanted", self._pass)

    def _pass(self, _: str, name: str) -> None:
        if name == self.armed:
            self.armed = ""
            raise Died(name)

    def under(self, act: Callable[[], object], *, at: str) -> None:
        """Do this, and die there."""
        self.armed = at
        with pytest.raises(Died):
            act()


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> Deaths:
    return Deaths(monkeypatch)


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


def pay(world: World) -> object:
    return checkout.pay_with_token(
        order_id=world.order_id,
        reference=world.attempts[-1].reference,
        token=f"tok-{len(world.attempts)}",
        clock=world.clock,
        actor="shopper",
    )


def let_it_end(world: World) -> None:
    """Let workers go on; where the money did not move, let the shopper try again."""
    world.sweep_until(lambda: world.order.state == "paid" or not world.attempts[-1].is_live, limit_minutes=30)
    if world.order.state != "paid":
        world.press_pay()
        pay(world)


def assert_paid_once(world: World) -> None:
    assert world.order.state == "paid"
    assert sum(len(payment.captures) for payment in world.provider.payments.values()) == 1
    assert world.balance() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}
    assert world.facts().count("order.paid") == 1
    assert world.cases() == []
    assert ledger_check.check().findings == []
    world.sweep_until(lambda: False, step_minutes=10, limit_minutes=60)
    assert not ProviderCall.objects.exclude(state__in=["answered", "abandoned"]).exists(), "no call hangs"
    assert not any(call.request.get("token") for call in ProviderCall.objects.all()), "no token is left"


@pytest.mark.parametrize("keys", [True, False], ids=["with-keys", "without-keys"])
@pytest.mark.parametrize("failpoint", ["payment.committed", *SENDING, *LOOKING, *AFTER])
def test_the_shop_dies_while_a_token_is_paid_with(world: World, deaths: Deaths, failpoint: str, keys: bool) -> None:
    changes = without_keys(**({"key_lifetime_seconds": 86_400} if keys else {}))
    world.provider.capabilities = replace(world.provider.capabilities, **changes)
    world.provider.tells_of_unpaid = keys
    world.press_pay()
    deaths.under(lambda: pay(world), at=failpoint)
    let_it_end(world)
    assert_paid_once(world)
    sent = [verb for verb, _ in world.provider.calls].count("pay_with_token")
    assert sent <= (2 if keys else len(world.attempts)), "without keys each attempt sends once at most"


@pytest.mark.parametrize("keys", [True, False], ids=["with-keys", "without-keys"])
@pytest.mark.parametrize("failpoint", ["attempt.committed", *SENDING, "page.handed_out"])
def test_the_shop_dies_while_a_payment_by_token_begins(
    world: World, deaths: Deaths, failpoint: str, keys: bool
) -> None:
    """Nobody was sent to what the first request opened: it is asked again, keys or not, and the order can be paid."""
    changes = without_keys(**({"key_lifetime_seconds": 86_400} if keys else {}))
    world.provider.capabilities = replace(world.provider.capabilities, **changes)
    deaths.under(world.press_pay, at=failpoint)
    world.wait(minutes=1)
    assert world.press_pay().redirect_url
    pay(world)
    let_it_end(world)
    assert_paid_once(world)
    assert len(world.attempts) == 1


@pytest.mark.parametrize("failpoint", [*SENDING, "look.before_fetch", "settle.before_commit"])
def test_a_worker_dies_while_it_captures(world: World, deaths: Deaths, failpoint: str) -> None:
    world.provider.capabilities = replace(world.provider.capabilities, moved_by_us=frozenset({Presentation.HOSTED}))
    world.press_pay()
    world.provider.approve(world.provider.the_payment())
    look(world.attempt.pk, clock=world.clock, actor="return_page")
    deaths.under(world.work, at=failpoint)
    world.sweep_until(lambda: world.order.state == "paid", limit_minutes=30)
    assert_paid_once(world)
    assert len(world.attempts) == 1


@pytest.mark.parametrize("failpoint", ["look.after_fetch", "settle.before_commit", "settle.after_commit"])
def test_the_return_page_dies_over_an_approval(world: World, deaths: Deaths, failpoint: str) -> None:
    world.provider.capabilities = replace(world.provider.capabilities, moved_by_us=frozenset({Presentation.HOSTED}))
    world.press_pay()
    world.provider.approve(world.provider.the_payment())
    deaths.under(lambda: look(world.attempt.pk, clock=world.clock, actor="return_page"), at=failpoint)
    world.sweep_until(lambda: world.order.state == "paid", limit_minutes=30)
    assert_paid_once(world)
