"""Disputes at Stripe: what it says of one, and how it is answered (https://docs.stripe.com/disputes/api).

Each function that asks takes the Client of one adapter. Evidence that is staged can be changed; what is submitted goes
to the bank, once.
"""

from __future__ import annotations

from integrations.contract import (
    DisputeMovement,
    DisputeSnapshot,
    EvidenceText,
    EvidenceTexts,
    InvalidRequest,
    MovementKind,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.stripe.answers import answers
from integrations.providers.stripe.client import Client
from integrations.providers.stripe.money import from_stripe

MAX_CHARACTERS = 150_000
"""Of all texts together (https://docs.stripe.com/api/disputes/evidence_object)."""

_MAX_REASON = 60

# warning_* and prevented move no money (PROVIDERS.md, section 4, traps). An inquiry that was answered stays one: it can
# still become a chargeback, or be closed.
_STATUS = {
    "warning_needs_response": "inquiry",
    "warning_under_review": "inquiry",
    "warning_closed": "closed",
    "prevented": "closed",
    "needs_response": "open",
    "under_review": "under_review",
    "won": "won",
    "lost": "lost",
}
_ASKS = frozenset({"warning_needs_response", "needs_response"})

_FIELD: dict[EvidenceText, str] = {text: text.value for text in EvidenceText}
"""Stripe's name of each text: ours were taken from it."""


def snapshot(dispute: Answer) -> DisputeSnapshot:
    """Reduce a dispute to our words. Raises Unavailable where it is not what the API documents."""
    amount_minor, currency = from_stripe(answers.whole(dispute, "amount"), answers.text(dispute, "currency"))
    told = answers.text(dispute, "status")
    status = _STATUS.get(told)
    if status is None:
        raise answers.unreadable(dispute, "status")
    details = answers.inner(dispute, "evidence_details") or {}
    return DisputeSnapshot(
        dispute_id=answers.text(dispute, "id"),
        capture_id=answers.id_of(dispute, "charge"),
        amount_minor=amount_minor,
        currency=currency,
        status=status,
        respond_by=answers.moment_or_none(details, "due_by"),
        opened_at=answers.moment_or_none(dispute, "created"),
        reason=answers.text_or_empty(dispute, "reason")[:_MAX_REASON],
        # The count goes on over an inquiry that becomes a chargeback, which asks anew.
        evidence_submitted=told not in _ASKS and bool(details.get("submission_count")),
        movements=_movements(dispute),
    )


def stage(client: Client, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
    """Store evidence; the bank does not see it yet. Raises InvalidRequest for too much of it, ProviderError."""
    _update(client, dispute_id, texts, submit=False, idempotency_key=idempotency_key)


def submit(client: Client, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
    """Send evidence to the bank: these texts, and what stands staged besides. Raises ProviderError."""
    _update(client, dispute_id, texts, submit=True, idempotency_key=idempotency_key)


def accept(client: Client, dispute_id: str, *, idempotency_key: str) -> None:
    """Close the dispute: it is lost by this. Raises ProviderError."""
    client.ask_about(dispute_id, client.v1.disputes.close, {}, {"idempotency_key": idempotency_key})


def _update(client: Client, dispute_id: str, texts: EvidenceTexts, *, submit: bool, idempotency_key: str) -> None:
    characters = sum(len(text) for text in texts.values())
    if characters > MAX_CHARACTERS:
        raise InvalidRequest(f"evidence can have at most {MAX_CHARACTERS} characters in all", code="evidence")
    if not characters:
        raise InvalidRequest("there is no evidence to send", code="evidence")
    evidence = {_FIELD[EvidenceText(name)]: text for name, text in texts.items()}
    params = {"evidence": evidence, "submit": submit}
    client.ask_about(dispute_id, client.v1.disputes.update, params, {"idempotency_key": idempotency_key})


def _movements(dispute: Answer) -> tuple[DisputeMovement, ...]:
    entries = dispute.get("balance_transactions")
    if entries is None:
        return ()
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise answers.unreadable(dispute, "balance_transactions")
    read = [_movement(entry) for entry in entries]
    return tuple(each for each in read if each.amount_minor or each.fee_minor)  # one that moves nothing says nothing


def _movement(entry: Answer) -> DisputeMovement:
    amount, code = answers.whole(entry, "amount"), answers.text(entry, "currency")
    amount_minor, currency = from_stripe(abs(amount), code)
    fee_minor, _ = from_stripe(answers.whole(entry, "fee"), code)
    entry_id = answers.text(entry, "id")
    return DisputeMovement(
        entry_id=entry_id,
        kind=MovementKind.REINSTATED if amount > 0 else MovementKind.WITHDRAWN,
        amount_minor=amount_minor,
        currency=currency,
        at=answers.moment(entry, "created"),
        fee_minor=fee_minor,
    )
