"""A shop at real adapters, each before its provider's sandbox, and the flows of a payment there: what the shopper, the
staff and the provider do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from unittest.mock import patch

from django.db import transaction
from django.test import Client
from django.utils import timezone

from integrations import providers
from integrations.contract import Capabilities, DeclineReason, Started
from orders import operations
from orders.models import Order
from payments import checkout, expiry
from payments.calls import sending
from payments.calls.requests import start_request_from
from payments.models import Capture, PaymentAttempt
from payments.models.call import Operation
from payments.settlement import look
from tests.conformance.features import Feature
from tests.conformance.stand import Means, Moved, Payment, Signed
from tests.conformance.stands.sandbox import SandboxStand
from tests.factories import make_order
from tests.world import World


@dataclass(frozen=True)
class Told:
    """An event that a provider sent, as it came."""

    stand: SandboxStand
    provider: str
    signed: Signed

    @property
    def type(self) -> str:
        event = json.loads(self.signed.body)
        return str(event.get("event_type") or event["type"])

    def deliver(self) -> int:
        """Post it to the webhook's view, signed afresh as providers sign each try; return the answer's status."""
        headers = self.stand.sign(self.signed.body)
        return self._post(headers)

    def deliver_as_it_came(self) -> int:
        """Post it to the webhook's view with the provider's own proof."""
        wanted = self.stand.signed_headers
        return self._post({name: value for name, value in self.signed.headers.items() if name.lower() in wanted})

    def _post(self, headers: Any) -> int:
        address = f"/webhooks/{self.provider}/"
        body = self.signed.body
        return Client().post(address, body, content_type="application/json", headers=headers).status_code


class Died(BaseException):
    """What no handler catches, as the death of a process is."""


class ProviderShop(World):
    """One order of 20.00 EUR, and its attempts at these providers.

    `answered`: we hear what comes of a payment at once: the shopper comes back, our call is answered. Without it nobody
    comes back, and our process dies before it writes down what the provider did: events, or a sweep, must tell.
    """

    def __init__(self, stands: Sequence[SandboxStand], *, answered: bool = False) -> None:
        self.stands = stands
        self.names = [stand.adapter().name for stand in stands]
        self.answered = answered
        self.ahead = timedelta()
        super().__init__(provider=cast("Any", None), order=make_order(now=timezone.now()), now=timezone.now())

    # The doors read the real clock: ours is that one, or ahead of it.
    @property
    def now(self) -> datetime:
        return timezone.now() + self.ahead

    @now.setter
    def now(self, moment: datetime) -> None:
        self.ahead = moment - timezone.now()

    @property
    def last(self) -> PaymentAttempt:
        return self.attempts[-1]

    def stand_of(self, attempt: PaymentAttempt) -> SandboxStand:
        return self.stands[self.names.index(attempt.provider)]

    def payment(self, attempt: PaymentAttempt) -> Payment:
        """Return the attempt as the stands know payments."""
        call = attempt.calls.get(operation=Operation.START)
        started = Started(
            ids=attempt.ids,
            account=attempt.account,
            mode=providers.get(attempt.provider).mode,
            redirect_url=attempt.page_url,
            expires_at=attempt.page_expires_at,
        )
        request = start_request_from(call.request)
        return Payment(request=request, key=call.idempotency_key, started=started, ids=attempt.ids)

    # --- the shopper -------------------------------------------------------------------------------------------------

    def pays(self, *, decline: DeclineReason | None = None) -> None:
        """Pay the last attempt as it is paid there. A decline is always heard of."""
        attempt, means = self.last, Means(decline=decline)
        heard = self.answered or decline is not None
        with suppress(Died), nullcontext() if heard else our_process_dies():
            if attempt.is_embedded:
                self._posts_token(attempt, means)
                return
            self.stand_of(attempt).pay(self.payment(attempt), means)
            if heard or self._capabilities(attempt).moved_by_us:
                self._comes_back(attempt)

    def _posts_token(self, attempt: PaymentAttempt, means: Means) -> None:
        token, proof = self.stand_of(attempt).token(self.payment(attempt), means)
        checkout.pay_with_token(
            order_id=self.order_id,
            reference=attempt.reference,
            token=token,
            proof=proof,
            clock=self.clock,
            actor="shopper",
        )

    def _comes_back(self, attempt: PaymentAttempt) -> None:
        look(attempt.pk, clock=self.clock, actor="shopper")
        self.work()

    @staticmethod
    def _capabilities(attempt: PaymentAttempt) -> Capabilities:
        return providers.get(attempt.provider).capabilities

    # --- the staff, and time -----------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Cancel the order, as the correction does: what is live is ended at the provider before."""
        if self.last.is_live:
            expiry.retire(self.last.pk, clock=self.clock, actor="staff")
        with transaction.atomic():
            order = Order.objects.select_for_update(no_key=True).get(pk=self.order_id)
            operations.cancel(order, at=self.now, cause="customer_asked", actor="staff")

    def run_out(self) -> None:
        self.sweep_until(lambda: self.order.state != "placed", step_minutes=10, limit_minutes=120)

    # --- the provider ------------------------------------------------------------------------------------------------

    def told(self) -> list[Told]:
        """Return what the providers have sent since the last time."""
        pairs = zip(self.stands, self.names, strict=True)
        return [Told(stand, name, signed) for stand, name in pairs for signed in stand.notifications()]

    def moved_minor(self) -> int:
        """What was taken for the order, by the providers' own books."""
        moved: list[Moved] = [self.stand_of(each).moved(self.payment(each)) for each in self.attempts]
        return sum(each.captured_minor for each in moved)

    def captured_minor(self) -> int:
        """What was taken for the order, by ours."""
        return sum(Capture.objects.filter(order_id=self.order_id).values_list("amount_minor", flat=True))


@contextmanager
def our_process_dies() -> Iterator[None]:
    """Once the provider has done what a call asked for, and before its answer is stored."""

    def failpoint(name: str) -> None:
        if name == "call.after_send":
            raise Died(name)

    with patch.object(sending, "failpoint", failpoint):
        yield


# --- the flows -------------------------------------------------------------------------------------------------------

Step = Callable[[ProviderShop], None]


@dataclass(frozen=True)
class Flow:
    """`pays`: whether our hearing of it may fail. `needs`: what the first provider must offer. `first_decides`: of two
    payments the one that is found first pays the order, so which of them it is depends on the history."""

    name: str
    steps: tuple[Step, ...]
    ends: str
    pays: bool = False
    providers: int = 1
    needs: Feature | None = None
    first_decides: bool = False

    def why_not(self, stands: Sequence[type[SandboxStand]]) -> str:
        """Return why there is no such flow at the first of these; empty if there is."""
        lacking = stands[0].lacks.get(self.needs, "") if self.needs else ""
        return f"{stands[0].name} does not offer {self.needs}: {lacking}" if lacking else ""


def _opens(shop: ProviderShop) -> None:
    shop.press_pay(shop.names[0])


def _opens_at_the_second(shop: ProviderShop) -> None:
    shop.press_pay(shop.names[1])


def _is_declined(shop: ProviderShop) -> None:
    shop.pays(decline=DeclineReason.INSUFFICIENT_FUNDS)


def _opens_again_if_it_has_ended(shop: ProviderShop) -> None:
    if not shop.last.is_live:
        _opens(shop)


def _pays_at_the_first_after_all(shop: ProviderShop) -> None:
    first = shop.attempts[0]
    shop.stand_of(first).pay_closed(shop.payment(first))


FLOWS = (
    Flow("paid", (_opens, ProviderShop.pays), "paid", pays=True),
    Flow(
        "declined_then_paid",
        (_opens, _is_declined, _opens_again_if_it_has_ended, ProviderShop.pays),
        "paid",
        pays=True,
    ),
    Flow(
        "paid_after_our_expiry",
        (_opens, ProviderShop.run_out, _pays_at_the_first_after_all),
        "expired",
        needs=Feature.LATE_MONEY,
    ),
    Flow(
        "two_providers_both_paid",
        (_opens, _opens_at_the_second, ProviderShop.pays, _pays_at_the_first_after_all),
        "paid",
        pays=True,
        providers=2,
        needs=Feature.LATE_MONEY,
        first_decides=True,
    ),
    Flow(
        "declined_then_cancelled",
        (_opens, _is_declined, _opens_again_if_it_has_ended, ProviderShop.cancel),
        "cancelled",
    ),
)
