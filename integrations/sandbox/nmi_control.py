"""A typed client of NMI's stand-in: what a shopper's frame, a person in NMI's own pages and the nightly batch do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.sandbox.control import Json, SandboxControl


class NmiControl(SandboxControl):
    """Drives one NMI sandbox; faults, webhooks and the clock are as everywhere."""

    def token(self, *, card: str = "4111111111111111", expiry: str = "12/34", cvv: str = "123") -> str:
        """A payment token, as the frames make it."""
        return str(self._call("tokens.make", card=card, expiry=expiry, cvv=cvv)["token"])

    def sell(
        self, *, order_id: str, amount: int, currency: str = "USD", card: str = "4111111111111111",
        authorize: bool = False,
    ) -> Json:  # fmt: skip
        """A sale in the virtual terminal, `amount` in minor units; `authorize` only reserves the money."""
        return self._call(
            "sales.make", order_id=order_id, amount=amount, currency=currency, card=card, authorize=authorize
        )

    def give_back(self, transaction_id: str, *, amount: int | None = None) -> Json:
        """A refund behind our back, or a void of what is not settled yet; default all that is left."""
        return self._call("refunds.create", id=transaction_id, amount=amount)

    def fail_refund(self, transaction_id: str) -> Json:
        """The processor refuses a refund after all."""
        return self._call("refunds.fail", id=transaction_id)

    def settle_day(self) -> list[str]:
        """The nightly batch; returns the ids of what was settled."""
        settled: list[str] = self._call("settle")["settled"]
        return settled

    def test_mode(self, *, on: bool) -> None:
        """Switches the account's test mode."""
        self._call("test_mode", on=on)

    def of_order(self, order_id: str) -> list[Json]:
        """The transactions of an order id, oldest first."""
        found: list[Json] = self._call("transactions.of_order", order_id=order_id)["transactions"]
        return found

    def sales(self) -> list[Json]:
        """The oracle: per sale, the money that really moved, in minor units."""
        found: list[Json] = self._call("effects")["effects"]
        return found

    def event(
        self, event_type: str, *, body: Mapping[str, Any] | None = None, overrides: Mapping[str, Any] | None = None
    ) -> str:
        """Records and sends any event; returns its id."""
        made = self._call("events.create", type=event_type, body=dict(body or {}), overrides=dict(overrides or {}))
        return str(made["event_id"])
