"""The flows of a payment as lists of steps: what happens at the provider or the shop, and the events that tell of
it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.fake_provider import Payment
from tests.world import World

Step = Callable[[World], None]


@dataclass(frozen=True)
class Told:
    """One event: which payment (0 = first opened) it speaks of."""

    type: str
    payment: int = 0


@dataclass(frozen=True)
class Flow:
    """`steps`: (what happens, the events the provider then sends). At the end the order is as `ends` says."""

    name: str
    steps: tuple[tuple[Step, tuple[Told, ...]], ...]
    ends: str

    @property
    def events(self) -> list[Told]:
        return [told for _, events in self.steps for told in events]


def payment(world: World, number: int = 0) -> Payment:
    return list(world.provider.payments.values())[number]


def _open(world: World) -> None:
    world.press_pay()


def _pay(number: int = 0) -> Step:
    return lambda world: void(world.provider.pay(payment(world, number)))


def void(_: object) -> None:
    """Make a step of something that answers."""


def _decline(world: World) -> None:
    world.provider.refuse_card(payment(world))


def _ask(world: World) -> None:
    world.provider.ask_for_action(payment(world))


def _process(world: World) -> None:
    world.provider.process(payment(world))


def _expire_at_provider(world: World) -> None:
    world.provider.expire(payment(world))


def _our_time_runs_out(world: World) -> None:
    world.sweep_until(lambda: world.order.state != "placed", step_minutes=10, limit_minutes=120)


def _open_again(world: World) -> None:
    world.wait(minutes=1)
    world.press_pay()


FLOWS = (
    Flow(
        "paid",
        (
            (_open, ()),
            (
                _pay(),
                (
                    Told("payment_intent.created"),
                    Told("charge.succeeded"),
                    Told("payment_intent.succeeded"),
                    Told("checkout.session.completed"),
                ),
            ),
        ),
        "paid",
    ),
    Flow(
        "declined_then_paid",
        (
            (_open, ()),
            (_decline, (Told("payment_intent.payment_failed"), Told("charge.failed"))),
            (
                _pay(),
                (
                    Told("charge.succeeded"),
                    Told("payment_intent.succeeded"),
                    Told("checkout.session.completed"),
                ),
            ),
        ),
        "paid",
    ),
    Flow(
        "three_d_secure",
        (
            (_open, ()),
            (_ask, (Told("payment_intent.requires_action"),)),
            (
                _pay(),
                (
                    Told("charge.succeeded"),
                    Told("payment_intent.succeeded"),
                    Told("checkout.session.completed"),
                ),
            ),
        ),
        "paid",
    ),
    Flow(
        "asynchronous_method",
        (
            (_open, ()),
            (_process, (Told("payment_intent.processing"), Told("checkout.session.completed"))),
            (
                _pay(),
                (
                    Told("charge.succeeded"),
                    Told("payment_intent.succeeded"),
                    Told("checkout.session.async_payment_succeeded"),
                ),
            ),
        ),
        "paid",
    ),
    Flow(
        "expired",
        (
            (_open, ()),
            (_decline, (Told("payment_intent.payment_failed"),)),
            (_expire_at_provider, (Told("checkout.session.expired"), Told("payment_intent.canceled"))),
        ),
        "expired",
    ),
    Flow(
        "paid_after_our_expiry",
        (
            (_open, ()),
            (_our_time_runs_out, (Told("checkout.session.expired"),)),
            (
                _pay(),
                (
                    Told("charge.succeeded"),
                    Told("payment_intent.succeeded"),
                    Told("checkout.session.completed"),
                ),
            ),
        ),
        "expired",
    ),
    Flow(
        "two_tabs",
        (
            (_open, ()),
            (_open, ()),
            (
                _pay(),
                (
                    Told("payment_intent.created"),
                    Told("charge.succeeded"),
                    Told("payment_intent.succeeded"),
                    Told("checkout.session.completed"),
                ),
            ),
        ),
        "paid",
    ),
    Flow(
        "two_attempts_both_paid",
        (
            (_open, ()),
            (_expire_at_provider, (Told("checkout.session.expired"),)),
            (_open_again, ()),
            (_pay(1), (Told("charge.succeeded", 1), Told("checkout.session.completed", 1))),
            (_pay(0), (Told("charge.succeeded", 0), Told("payment_intent.succeeded", 0))),
        ),
        "paid",
    ),
)
