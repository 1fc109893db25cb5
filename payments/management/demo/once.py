"""One order through everything: shop, provider's page, webhook, workers, receiver, mail."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations.facts import Fact
from integrations.models import Delivery, DeliveryState
from integrations.sandbox.loopback import ReceiverControl
from integrations.sandbox.shopper import Shopper, Surprise
from orders.models import Order
from orders.states import OrderState
from payments.management.demo import seed
from payments.management.demo.place import Addresses, Place
from payments.management.demo.stand_ins import STAND_INS
from payments.management.reporting import Exit
from payments.models import ProviderEvent
from payments.states import AttemptState, EventState

EMAIL = "once@example.com"
SETTLES_SECONDS = 40
STARTING_UP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Report:
    """What happened, as JSON, and the exit code that says it."""

    told: dict[str, Any]
    code: Exit


def running(place: Place) -> Addresses | None:
    """Return where the demo that runs answers, waiting while it starts; None where none runs."""
    deadline = time.monotonic() + STARTING_UP_SECONDS
    while place.is_taken() and time.monotonic() < deadline:
        if (addresses := place.running()) is not None:
            return addresses
        time.sleep(0.1)
    return None


def go(addresses: Addresses, *, provider: str, say: Callable[[str], None], stop_asked: Callable[[], bool]) -> Report:
    """Buy one thing, and wait until all that follows has happened or time is up."""
    started = time.monotonic()
    try:
        say("Buying")
        token = _buy(addresses, provider=provider)
    except Surprise as surprise:
        return Report({"ok": False, "provider": provider, "problem": str(surprise)}, Exit.PARTIAL)
    say("Paid at the provider; waiting for webhook, workers and receivers")
    seconds: dict[str, Any] = {}
    while True:
        told = _state(token, addresses)
        missing = _missing(told)
        for milestone, done in (("paid", told["state"] == OrderState.PAID), ("delivered", not missing)):
            if done:
                seconds.setdefault(f"seconds_to_{milestone}", round(time.monotonic() - started, 2))
        if not missing:
            return Report({"ok": True, **told, **seconds}, Exit.CLEAN)
        if stop_asked() or time.monotonic() > started + SETTLES_SECONDS:
            problem = f"After {round(time.monotonic() - started)} s still missing: {', '.join(missing)}."
            return Report({"ok": False, **told, **seconds, "problem": problem}, Exit.FINDINGS)
        time.sleep(0.1)


def _buy(addresses: Addresses, *, provider: str) -> str:
    shopper = Shopper(addresses.shop)
    token = shopper.place_order(email=EMAIL)
    page = shopper.open_provider_page(token, provider=provider)
    shopper.come_back(STAND_INS[provider].pay(shopper, page))
    return token


def _state(token: str, addresses: Addresses) -> dict[str, Any]:
    """Return what is true of the order now, read from our rows and from what the receiver itself holds."""
    order = Order.objects.get(token=token)
    attempt = order.attempts.get()
    events = ProviderEvent.objects.filter(attempt=attempt).order_by("pk")
    processed = events.filter(state=EventState.PROCESSED).first()
    waiting = events.filter(state__in=[EventState.RECEIVED, EventState.FAILED, EventState.DEAD]).count()
    fact = Delivery.objects.filter(
        event__fact=Fact.ORDER_PAID, event__subject_kind="order", event__subject_id=order.pk
    ).select_related("destination")
    sent = {each.destination.name: each for each in fact}
    receiver, mail = sent.get(seed.RECEIVER), sent.get(seed.MAIL)
    confirmed = receiver is not None and receiver.state == DeliveryState.DELIVERED
    return {
        "order": order.number,
        "state": order.state,
        "attempt": attempt.pk,
        "attempt_state": attempt.state,
        "provider": attempt.provider,
        "event": processed.event_id if processed else None,
        "events_waiting": waiting,
        "delivered": confirmed,
        "copies_at_receiver": ReceiverControl(addresses.receiver).copies_of(receiver.key)
        if receiver and confirmed
        else 0,
        "mailed": mail is not None and mail.state == DeliveryState.DELIVERED,
    }


def _missing(told: dict[str, Any]) -> list[str]:
    """Return what has not happened yet, in words."""
    wanted = {
        "the order is not paid": told["state"] == OrderState.PAID,
        "the attempt is not paid": told["attempt_state"] == AttemptState.PAID,
        "no webhook event is processed": told["event"] is not None,
        "webhook events wait": told["events_waiting"] == 0,
        "the fact is not delivered": told["delivered"],
        "the receiver does not hold it exactly once": told["copies_at_receiver"] == 1,
        "the mail is not sent": told["mailed"],
    }
    return [problem for problem, holds in wanted.items() if not holds]
