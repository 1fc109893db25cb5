"""What becomes of a paid order's money: refunds of ours and theirs, a dispute, a payout; who dies meanwhile."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from integrations.sandbox.control import ControlError
from tests.faults import money_oracle, oracle
from tests.faults.histories import Kill, arm, set_webhooks, wait
from tests.faults.paying import Order
from tests.faults.world import World

OURS_MINOR, THEIRS_MINOR = 300, 200
PATIENCE_SECONDS = 60
_PAUSE_SECONDS = 0.3
_ASK_AGAIN = (409, 429, 500, 502, 503)
"""In flight, too many, or nobody there: a program asks again with the same key, and hears of the same refund."""


@dataclass(frozen=True)
class Afterwards:
    """What happens to the money of a paid order, act by act (methods of Money), and who dies meanwhile."""

    name: str
    acts: tuple[str, ...]
    webhooks: str = "normal"
    kills: tuple[Kill, ...] = ()
    provider_fault: dict[str, Any] | None = None


@dataclass
class Money:
    """The money of one paid order, and everybody who moves it. `payouts`: those made since it was paid."""

    world: World
    order: Order
    refunds: list[str] = field(default_factory=list)
    disputes: list[str] = field(default_factory=list)
    payouts: list[str] = field(default_factory=list)

    @property
    def intent_id(self) -> str:
        return str(self.order.attempts()[0]["intent_id"])

    def our_refund(self) -> None:
        """A program of ours asks for a refund until it hears what became of it."""
        self.refunds.append(self._ask())

    def their_refund(self) -> None:
        made = self.world.control.refund(payment_intent=self.intent_id, amount=THEIRS_MINOR)
        self.refunds.append(made["id"])

    def refund_fails(self) -> None:
        """The last refund comes back."""
        if self.refunds[-1]:
            self.world.control.move_refund(self.refunds[-1], status="failed", failure_reason="expired_or_canceled_card")

    def dispute(self) -> None:
        self.disputes.append(self.world.control.dispute(payment_intent=self.intent_id)["id"])

    def dispute_won(self) -> None:
        self.world.control.move_dispute(self.disputes[-1], status="won")

    def dispute_lost(self) -> None:
        self.world.control.move_dispute(self.disputes[-1], status="lost")

    def payout(self) -> None:
        """The provider pays out, where the balance has something."""
        currency = self.order.attempts()[0]["currency"].lower()
        try:
            made = self.world.control.pay_out(currency=currency, early=True)
        except ControlError:
            return
        self.payouts.append(made["id"])
        for status in ("in_transit", "paid"):
            self.world.control.move_payout(made["id"], status=status)

    def payout_fails(self) -> None:
        if self.payouts:
            self.world.control.move_payout(self.payouts[-1], status="failed")

    def _ask(self) -> str:
        """Return the provider's id of the refund, once there is one; empty where it was refused."""
        attempt = self.order.attempts()[0]["reference"]
        body = {"amount_minor": OURS_MINOR, "reason_code": "goods_returned", "reason": "One of two mugs came back."}
        headers = {
            "Authorization": f"Bearer {self.world.staff_token}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        url = f"{self.world.shop}/api/v1/attempts/{attempt}/refunds/"
        asked = Request(url, data=json.dumps(body).encode(), headers=headers)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.world.tend()
            try:
                with urlopen(asked, timeout=20) as answer:
                    told = json.load(answer)
                assert answer.status == 201, told
                return str(told["provider_refund"])
            except HTTPError as error:
                why = error.read().decode()
                if error.code not in _ASK_AGAIN:
                    raise AssertionError(f"{error.code}: {why}") from error
                if '"not_possible"' in why:
                    return ""
            except (OSError, HTTPException) as error:
                why = str(error)
            assert time.monotonic() < deadline, f"nobody says what became of a refund: {why}"
            time.sleep(_PAUSE_SECONDS)
            self.world.bury()


def play(world: World, afterwards: Afterwards) -> list[str]:
    """Let an order be paid, then let it happen and things grow quiet; return what is wrong then."""
    order = Order(world)
    order.visitor.come_back(order.pay())
    order.ends_well()
    money = Money(world, order)
    set_webhooks(world, afterwards.webhooks)
    if afterwards.provider_fault:
        world.control.fault(**afterwards.provider_fault)
    for kill in afterwards.kills:
        arm(world, kill)
    for act in afterwards.acts:
        getattr(money, act)()
    world.control.clear_webhook_rules()
    if afterwards.webhooks in ("held", "reordered"):  # an odd one out stays behind
        world.control.release(order="reversed")
    wait(world, order.id, lambda: oracle.waiting(world, order.id))
    world.control.clear_faults()  # one that nobody has met yet
    world.manage("reconcile", "--order", str(order.id), codes=(0, 3))  # finds what no webhook told
    wait(world, order.id, lambda: [*oracle.waiting(world, order.id), *money_oracle.waiting(world, order.id, money)])
    return money_oracle.problems(world, oracle.order_of(world, order.visitor.email), money)
