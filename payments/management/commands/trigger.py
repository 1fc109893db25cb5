"""`manage.py trigger EVENT --order N`: provokes at the demo's sandbox what can happen to a payment."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from integrations.sandbox.control import ControlError
from integrations.sandbox.shopper import Shopper, Surprise
from orders.models import Order
from payments.management.demo import after_payment  # noqa: F401  registers its events
from payments.management.demo.faults import EVENTS, Stage
from payments.management.demo.hands import HANDS, CannotTrigger
from payments.management.demo.place import Addresses, Place
from payments.management.reporting import Exit, ReportingCommand, refused, usage

ENVIRONMENTS = ("demo", "test")
NEW = "new"
EMAIL = "tour@example.com"


class Command(ReportingCommand):
    """Exit codes: 0 provoked; 2 usage, or it does not fit the order; 4 the sandbox or the shop failed; 5 no demo."""

    help = "Provoke an event for an order at the demo's sandbox. Without EVENT: list them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("event", nargs="?", metavar="EVENT", help="one of those that are listed without it")
        parser.add_argument("--order", type=_number, metavar="N", help="the order's number, or new: place one first")
        parser.add_argument("--provider", choices=list(HANDS), default="", help="at which one, for a new attempt")
        self.add_json(parser)

    def handle(self, *_: Any, event: str | None, order: int | str | None, provider: str, json: bool, **__: Any) -> None:
        if settings.ENVIRONMENT not in ENVIRONMENTS:
            raise refused(f"ENVIRONMENT is {settings.ENVIRONMENT}: events are provoked in the demo only.")
        if event is None:
            lines = [f"  {each.name:<16}{each.says}" for each in EVENTS.values()]
            listed = {each.name: each.says for each in EVENTS.values()}
            self.finish({"events": listed}, lines=[*lines, f"{len(lines)} events"], as_json=json)
            return
        chosen = EVENTS.get(event)
        if chosen is None:
            raise usage(f"There is no event {event!r}. Choose one of: {', '.join(EVENTS)}.")
        if chosen.needs_order and order is None:
            raise usage(f"Say for which order: manage.py trigger {event} --order N.")
        addresses = Place(settings.BASE_DIR).running()
        if addresses is None:
            raise refused("No demo is running in this checkout: start one with make demo, in another terminal.")
        try:
            number = _place(addresses) if isinstance(order, str) else order
            stage = Stage(addresses, number, timezone.now, wanted=provider)
            said = chosen.play(stage)
        except CannotTrigger as error:
            raise usage(str(error)) from None
        except (ControlError, Surprise, OSError, ValueError) as error:
            raise CommandError(f"Not provoked: {error}", returncode=Exit.PARTIAL) from None
        self._report(stage, event=event, said=said, as_json=json)

    def _report(self, stage: Stage, *, event: str, said: str, as_json: bool) -> None:
        report: dict[str, Any] = {"event": event, "said": said, "provider": stage.provider, **stage.details}
        lines: list[str] = []
        if stage.number is not None:
            order = stage.order
            attempt = order.attempts.order_by("-pk").first()
            url = f"{stage.addresses.shop}/orders/{order.token}/"
            report |= {"order": order.number, "attempt": attempt.pk if attempt else None, "url": url}
            lines = [f"Order {order.number}: {url}"]
        self.finish(report, lines=[*lines, said], as_json=as_json)


def _number(text: str) -> int | str:
    """Read an order's number, or the word for a new one. Raises ValueError."""
    return NEW if text == NEW else int(text)


def _place(addresses: Addresses) -> int:
    """Place an order as a shopper would, and return its number."""
    return Order.objects.get(token=Shopper(addresses.shop).place_order(email=EMAIL)).number
