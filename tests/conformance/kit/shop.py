"""What the shop does with an adapter, in the order in which payments/ does it: the hands of the kit's tests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.contract import (
    Capabilities,
    CaptureRequest,
    CaptureSnapshot,
    Decline,
    Declined,
    NextStep,
    Notification,
    NotificationUnverified,
    PageLine,
    PaymentSnapshot,
    PayRequest,
    Presentation,
    RefundReason,
    RefundRequest,
    RefundSnapshot,
    StartRequest,
)
from integrations.guard import GuardedProvider
from payments.models.attempt import new_reference
from payments.models.call import new_idempotency_key as new_key
from tests.conformance.features import FROM_CAPABILITIES, Feature
from tests.conformance.stand import Means, Payment, Signed, Stand

PAYS = Means()


def why_not(feature: Feature, stand: Stand, said: Capabilities) -> str:
    """Return why a test of this feature cannot be held here; empty if it can."""
    if reason := stand.lacks.get(feature, ""):
        return f"{stand.name} does not offer {feature}: {reason}"
    if feature in FROM_CAPABILITIES and not FROM_CAPABILITIES[feature](said):
        return f"{stand.name} does not offer {feature}: its Capabilities say so"
    if reason := stand.beyond.get(feature, ""):
        return f"{stand.name}: {feature} cannot be brought about here: {reason}"
    return ""


__all__ = ["PAYS", "Shop", "new_key", "why_not"]


@dataclass
class Shop:
    """The shop at one provider, through the guard, as everything else of the service sees it."""

    stand: Stand
    provider: GuardedProvider
    declined: Decline | None = None  # what the last payment by a call of ours was refused for

    # --- beginning

    def request(self, **changes: Any) -> StartRequest:
        """Return the usual request, on a page that lives for an hour."""
        lines: tuple[PageLine, ...] = self.stand.lines
        wanted: dict[str, Any] = {
            "reference": new_reference(),
            "amount_minor": sum(line.quantity * line.unit_amount_minor for line in lines),
            "currency": self.stand.currency,
            "order_number": "S-1001",
            "lines": lines,
            "email": "shopper@example.org",
            "return_url": "https://shop.example/pay/t/return/",
            "cancel_url": "https://shop.example/pay/t/",
            "expires_at": datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1),
            "presentation": self.stand.presentation,
        }
        return StartRequest(**(wanted | changes))

    def of_amount(self, amount_minor: int, currency: str) -> StartRequest:
        """Return a request over one line of this amount."""
        line = PageLine(name="Tea", quantity=1, unit_amount_minor=amount_minor)
        return self.request(amount_minor=amount_minor, currency=currency, lines=(line,))

    def start(self, request: StartRequest | None = None, *, key: str = "") -> Payment:
        """Begin a payment."""
        request, key = request or self.request(), key or new_key()
        started = self.provider.start(request, idempotency_key=key)
        return Payment(request=request, key=key, started=started, ids=started.ids)

    # --- paying

    def look(self, payment: Payment) -> PaymentSnapshot:
        """Ask for the whole payment, and keep the ids it tells."""
        snapshot = self.provider.fetch(payment.ids)
        payment.ids = snapshot.ids
        return snapshot

    def pay(self, payment: Payment, means: Means = PAYS) -> PaymentSnapshot:
        """Let the shopper pay; do what is then ours to do; look. `declined` tells what our own call was refused for."""
        self._need(Feature.PAYING)
        self.declined = None
        if payment.request.presentation is Presentation.EMBEDDED and self.provider.form(payment.ids).takes_token:
            return self._pay_with_token(payment, means)
        self.stand.pay(payment, means)
        snapshot = self.look(payment)
        return self.capture(payment) if snapshot.next_step is NextStep.CAPTURE else snapshot

    def _pay_with_token(self, payment: Payment, means: Means) -> PaymentSnapshot:
        try:
            payment.ids = self.provider.pay_with_token(self.pay_request(payment, means), idempotency_key=new_key())
        except Declined as refused:
            self.declined = refused.decline
        return self.look(payment)

    def capture(self, payment: Payment, *, key: str = "") -> PaymentSnapshot:
        """Send our capture, and look."""
        try:
            payment.ids = self.provider.capture(self.capture_request(payment), idempotency_key=key or new_key())
        except Declined as refused:
            self.declined = refused.decline
        return self.look(payment)

    def pay_request(self, payment: Payment, means: Means = PAYS) -> PayRequest:
        token, proof = self.stand.token(payment, means)
        wanted = payment.request
        return PayRequest(
            ids=payment.ids,
            reference=wanted.reference,
            amount_minor=wanted.amount_minor,
            currency=wanted.currency,
            order_number=wanted.order_number,
            email=wanted.email,
            token=token,
            proof=proof,
        )

    def capture_request(self, payment: Payment) -> CaptureRequest:
        wanted = payment.request
        return CaptureRequest(
            ids=payment.ids,
            reference=wanted.reference,
            amount_minor=wanted.amount_minor,
            currency=wanted.currency,
        )

    def paid(self, *, mature: bool = True) -> tuple[Payment, CaptureSnapshot]:
        """Return a payment that was paid, and its one capture; `mature`: so long ago that any refund is possible."""
        payment = self.start()
        [capture] = self.pay(payment).captures
        if mature:
            self.stand.mature(payment)
        return payment, capture

    # --- after it

    def refund_request(self, payment: Payment, capture: CaptureSnapshot, amount_minor: int) -> RefundRequest:
        return RefundRequest(
            reference="rf_" + os.urandom(20).hex(),
            ids=payment.ids,
            capture_id=capture.capture_id,
            amount_minor=amount_minor,
            currency=capture.currency,
            reason=RefundReason.REQUESTED_BY_CUSTOMER,
        )

    def refund(self, payment: Payment, capture: CaptureSnapshot, amount_minor: int) -> RefundSnapshot:
        """Give money back."""
        request = self.refund_request(payment, capture, amount_minor)
        return self.provider.refund(request, idempotency_key=new_key())

    def seen_refunds(self, payment: Payment) -> dict[str, RefundSnapshot]:
        """Return the refunds that a look tells, by id."""
        return {refund.refund_id: refund for refund in self.look(payment).refunds}

    # --- what is sent to us

    def proved(self, signed: Signed, *, now: datetime | None = None, by: GuardedProvider | None = None) -> Notification:
        """Prove a webhook as the inbox does: inside the request, or else by a worker. Raises NotificationRejected, and
        ProviderError where it stays unverified."""
        provider, moment = by or self.provider, now or datetime.now(UTC)
        try:
            return provider.verify(headers=signed.headers, body=signed.body, now=moment)
        except NotificationUnverified:
            wanted = provider.capabilities.proof_headers
            kept = {name.lower(): value for name, value in signed.headers.items() if name.lower() in wanted}
            return provider.prove(headers=kept, body=signed.body, now=moment)

    def event(self, payment: Payment, **what: Any) -> Signed:
        """Return an event of the payment, signed as the provider would."""
        body = self.stand.event(payment, **what)
        return Signed(headers=self.stand.sign(body), body=body)

    def _need(self, feature: Feature) -> None:
        if reason := why_not(feature, self.stand, self.provider.capabilities):
            pytest.skip(reason)
