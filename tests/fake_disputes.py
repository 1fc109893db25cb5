"""Disputes at the provider in memory: what the cardholder's bank does, and the verbs that answer it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from integrations.contract import (
    CaptureSnapshot,
    DisputeMovement,
    DisputeSnapshot,
    EvidenceText,
    EvidenceTexts,
    InvalidRequest,
    MovementKind,
    UnknownObject,
)

OPENED = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
RESPOND_BY = OPENED + timedelta(days=8)
FEE_MINOR = 1500


class Disputable(Protocol):
    """A payment of the fake provider."""

    captures: list[CaptureSnapshot]
    disputes: list[DisputeSnapshot]


@dataclass
class Evidence:
    """What the provider holds for one dispute; `submitted`: how often it went to the bank."""

    texts: dict[EvidenceText, str] = field(default_factory=dict)
    submitted: int = 0
    keys: set[str] = field(default_factory=set)


class FakeDisputes:
    """The part of FakeProvider that disputes are about. `_begin` notes each verb and raises what the test scripted."""

    payments: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self.evidence: dict[str, Evidence] = {}
        self._entries = itertools.count(1)

    # --- the verbs -------------------------------------------------------------------------------------------

    def stage_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        self._begin("stage_evidence", idempotency_key)
        evidence = self._evidence(dispute_id)
        if idempotency_key in evidence.keys:
            return
        if evidence.submitted:
            raise InvalidRequest("evidence has already been submitted")
        evidence.texts.update(texts)
        evidence.keys.add(idempotency_key)

    def submit_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        self._begin("submit_evidence", idempotency_key)
        evidence = self._evidence(dispute_id)
        if idempotency_key not in evidence.keys:
            if evidence.submitted:
                raise InvalidRequest("evidence has already been submitted")
            evidence.texts.update(texts)
            evidence.submitted += 1
            evidence.keys.add(idempotency_key)
            status = self.the_dispute(dispute_id).status
            self.change(dispute_id, status="under_review" if status == "open" else status, evidence_submitted=True)
        self._lose_answer()

    def accept_dispute(self, dispute_id: str, *, idempotency_key: str) -> None:
        self._begin("accept_dispute", idempotency_key)
        evidence = self._evidence(dispute_id)
        if idempotency_key not in evidence.keys:
            if self.the_dispute(dispute_id).status != "open":
                raise InvalidRequest("only an open dispute can be closed")
            evidence.keys.add(idempotency_key)
            self.change(dispute_id, status="lost")
        self._lose_answer()

    # --- what the test makes true ----------------------------------------------------------------------------

    def dispute(
        self,
        payment: Disputable,
        *,
        reason: str = "product_not_received",
        inquiry: bool = False,
        amount_minor: int | None = None,
    ) -> str:
        """Let the bank dispute the payment's first capture; return the dispute's id."""
        capture = payment.captures[0]
        dispute_id = f"du_{next(self._entries)}"
        payment.disputes.append(
            DisputeSnapshot(
                dispute_id=dispute_id,
                capture_id=capture.capture_id,
                amount_minor=capture.amount_minor if amount_minor is None else amount_minor,
                currency=capture.currency,
                status="inquiry" if inquiry else "open",
                respond_by=RESPOND_BY,
                opened_at=OPENED,
                reason=reason,
            )
        )
        self.evidence[dispute_id] = Evidence()
        if not inquiry:
            self.move_money(dispute_id, MovementKind.WITHDRAWN)
        return dispute_id

    def decide(self, dispute_id: str, status: str, *, money: bool = True) -> None:
        """Let the bank decide; a win gives money and fee back, an escalation takes them."""
        self.change(dispute_id, status=status)
        if status == "open":  # an inquiry becomes a chargeback: the bank asks anew
            self.change(dispute_id, evidence_submitted=False, respond_by=RESPOND_BY + timedelta(days=20))
            self._evidence(dispute_id).submitted = 0
        if money and status == "won":
            self.move_money(dispute_id, MovementKind.REINSTATED)
        if money and status == "open":
            self.move_money(dispute_id, MovementKind.WITHDRAWN)

    def move_money(
        self, dispute_id: str, kind: MovementKind, *, amount_minor: int | None = None, fee_minor: int = FEE_MINOR
    ) -> None:
        """Write one entry of the provider's balance."""
        dispute = self.the_dispute(dispute_id)
        entry = DisputeMovement(
            entry_id=f"txn_{next(self._entries)}",
            kind=kind,
            amount_minor=dispute.amount_minor if amount_minor is None else amount_minor,
            fee_minor=fee_minor if kind is MovementKind.WITHDRAWN else -fee_minor,
            currency=dispute.currency,
            at=OPENED,
        )
        self.change(dispute_id, movements=(*dispute.movements, entry))

    def the_dispute(self, dispute_id: str) -> DisputeSnapshot:
        """Return what the provider says of it now."""
        return next(each for each in self._among(dispute_id) if each.dispute_id == dispute_id)

    def change(self, dispute_id: str, **changes: Any) -> None:
        """Make other things true of a dispute."""
        disputes = self._among(dispute_id)
        number = disputes.index(self.the_dispute(dispute_id))
        disputes[number] = replace(disputes[number], **changes)

    def _among(self, dispute_id: str) -> list[DisputeSnapshot]:
        for payment in self.payments.values():
            if any(each.dispute_id == dispute_id for each in payment.disputes):
                return payment.disputes  # type: ignore[no-any-return]
        raise UnknownObject("no such dispute")

    def _evidence(self, dispute_id: str) -> Evidence:
        self.the_dispute(dispute_id)
        return self.evidence[dispute_id]

    def _begin(self, verb: str, what: str) -> None:
        raise NotImplementedError

    def _lose_answer(self) -> None:
        raise NotImplementedError
