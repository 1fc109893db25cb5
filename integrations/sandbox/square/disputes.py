"""Disputes and their evidence. https://developer.squareup.com/docs/disputes-api/overview.

The bank decides when the control API says so.
"""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.square import errors, events, orders, paging
from integrations.sandbox.square.schema import Field, Text
from integrations.sandbox.square.scope import Scope, new_id, written
from integrations.sandbox.wire import Json

DAY_SECONDS = 24 * 3600
DUE_AFTER_DAYS = 14
PAGE = 50
REASONS = ("AMOUNT_DIFFERS", "CANCELLED", "DUPLICATE", "NO_KNOWLEDGE", "NOT_AS_DESCRIBED", "NOT_RECEIVED",
           "PAID_BY_OTHER_MEANS", "CUSTOMER_REQUESTS_CREDIT", "EMV_LIABILITY_SHIFT")  # fmt: skip
STATES = ("INQUIRY_EVIDENCE_REQUIRED", "INQUIRY_PROCESSING", "INQUIRY_CLOSED", "EVIDENCE_REQUIRED", "PROCESSING", "WON",
          "LOST", "ACCEPTED")  # fmt: skip
ANSWERED = {"EVIDENCE_REQUIRED": "PROCESSING", "INQUIRY_EVIDENCE_REQUIRED": "INQUIRY_PROCESSING"}
MOVES = {
    "INQUIRY_EVIDENCE_REQUIRED": ("INQUIRY_PROCESSING", "INQUIRY_CLOSED", "EVIDENCE_REQUIRED"),
    "INQUIRY_PROCESSING": ("INQUIRY_CLOSED", "EVIDENCE_REQUIRED"),
    "EVIDENCE_REQUIRED": ("PROCESSING", "WON", "LOST", "ACCEPTED"),
    "PROCESSING": ("WON", "LOST", "EVIDENCE_REQUIRED"),
}
EVIDENCE_TYPES = ("GENERIC_EVIDENCE", "ONLINE_OR_APP_ACCESS_LOG", "AUTHORIZATION_DOCUMENTATION",
                  "CANCELLATION_OR_REFUND_DOCUMENTATION", "CARDHOLDER_COMMUNICATION", "CARDHOLDER_INFORMATION",
                  "PURCHASE_ACKNOWLEDGEMENT", "DUPLICATE_CHARGE_DOCUMENTATION", "PRODUCT_OR_SERVICE_DESCRIPTION",
                  "RECEIPT", "SERVICE_RECEIVED_DOCUMENTATION", "PROOF_OF_DELIVERY_DOCUMENTATION",
                  "RELATED_TRANSACTION_DOCUMENTATION", "REBUTTAL_EXPLANATION", "TRACKING_NUMBER")  # fmt: skip
TEXT: dict[str, Field] = {
    "idempotency_key": Text(required=True, limit=45),
    "evidence_type": Text(choices=EVIDENCE_TYPES),
    "evidence_text": Text(required=True, limit=500),
}
LIST: dict[str, Field] = {"cursor": Text(), "states": Text(choices=STATES), "location_id": Text(limit=40)}
EVIDENCE_LIST: dict[str, Field] = {"cursor": Text()}


def create(scope: Scope, payment: Stored, *, reason: str, inquiry: bool, amount: int | None) -> Stored:
    """The cardholder's bank disputes `amount` minor units of a payment, all of it by default. Raises ApiError."""
    if payment.data["status"] != "COMPLETED":
        raise errors.refused(f"Payment {payment.id} took no money: there is nothing to dispute.")
    if reason not in REASONS:
        raise errors.invalid("reason", f"reason must be one of {', '.join(REASONS)}")
    total = payment.data["total_money"]["amount"]
    amount = total if amount is None else amount
    if not 1 <= amount <= total:
        raise errors.invalid("amount", f"amount must be between 1 and {total}")
    dispute_id = new_id(22)
    dispute = scope.insert(
        "dispute",
        {
            "id": dispute_id,
            "dispute_id": dispute_id,
            "amount_money": orders.money(scope, amount),
            "reason": reason,
            "state": "INQUIRY_EVIDENCE_REQUIRED" if inquiry else "EVIDENCE_REQUIRED",
            "due_at": written(scope.now + DUE_AFTER_DAYS * DAY_SECONDS),
            "disputed_payment": {"payment_id": payment.id},
            "evidence_ids": [],
            "card_brand": payment.data["card_details"]["card"]["card_brand"],
            "created_at": scope.stamp,
            "updated_at": scope.stamp,
            "reported_at": scope.stamp,
            "brand_dispute_id": new_id(22),
            "version": 1,
            "location_id": payment.data["location_id"],
        },
        payment=payment.id,
    )
    events.emit(scope, "dispute.created", "dispute", dispute.data)
    return dispute


def move(scope: Scope, dispute: Stored, *, state: str) -> Stored:
    """What the bank, or the control API, does to a dispute. Raises ApiError for a step that MOVES does not know."""
    current = dispute.data["state"]
    if state not in MOVES.get(current, ()):
        possible = ", ".join(MOVES.get(current, ())) or "nothing else"
        raise errors.refused(f"Dispute {dispute.id} is {current}: it can become {possible}.")
    if state == "EVIDENCE_REQUIRED":
        # An inquiry that becomes a chargeback asks anew.
        dispute.data["due_at"] = written(scope.now + DUE_AFTER_DAYS * DAY_SECONDS)
    dispute.data["state"] = state
    dispute.data["version"] += 1
    scope.save(dispute)
    events.emit(scope, "dispute.state.updated", "dispute", dispute.data)
    return dispute


def listing(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """GET /v2/disputes."""
    found = [
        stored
        for stored in scope.every("dispute")
        if values.get("states", stored.data["state"]) == stored.data["state"]
        and values.get("location_id", stored.data["location_id"]) == stored.data["location_id"]
    ]
    page, cursor = paging.page(scope, found, {**values, "limit": PAGE}, query={**values, "cursor": None})
    return ({"disputes": [stored.data for stored in page]} if page else {}) | ({"cursor": cursor} if cursor else {})


def retrieve(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """GET /v2/disputes/{id}."""
    return {"dispute": scope.get("dispute", ids[0]).data}


def accept(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """POST /v2/disputes/{id}/accept."""
    dispute = scope.get("dispute", ids[0])
    _check_waits(dispute)
    to = "ACCEPTED" if dispute.data["state"] == "EVIDENCE_REQUIRED" else "INQUIRY_CLOSED"
    return {"dispute": move(scope, dispute, state=to).data}


def add_text(scope: Scope, values: Json, ids: tuple[str, ...]) -> Json:
    """POST /v2/disputes/{id}/evidence-text."""
    dispute = scope.get("dispute", ids[0])
    _check_waits(dispute)
    evidence_id = new_id(22)
    evidence = scope.insert(
        "evidence",
        {
            "id": evidence_id,
            "evidence_id": evidence_id,
            "dispute_id": dispute.id,
            "evidence_text": values["evidence_text"],
            "evidence_type": values.get("evidence_type", "GENERIC_EVIDENCE"),
            "uploaded_at": scope.stamp,
        },
        dispute=dispute.id,
    )
    dispute.data["evidence_ids"] = [*dispute.data["evidence_ids"], evidence.id]
    scope.save(dispute)
    events.emit(scope, "dispute.evidence.created", "dispute", dispute.data)
    return {"evidence": evidence.data}


def list_evidence(scope: Scope, values: Json, ids: tuple[str, ...]) -> Json:
    """GET /v2/disputes/{id}/evidence."""
    dispute = scope.get("dispute", ids[0])
    held = [scope.get("evidence", evidence_id) for evidence_id in dispute.data["evidence_ids"]]
    page, cursor = paging.page(scope, held, values, query={"of": dispute.id})
    return {"evidence": [stored.data for stored in page]} | ({"cursor": cursor} if cursor else {})


def delete_evidence(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """DELETE /v2/disputes/{id}/evidence/{id}; only before it was submitted."""
    dispute = scope.get("dispute", ids[0])
    _check_waits(dispute)
    if ids[1] not in dispute.data["evidence_ids"]:
        raise errors.not_found("evidence", ids[1])
    dispute.data["evidence_ids"] = [each for each in dispute.data["evidence_ids"] if each != ids[1]]
    scope.save(dispute)
    events.emit(scope, "dispute.evidence.deleted", "dispute", dispute.data)
    return {}


def submit(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """POST /v2/disputes/{id}/submit-evidence."""
    dispute = scope.get("dispute", ids[0])
    _check_waits(dispute)
    if not dispute.data["evidence_ids"]:
        raise errors.refused("There is no evidence to submit.")
    return {"dispute": move(scope, dispute, state=ANSWERED[dispute.data["state"]]).data}


def _check_waits(dispute: Stored) -> None:
    if dispute.data["state"] not in ANSWERED:
        raise errors.refused(f"The dispute is {dispute.data['state']}: it takes no evidence and cannot be accepted.")
