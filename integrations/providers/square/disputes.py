"""Disputes at Square: what it says of one, and how it is answered.

https://developer.squareup.com/docs/disputes-api/overview. Square tells no balance entries with a dispute; what moved
follows from its state. Evidence is one text of at most 500 characters a kind; what is submitted goes to the bank, once.
"""

from __future__ import annotations

import hashlib

from integrations.contract import (
    DisputeMovement,
    DisputeSnapshot,
    EvidenceText,
    EvidenceTexts,
    InvalidRequest,
    MovementKind,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.square.answers import answers
from integrations.providers.square.client import Client, checked
from integrations.providers.square.money import from_square

MAX_CHARACTERS = 500
"""Of one kind of evidence, so of all texts together where they are of one kind."""
_MAX_KEY = 45
_MAX_REASON = 60

# INQUIRY_* move no money (PROVIDERS.md, section 4, traps).
_STATUS = {
    "INQUIRY_EVIDENCE_REQUIRED": "inquiry",
    "INQUIRY_PROCESSING": "inquiry",
    "INQUIRY_CLOSED": "closed",
    "EVIDENCE_REQUIRED": "open",
    "PROCESSING": "under_review",
    "WON": "won",
    "LOST": "lost",
    "ACCEPTED": "lost",
}
_ASKS = frozenset({"INQUIRY_EVIDENCE_REQUIRED", "EVIDENCE_REQUIRED"})
_MOVED = frozenset({"open", "under_review", "won", "lost"})

_KIND = {
    EvidenceText.CUSTOMER_EMAIL: "CARDHOLDER_INFORMATION",
    EvidenceText.PRODUCT_DESCRIPTION: "PRODUCT_OR_SERVICE_DESCRIPTION",
    EvidenceText.SERVICE_DATE: "SERVICE_RECEIVED_DOCUMENTATION",
    EvidenceText.SHIPPING_CARRIER: "PROOF_OF_DELIVERY_DOCUMENTATION",
    EvidenceText.SHIPPING_TRACKING_NUMBER: "TRACKING_NUMBER",
    EvidenceText.SHIPPING_DATE: "PROOF_OF_DELIVERY_DOCUMENTATION",
    EvidenceText.SHIPPING_ADDRESS: "PROOF_OF_DELIVERY_DOCUMENTATION",
    EvidenceText.REFUND_POLICY: "CANCELLATION_OR_REFUND_DOCUMENTATION",
    EvidenceText.REFUND_REFUSAL: "REBUTTAL_EXPLANATION",
    EvidenceText.CANCELLATION_REBUTTAL: "REBUTTAL_EXPLANATION",
    EvidenceText.DUPLICATE_EXPLANATION: "DUPLICATE_CHARGE_DOCUMENTATION",
    EvidenceText.STATEMENT: "GENERIC_EVIDENCE",
}


def snapshot(dispute: Answer) -> DisputeSnapshot:
    """Reduce a dispute to our words. Raises Unavailable where it is not what the API documents."""
    amount_minor, currency = from_square(dispute, "amount_money")
    told = answers.text(dispute, "state")
    status = _STATUS.get(told)
    if status is None:
        raise answers.unreadable(dispute, "state")
    return DisputeSnapshot(
        dispute_id=dispute_id(dispute),
        capture_id=answers.text(answers.required(dispute, "disputed_payment"), "payment_id"),
        amount_minor=amount_minor,
        currency=currency,
        status=status,
        respond_by=answers.moment_or_none(dispute, "due_at"),
        opened_at=answers.moment_or_none(dispute, "created_at"),
        reason=answers.text_or_empty(dispute, "reason").lower()[:_MAX_REASON],
        evidence_submitted=told not in _ASKS and bool(answers.texts(dispute, "evidence_ids")),
        movements=_movements(dispute, status, amount_minor, currency),
    )


def dispute_id(dispute: Answer) -> str:
    """Return a dispute's id; older versions of the API call it `dispute_id`."""
    return answers.text_or_empty(dispute, "id") or answers.text(dispute, "dispute_id")


def entry_id(of_dispute: str, kind: MovementKind) -> str:
    """Return our name of the balance entry by which a dispute moved money: Square gives it one in payouts only."""
    return f"{of_dispute}:{kind}"


def _movements(dispute: Answer, status: str, amount_minor: int, currency: str) -> tuple[DisputeMovement, ...]:
    if status not in _MOVED:
        return ()
    moved = [(MovementKind.WITHDRAWN, "created_at")]
    if status == "won":
        moved.append((MovementKind.REINSTATED, "updated_at"))
    return tuple(
        DisputeMovement(
            entry_id=entry_id(dispute_id(dispute), kind),
            kind=kind,
            amount_minor=amount_minor,
            currency=currency,
            at=answers.moment(dispute, when),
        )
        for kind, when in moved
    )


def stage(client: Client, of_dispute: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
    """Upload evidence; the bank does not see it yet. What stands there of the same kind is replaced.

    Raises InvalidRequest for too much of it, UnknownObject, ProviderError.
    """
    wanted = _by_kind(texts)
    if not wanted:
        raise InvalidRequest("there is no evidence to send", code="evidence")
    if any(len(text) > MAX_CHARACTERS for text in wanted.values()):
        raise InvalidRequest(f"Square takes {MAX_CHARACTERS} characters of one kind of evidence", code="evidence")
    held = client.all_of(client.sdk.disputes.evidence.list, "evidence", dispute_id=checked(of_dispute))
    for kind, text in wanted.items():
        _replace(client, of_dispute, kind, text, held, idempotency_key=idempotency_key)


def submit(client: Client, of_dispute: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
    """Send evidence to the bank: these texts, and what stands uploaded besides. Raises ProviderError."""
    stage(client, of_dispute, texts, idempotency_key=idempotency_key)
    client.ask(client.sdk.disputes.submit_evidence, dispute_id=checked(of_dispute))


def accept(client: Client, of_dispute: str) -> None:
    """Accept the dispute: the money is given up. Raises ProviderError."""
    client.ask(client.sdk.disputes.accept, dispute_id=checked(of_dispute))


def _by_kind(texts: EvidenceTexts) -> dict[str, str]:
    """Return the texts by Square's kind; several of one kind become one, each under its name."""
    of_kind: dict[str, list[tuple[str, str]]] = {}
    for name, text in sorted(texts.items()):
        if text:
            of_kind.setdefault(_KIND[EvidenceText(name)], []).append((EvidenceText(name).value, text))
    return {
        kind: told[0][1] if len(told) == 1 else "\n".join(f"{name.replace('_', ' ')}: {text}" for name, text in told)
        for kind, told in of_kind.items()
    }


def _replace(
    client: Client, of_dispute: str, kind: str, text: str, held: list[Answer], *, idempotency_key: str
) -> None:
    of_kind = [told for told in held if told.get("evidence_type") == kind]
    if any(told.get("evidence_text") == text for told in of_kind):
        return  # uploaded by an earlier try
    for told in of_kind:
        evidence_id = checked(answers.text_or_empty(told, "id") or answers.text(told, "evidence_id"))
        client.ask(client.sdk.disputes.evidence.delete, dispute_id=checked(of_dispute), evidence_id=evidence_id)
    client.ask(
        client.sdk.disputes.create_evidence_text,
        dispute_id=checked(of_dispute),
        idempotency_key=hashlib.sha256(f"{idempotency_key}:{kind}:{text}".encode()).hexdigest()[:_MAX_KEY],
        evidence_text=text,
        evidence_type=kind,
    )
