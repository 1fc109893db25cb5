"""A typed client of PayPal's control verbs, beside those that every sandbox has."""

from __future__ import annotations

import zlib

from integrations.sandbox.control import Json, SandboxControl


class PayPalControl(SandboxControl):
    """Drives one PayPal sandbox. Every method raises ControlError when it says no, OSError when it is not there."""

    def approve(
        self, order: str, *, kind: str = "completed", code: str = "", reason: str = "", issue: str = ""
    ) -> Json:
        """Presses *Approve*. `kind`: what the capture comes to: completed, pending (`reason`), declined (processor
        `code`), refused (422 with `issue`).
        """
        told = {"kind": kind, "code": code, "reason": reason, "issue": issue}
        return self._call("orders.approve", order=order, outcome={name: value for name, value in told.items() if value})

    def reverse_approval(self, order: str) -> Json:
        """Nobody captured in time: PayPal takes the approval back."""
        return self._call("orders.reverse_approval", order=order)

    def force_capture(self, order: str, *, amount: int | None = None, currency: str | None = None) -> Json:
        """Money moves although nobody asked (late, second, wrong). `amount` in minor units."""
        return self._call("orders.force_capture", order=order, amount=amount, currency=currency)

    def settle_capture(self, capture: str, *, success: bool = True) -> Json:
        """PayPal's late answer to a pending capture."""
        return self._call("captures.settle", capture=capture, success=success)

    def reverse_capture(self, capture: str) -> Json:
        """PayPal takes the money back."""
        return self._call("captures.reverse", capture=capture)

    def refund_capture(self, capture: str, *, amount: int | None = None, pending: bool = False) -> Json:
        """A refund made on PayPal's pages; `amount` in minor units, default all that is left."""
        return self._call("refunds.create", capture=capture, amount=amount, pending=pending)

    def hold_refunds(self, pending: bool = True) -> None:
        """Refunds made from now on stay pending, or no longer."""
        self._call("refunds.hold", pending=pending)

    def dispute_capture(
        self, capture: str, *, reason: str | None = None, inquiry: bool = False, amount: int | None = None
    ) -> Json:
        """The payer disputes a capture: a claim, or an inquiry, which moves no money yet."""
        return self._call("disputes.create", capture=capture, reason=reason, inquiry=inquiry, amount=amount)

    def decide_dispute(self, dispute: str, to: str) -> Json:
        """What PayPal does to a dispute: escalated, under_review, won, lost, cancelled."""
        return self._call("disputes.move", id=dispute, to=to)

    def expire_tokens(self) -> None:
        """PayPal forgets every access token."""
        self._call("tokens.expire")

    def signed(self, body: bytes, *, webhook_id: str, at: int) -> dict[str, str]:
        """The headers that prove these bytes for a webhook, signed at a time in seconds. Nothing is sent."""
        answer = self._call("events.sign", crc32=zlib.crc32(body), webhook_id=webhook_id, at=at)
        headers: dict[str, str] = answer["headers"]
        return headers

    def event(
        self, event_type: str, *, obj: str | Json, changes: Json | None = None, overrides: Json | None = None,
        kind: str = "capture",
    ) -> Json:  # fmt: skip
        """Any event, over an object or a whole resource."""
        return self._call("events.create", type=event_type, object=obj, changes=changes, overrides=overrides, kind=kind)
