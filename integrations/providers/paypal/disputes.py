"""Disputes at PayPal: what it says of one, and how it is answered. The SDK has none of it.

https://developer.paypal.com/docs/api/customer-disputes/v1/. There is nothing to stage: evidence goes out when it is
given, in notes of 2,000 characters each.
"""

from __future__ import annotations

import json
from typing import Any

import structlog

from integrations.contract import (
    ConfigurationError,
    DisputeMovement,
    DisputeSnapshot,
    EvidenceText,
    EvidenceTexts,
    InvalidRequest,
    MovementKind,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.paypal.answers import answers
from integrations.providers.paypal.client import Client, checked

PATH = "/v1/customer/disputes"
NOTE_CHARACTERS = 2000
MAX_CHARACTERS = 20_000
MAX_LISTED = 50
_MAX_REASON = 60

_OUTCOME = {
    "RESOLVED_BUYER_FAVOUR": "lost",
    "RESOLVED_WITH_PAYOUT": "won",
    "RESOLVED_SELLER_FAVOUR": "won",
    "CANCELED_BY_BUYER": "won",
    "ACCEPTED": "lost",
    "DENIED": "won",
}
_STATUS = {
    "OPEN": "open",
    "WAITING_FOR_BUYER_RESPONSE": "under_review",
    "WAITING_FOR_SELLER_RESPONSE": "open",
    "UNDER_REVIEW": "under_review",
    "OTHER": "under_review",
}
# An inquiry moves no money, and can still become a claim or be closed (DESIGN.md, the dispute machine).
_INQUIRY = "INQUIRY"

_TYPE: dict[EvidenceText, str] = {
    EvidenceText.CUSTOMER_EMAIL: "DETAILS_OF_PURCHASE",
    EvidenceText.PRODUCT_DESCRIPTION: "ITEM_DESCRIPTION",
    EvidenceText.SERVICE_DATE: "DETAILS_OF_PURCHASE",
    EvidenceText.SHIPPING_DATE: "PROOF_OF_FULFILLMENT",
    EvidenceText.SHIPPING_ADDRESS: "DELIVERY_ADDRESS",
    EvidenceText.REFUND_POLICY: "RETURN_POLICY",
    EvidenceText.REFUND_REFUSAL: "MERCHANT_RESPONSE",
    EvidenceText.CANCELLATION_REBUTTAL: "MERCHANT_RESPONSE",
    EvidenceText.DUPLICATE_EXPLANATION: "MERCHANT_RESPONSE",
    EvidenceText.STATEMENT: "OTHER",
}
_TRACKING = (EvidenceText.SHIPPING_CARRIER, EvidenceText.SHIPPING_TRACKING_NUMBER)

log = structlog.get_logger(__name__)


def of_captures(client: Client, capture_ids: list[str]) -> list[dict[str, Any]]:
    """Return the disputes of these captures, whole. Without the app's right to see disputes there are none to tell.

    Raises ProviderError, Unavailable where there are more than we read.
    """
    found: list[dict[str, Any]] = []
    for capture_id in capture_ids:
        query = {"disputed_transaction_id": checked(capture_id), "page_size": str(MAX_LISTED)}
        try:
            listed = answers.items(client.get(PATH, query), "items")
        except ConfigurationError as error:
            if error.http_status != 403:
                raise
            log.warning("paypal_disputes_not_permitted", code=error.code)
            return []
        found += [client.get(f"{PATH}/{checked(answers.text(each, 'dispute_id'))}") for each in listed]
    return found


def snapshot(dispute: Answer) -> DisputeSnapshot:
    """Reduce a dispute to our words. Raises Unavailable where it is not what the API documents."""
    amount_minor, currency = answers.money(dispute, "dispute_amount")
    disputed = answers.items(dispute, "disputed_transactions")
    if not disputed:
        raise answers.unreadable(dispute, "disputed_transactions")
    told = answers.text(dispute, "status")
    return DisputeSnapshot(
        dispute_id=answers.text(dispute, "dispute_id"),
        capture_id=answers.text(disputed[0], "seller_transaction_id"),
        amount_minor=amount_minor,
        currency=currency,
        status=_status(dispute, told),
        respond_by=answers.moment_or_none(dispute, "seller_response_due_date"),
        opened_at=answers.moment_or_none(dispute, "create_time"),
        reason=answers.text_or_empty(dispute, "reason")[:_MAX_REASON],
        evidence_submitted=told in ("UNDER_REVIEW", "WAITING_FOR_BUYER_RESPONSE") and _has_ours(dispute),
        movements=_movements(dispute),
    )


def _status(dispute: Answer, told: str) -> str:
    inquiry = dispute.get("dispute_life_cycle_stage") == _INQUIRY
    if told == "RESOLVED":
        code = answers.text_or_empty(answers.inner(dispute, "dispute_outcome"), "outcome_code")
        if code and code not in _OUTCOME and code != "NONE":
            raise answers.unreadable(dispute, "dispute_outcome")
        ended = _OUTCOME.get(code) or _by_money(dispute)
        return "closed" if inquiry and ended == "won" else ended
    if told not in _STATUS:
        raise answers.unreadable(dispute, "status")
    return "inquiry" if inquiry else _STATUS[told]


def _by_money(dispute: Answer) -> str:
    """Return how a dispute ended that PayPal gives no outcome for: lost is what kept money of ours."""
    moved = _movements(dispute)
    kept = sum(one.amount_minor if one.kind is MovementKind.WITHDRAWN else -one.amount_minor for one in moved)
    return "lost" if kept > 0 else "won"


def _has_ours(dispute: Answer) -> bool:
    return any(each.get("source") == "SUBMITTED_BY_SELLER" for each in answers.items(dispute, "evidences"))


def _movements(dispute: Answer) -> tuple[DisputeMovement, ...]:
    """Return what moved on our balance. PayPal gives its movements no ids, and never takes one back: they count."""
    dispute_id = answers.text(dispute, "dispute_id")
    moved = []
    for number, each in enumerate(answers.items(dispute, "money_movements"), start=1):
        if each.get("affected_party") != "SELLER":
            continue
        amount_minor, currency = answers.money(each, "amount")
        direction = answers.text(each, "type")
        if direction not in ("DEBIT", "CREDIT"):
            raise answers.unreadable(dispute, "money_movements")
        kind = MovementKind.WITHDRAWN if direction == "DEBIT" else MovementKind.REINSTATED
        moved.append(
            DisputeMovement(
                entry_id=f"{dispute_id}/{number}",
                kind=kind,
                amount_minor=abs(amount_minor),
                currency=currency,
                at=answers.moment(each, "initiated_time"),
            )
        )
    return tuple(moved)


def stage(client: Client, dispute_id: str, texts: EvidenceTexts) -> None:
    """Send nothing: PayPal has no draft. What is staged stays with us, and `submit` sends all of it.

    Raises InvalidRequest for too much or none of it, UnknownObject, ProviderError.
    """
    _check(texts)
    client.get(f"{PATH}/{checked(dispute_id)}")


def _check(texts: EvidenceTexts) -> None:
    characters = sum(len(text) for text in texts.values())
    if characters > MAX_CHARACTERS:
        raise InvalidRequest(f"evidence can have at most {MAX_CHARACTERS} characters in all", code="evidence")
    if not characters:
        raise InvalidRequest("there is no evidence to send", code="evidence")


def submit(client: Client, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
    """Send evidence to PayPal. Raises InvalidRequest for too much or none of it, ProviderError."""
    _check(texts)
    body = json.dumps({"evidences": _evidences(texts)}).encode()
    client.post(f"{PATH}/{checked(dispute_id)}/provide-evidence", body, key=idempotency_key)


def accept(client: Client, dispute_id: str, *, idempotency_key: str) -> None:
    """Give the money up: the dispute is lost by this. Raises ProviderError."""
    body = json.dumps({"note": "Accepted by the shop."}).encode()
    client.post(f"{PATH}/{checked(dispute_id)}/accept-claim", body, key=idempotency_key)


def _evidences(texts: EvidenceTexts) -> list[dict[str, Any]]:
    given = {EvidenceText(name): text for name, text in texts.items() if text}
    evidences: list[dict[str, Any]] = [
        {"evidence_type": _TYPE[name], "notes": text[begin : begin + NOTE_CHARACTERS]}
        for name, text in given.items()
        if name not in _TRACKING
        for begin in range(0, len(text), NOTE_CHARACTERS)
    ]
    carrier, number = (given.get(name, "") for name in _TRACKING)
    if number:
        tracking = {"carrier_name": "OTHER", "tracking_number": number[:255]}
        tracking |= {"carrier_name_other": carrier[:2000]} if carrier else {}
        evidences.append({"evidence_type": "PROOF_OF_FULFILLMENT", "evidence_info": {"tracking_info": [tracking]}})
    elif carrier:
        evidences.append({"evidence_type": "PROOF_OF_FULFILLMENT", "notes": carrier[:NOTE_CHARACTERS]})
    return evidences
