"""A typed client of the Square sandbox's own control verbs; the common ones are SandboxControl's (control.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sandbox.control import Json, SandboxControl


@dataclass(frozen=True)
class LinkPayment:
    """What a press of *Pay* did. `decline_code` None: paid."""

    payment: Json
    decline_code: str | None


class SquareControl(SandboxControl):
    """Drives one Square sandbox. Every method raises ControlError when the sandbox says no."""

    def account(self) -> Json:
        """The seller that is played: merchant_id, location_id, currency, application_id."""
        return self._call("account.show")

    def pay_link(
        self, link: str, *, card: str = "4111111111111111", cvc: str = "111", amount: int | None = None,
        currency: str = "", verified: bool = True,
    ) -> LinkPayment:  # fmt: skip
        """Presses *Pay* on a link's page, however often. `amount` (minor units) and `currency` replace what the order
        asks for; `verified`: whether the bank's check is passed."""
        return LinkPayment(
            **self._call(
                "links.pay", link=link, card=card, cvc=cvc, amount=amount, currency=currency, verified=verified
            )
        )

    def token(self, *, card: str = "4111111111111111", cvc: str = "111") -> str:
        """A single-use token, as the frame gives it for a card."""
        return str(self._call("tokens.create", card=card, cvc=cvc)["token"])

    def refund_payment(self, payment: str, *, amount: int | None = None, reason: str = "") -> Json:
        """A refund made in the dashboard; `amount` in minor units, default all that is left."""
        return self._call("refunds.create", payment=payment, amount=amount, reason=reason)

    def hold_refunds(self, *, hold: bool = True) -> None:
        """Leaves new refunds PENDING, or no longer."""
        self._call("refunds.hold", hold=hold)

    def dispute_payment(
        self, payment: str, *, reason: str = "NO_KNOWLEDGE", inquiry: bool = False, amount: int | None = None
    ) -> Json:
        """The cardholder's bank disputes a payment: a chargeback, or an inquiry, which moves no money yet."""
        return self._call("disputes.create", payment=payment, reason=reason, inquiry=inquiry, amount=amount)

    def decide_dispute(self, dispute: str, *, state: str) -> Json:
        """What the bank does to a dispute: PROCESSING, WON, LOST; to an inquiry EVIDENCE_REQUIRED, INQUIRY_CLOSED."""
        return self._call("disputes.move", id=dispute, state=state)

    def make_payout(self) -> Json:
        """Pays out all that waits."""
        return self._call("payouts.create")

    def adjust_balance(self, amount: int) -> Json:
        """A movement of the balance without a cause (signed minor units), in the next payout."""
        return self._call("balance.adjust", amount=amount)

    def enable_events(self, *, enabled: bool = True) -> None:
        """Switches the search of events on or off."""
        self._call("events.enable", enabled=enabled)

    def sign_for(self, url: str) -> None:
        """Signs for another notification URL than the one posted to; empty: for that one."""
        self._call("webhooks.sign_for", url=url)

    def make_event(self, event_type: str, *, data: Json, overrides: Json | None = None) -> Json:
        """Records and sends any event."""
        return self._call("events.create", type=event_type, data=data, overrides=overrides or {})

    def money(self) -> list[dict[str, Any]]:
        """The oracle: per order, the money that really moved, in minor units."""
        found: list[dict[str, Any]] = self._call("effects")["effects"]
        return found
