"""A payment provider in memory, scripted by the test: what it says is what the test made true at it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from integrations.contract import (
    Capabilities,
    CaptureSnapshot,
    Decline,
    DeclineReason,
    DisputeSnapshot,
    InvalidRequest,
    Mode,
    Notification,
    PaymentSnapshot,
    PaymentStatus,
    Presentation,
    ProviderError,
    ProviderIds,
    RefundRequest,
    RefundSnapshot,
    Started,
    StartRequest,
    TrySnapshot,
    Unavailable,
    UnknownObject,
)
from tests.fake_disputes import FakeDisputes
from tests.fake_forms import FakeForms
from tests.fake_lists import FakeLists
from tests.fake_payouts import FakePayouts
from tests.fake_proofs import FakeProofs

MOMENT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass
class Payment:
    """One hosted payment as the provider holds it."""

    request: StartRequest
    page_id: str
    status: PaymentStatus = PaymentStatus.PENDING
    page_open: bool = True
    intent_id: str = ""
    decline: Decline | None = None
    captures: list[CaptureSnapshot] = field(default_factory=list)
    refunds: list[RefundSnapshot] = field(default_factory=list)
    tries: list[TrySnapshot] = field(default_factory=list)
    disputes: list[DisputeSnapshot] = field(default_factory=list)
    overrides: dict[str, Any] = field(default_factory=dict)


class FakeProvider(FakeDisputes, FakeForms, FakeLists, FakeProofs, FakePayouts):
    """Implements integrations.contract.Provider; `calls` records every verb in order."""

    name = "stripe"
    mode = Mode.TEST
    capabilities = Capabilities(
        key_lifetime_seconds=86_400,
        key_max_length=255,
        lookup_settles_after_seconds=0,
        page_lifetime_min_seconds=1_800,
        page_lifetime_max_seconds=86_400,
        currencies=frozenset({"EUR", "USD", "JPY", "KWD"}),
        disputes=True,
        evidence_max_characters=150_000,
        events_backfill_days=30,
        lists_payments=True,
        payouts=True,
        proof_headers=("signature",),
    )

    def __init__(self) -> None:
        super().__init__()
        self.payments: dict[str, Payment] = {}
        self.by_key: dict[str, str] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail_next: list[ProviderError | None] = []
        self.lose_answer_once = False
        self.refund_status = "succeeded"
        self.knows_references = True
        self._number = itertools.count(1)

    # --- the verbs -------------------------------------------------------------------------------------------

    def account(self) -> str:
        return "acct_shop"

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        self._begin("start", idempotency_key)
        if idempotency_key not in self.by_key:
            page_id = f"cs_{next(self._number)}"
            self.payments[page_id] = Payment(request, page_id)
            self.by_key[idempotency_key] = page_id
        self._lose_answer()
        page_id = self.by_key[idempotency_key]
        return Started(
            ids=ProviderIds(page_id=page_id),
            account=self.account(),
            mode=self.mode,
            redirect_url="" if request.presentation is Presentation.EMBEDDED else f"https://pay.test/{page_id}",
            expires_at=request.expires_at,
            raw={"id": page_id},
        )

    def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
        self._begin("fetch", ids.page_id or ids.intent_id)
        payment = self.find(ids)
        if not self.knows(payment):
            raise UnknownObject("no such payment")
        said: dict[str, Any] = {
            "provider": self.name,
            "account": self.account(),
            "mode": self.mode,
            "reference": payment.request.reference,
            "ids": ProviderIds(page_id=payment.page_id, intent_id=payment.intent_id),
            "status": payment.status,
            "amount_minor": payment.request.amount_minor,
            "currency": payment.request.currency,
            "page_open": payment.page_open,
            "page_url": f"https://pay.test/{payment.page_id}",
            "expires_at": payment.request.expires_at,
            "decline": payment.decline,
            "captures": tuple(payment.captures),
            "refunds": tuple(payment.refunds),
            "tries": tuple(payment.tries),
            "disputes": tuple(payment.disputes),
        }
        said.update(payment.overrides)
        raw = {
            "id": payment.page_id,
            "status": said["status"],
            "amount": said["amount_minor"],
            "paid": len(said["captures"]),
            "refunds": [(refund.refund_id, refund.status) for refund in said["refunds"]],
            "disputes": [dispute.status for dispute in said["disputes"]],
        }
        return PaymentSnapshot(**said, raw=raw)

    def close(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        self._begin("close", idempotency_key)
        payment = self.find(ids)
        if payment.page_open:
            payment.page_open = False
            payment.status = PaymentStatus.CANCELLED

    def release(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        self._begin("release", idempotency_key)
        payment = self.find(ids)
        if payment.status is PaymentStatus.AUTHORIZED:
            payment.status = PaymentStatus.CANCELLED

    def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
        self._begin("refund", idempotency_key)
        payment = self.payment_of(request.capture_id)
        if idempotency_key not in self.by_key:
            made = self.refund_at_provider(
                payment,
                amount_minor=request.amount_minor,
                capture_id=request.capture_id,
                status=self.refund_status,
                reference=request.reference if self.knows_references else "",
            )
            self.by_key[idempotency_key] = made.refund_id
        self._lose_answer()
        return next(made for made in payment.refunds if made.refund_id == self.by_key[idempotency_key])

    # --- what the test makes true ----------------------------------------------------------------------------

    def find(self, ids: ProviderIds) -> Payment:
        for payment in self.payments.values():
            if ids.page_id and ids.page_id == payment.page_id:
                return payment
            if not ids.page_id and ids.intent_id and ids.intent_id == payment.intent_id:
                return payment
        raise UnknownObject("no such payment")

    def the_payment(self) -> Payment:
        """Return the one payment there is."""
        (payment,) = self.payments.values()
        return payment

    def pay(self, payment: Payment, *, amount_minor: int | None = None, currency: str | None = None) -> CaptureSnapshot:
        """Let the shopper pay: money moves, whatever state the page is in."""
        capture = CaptureSnapshot(
            capture_id=f"ch_{next(self._number)}",
            amount_minor=payment.request.amount_minor if amount_minor is None else amount_minor,
            currency=payment.request.currency if currency is None else currency,
            captured_at=MOMENT,
            fee_minor=59,
            intent_id=payment.intent_id or f"pi_{payment.page_id}",
        )
        payment.intent_id = payment.intent_id or f"pi_{payment.page_id}"
        payment.captures.append(capture)
        payment.tries.append(self._try(None, card="card-1"))
        payment.status, payment.page_open, payment.decline = PaymentStatus.PAID, False, None
        return capture

    def second_intent(self, payment: Payment) -> Payment:
        """Let money move on another intent that carries the same reference; no page names it."""
        number = next(self._number)
        second = Payment(payment.request, page_id="", intent_id=f"pi_second_{number}")
        self.payments[second.intent_id] = second
        self.pay(second)
        return second

    def payment_of(self, capture_id: str) -> Payment:
        """Return the payment that holds this capture."""
        for payment in self.payments.values():
            if any(capture.capture_id == capture_id for capture in payment.captures):
                return payment
        raise UnknownObject("no such capture")

    def refund_at_provider(
        self,
        payment: Payment,
        *,
        amount_minor: int | None = None,
        capture_id: str = "",
        status: str = "succeeded",
        reference: str = "",
    ) -> RefundSnapshot:
        """Let money of a capture (the first, unless named) go back; what is left of it, unless an amount is given."""
        capture = next(one for one in payment.captures if capture_id in ("", one.capture_id))
        gone = sum(
            refund.amount_minor
            for refund in payment.refunds
            if refund.capture_id == capture.capture_id and refund.status != "failed"
        )
        amount = capture.amount_minor - gone if amount_minor is None else amount_minor
        if amount <= 0 or gone + amount > capture.amount_minor:
            raise InvalidRequest("more than is left of it", code="charge_already_refunded")
        refund = RefundSnapshot(
            refund_id=f"re_{next(self._number)}",
            capture_id=capture.capture_id,
            amount_minor=amount,
            currency=capture.currency,
            status=status,
            reference=reference,
        )
        payment.refunds.append(refund)
        return refund

    def decide_refund(self, refund_id: str, status: str, *, why: str = "") -> None:
        """Let a refund succeed or fail, whatever it was before."""
        for payment in self.payments.values():
            payment.refunds = [
                replace(refund, status=status, failure_reason=why) if refund.refund_id == refund_id else refund
                for refund in payment.refunds
            ]

    def refuse_card(
        self, payment: Payment, reason: DeclineReason = DeclineReason.INSUFFICIENT_FUNDS, *, card: str = "card-1"
    ) -> None:
        """Let the bank decline; the page stays open. `card`: which one the shopper gave."""
        payment.intent_id = payment.intent_id or f"pi_{payment.page_id}"
        payment.decline = Decline(reason=reason, provider_code=reason)
        payment.tries.append(self._try(payment.decline, card=card))

    def ask_for_action(self, payment: Payment) -> None:
        payment.intent_id = payment.intent_id or f"pi_{payment.page_id}"
        payment.status = PaymentStatus.REQUIRES_ACTION

    def process(self, payment: Payment) -> None:
        """Let the shopper choose a bank debit that takes days."""
        payment.intent_id = payment.intent_id or f"pi_{payment.page_id}"
        payment.status, payment.page_open = PaymentStatus.PENDING, False

    def authorize(self, payment: Payment) -> None:
        """The money is reserved and not captured."""
        payment.status, payment.page_open = PaymentStatus.AUTHORIZED, False

    def fail(self, payment: Payment) -> None:
        payment.status, payment.page_open = PaymentStatus.FAILED, False

    def expire(self, payment: Payment) -> None:
        payment.status, payment.page_open = PaymentStatus.CANCELLED, False

    def notification(self, event_id: str, type: str = "checkout.session.completed", **changes: Any) -> Notification:
        """Build a verified hint; `changes` override any field."""
        told: dict[str, Any] = {
            "provider": self.name,
            "event_id": event_id,
            "type": type,
            "mode": self.mode,
            "account": "",
            "created_at": MOMENT,
            "object_ids": (),
            "ids": ProviderIds(),
            "reference": "",
            "relevant": True,
        }
        if "ids" in changes and isinstance(changes["ids"], dict):
            changes["ids"] = ProviderIds(**changes["ids"])
        told.update(changes)
        return Notification(**told)

    def _try(self, decline: Decline | None, *, card: str) -> TrySnapshot:
        return TrySnapshot(
            try_id=f"try_{next(self._number)}",
            at=MOMENT,
            succeeded=decline is None,
            decline=decline,
            method="card",
            fingerprint=card,
        )

    def _lose_answer(self) -> None:
        if self.lose_answer_once:
            self.lose_answer_once = False
            raise Unavailable("the answer was lost")

    def _begin(self, verb: str, what: str) -> None:
        self.calls.append((verb, what))
        if self.fail_next and (error := self.fail_next.pop(0)) is not None:
            raise error
