"""Disputes: what a cardholder's bank claims back, the evidence against it, and how the bank decides.

https://docs.stripe.com/disputes/how-disputes-work. The bank decides when the control API says so, or at once where the
evidence is one of Stripe's test texts (https://docs.stripe.com/testing#evidence).
"""

from __future__ import annotations

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe import balance, errors, events, payment_methods
from integrations.sandbox.stripe.schema import EXPAND, Field, Flag, Hash, Metadata, Text
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Json

DAY_SECONDS = 24 * 3600
#: Evidence is due at the end of the eighth day (UTC) after the dispute.
DUE_AFTER_DAYS = 8
FEE_MINOR = 1500
EVIDENCE_MAX_CHARACTERS = 150_000

REASONS = (
    "bank_cannot_process", "check_returned", "credit_not_processed", "customer_initiated", "debit_not_authorized",
    "duplicate", "fraudulent", "general", "incorrect_account_details", "insufficient_funds", "noncompliant",
    "product_not_received", "product_unacceptable", "subscription_canceled", "unrecognized",
)  # fmt: skip
#: What the bank can do next. A status that is missing here is final.
MOVES = {
    "needs_response": ("under_review", "won", "lost"),
    "under_review": ("won", "lost"),
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response"),
    "warning_under_review": ("warning_closed", "needs_response"),
}
FINAL = ("won", "lost", "warning_closed")
_ANSWERED = {"needs_response": "under_review", "warning_needs_response": "warning_under_review"}
_OUTCOMES = {
    ("under_review", "winning_evidence"): "won",
    ("under_review", "losing_evidence"): "lost",
    ("warning_under_review", "losing_evidence"): "warning_closed",
    ("warning_under_review", "escalate_inquiry_evidence"): "needs_response",
}

_SHORT_TEXTS = (
    "billing_address", "customer_email_address", "customer_name", "customer_purchase_ip", "duplicate_charge_id",
    "service_date", "shipping_address", "shipping_carrier", "shipping_date", "shipping_tracking_number",
)  # fmt: skip
_LONG_TEXTS = (
    "access_activity_log", "cancellation_policy_disclosure", "cancellation_rebuttal", "duplicate_charge_explanation",
    "product_description", "refund_policy_disclosure", "refund_refusal_explanation", "uncategorized_text",
)  # fmt: skip
#: Shown, but never taken: the sandbox has no file uploads.
_FILES = (
    "cancellation_policy", "customer_communication", "customer_signature", "duplicate_charge_documentation", "receipt",
    "refund_policy", "service_documentation", "shipping_documentation", "uncategorized_file",
)  # fmt: skip

_EVIDENCE: dict[str, Field] = {
    **{name: Text() for name in _SHORT_TEXTS},
    **{name: Text(limit=20_000) for name in _LONG_TEXTS},
}
UPDATE: dict[str, Field] = {
    "evidence": Hash(_EVIDENCE), "metadata": Metadata(keep_empty=True), "submit": Flag(), **EXPAND,
}  # fmt: skip


def open_if_card_says_so(scope: Scope, charge: Stored) -> None:
    """Disputes a charge that has just succeeded when its card is one of the test cards for that."""
    method = scope.find(charge.data["payment_method"])
    case_type = payment_methods.behaviour_of(method).dispute if method else None
    if case_type is not None:
        create(scope, charge, inquiry=case_type == "inquiry")


def create(
    scope: Scope, charge: Stored, *, reason: str = "fraudulent", inquiry: bool = False, amount: int | None = None
) -> Stored:
    """The cardholder's bank disputes `amount` minor units of a charge, all that was captured by default.

    An inquiry moves no money yet; a chargeback withdraws amount and fee at once. Raises ApiError when nothing was taken
    from a card, for an unknown reason, and for an amount that is not between 1 and what was captured.
    """
    captured = charge.data["amount_captured"]
    if charge.data["payment_method_details"]["type"] != "card" or not captured:
        raise errors.unexpected_state(f"Charge {charge.id} took no money from a card: there is nothing to dispute.")
    if reason not in REASONS:
        raise errors.invalid("reason", f"Invalid reason: must be one of {', '.join(REASONS)}")
    amount = captured if amount is None else amount
    if not 1 <= amount <= captured:
        raise errors.invalid("amount", f"Invalid amount: must be between 1 and {captured}")
    charge.data["disputed"] = True
    scope.save(charge)
    dispute = scope.insert(_data(scope, charge, reason=reason, inquiry=inquiry, amount=amount))
    if not inquiry:
        _withdraw(scope, dispute)
    events.emit(scope, "charge.dispute.created", dispute)
    if not inquiry:
        events.emit(scope, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def _data(scope: Scope, charge: Stored, *, reason: str, inquiry: bool, amount: int) -> Json:
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge.id,
        "created": scope.now,
        "currency": charge.data["currency"],
        "enhanced_eligibility_types": [],
        "evidence": _empty_evidence(charge),
        "evidence_details": {
            "due_by": _due_by(scope.now),
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": None,
        "payment_intent": charge.data["payment_intent"],
        "payment_method_details": {"card": _card(charge, reason=reason, inquiry=inquiry), "type": "card"},
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def _empty_evidence(charge: Stored) -> Json:
    billing = charge.data["billing_details"]
    known = {"customer_email_address": billing["email"], "customer_name": billing["name"]}
    return {**dict.fromkeys((*_SHORT_TEXTS, *_LONG_TEXTS, *_FILES)), "enhanced_evidence": {}, **known}


def _card(charge: Stored, *, reason: str, inquiry: bool) -> Json:
    card = charge.data["payment_method_details"]["card"]
    is_visa_fraud = card["network"] == "visa" and reason == "fraudulent"
    return {
        "brand": card["brand"],
        "case_type": "inquiry" if inquiry else "chargeback",
        "network": card["network"],
        "network_reason_code": "10.4" if is_visa_fraud else None,
    }


def _due_by(now: int) -> int:
    return (now // DAY_SECONDS + DUE_AFTER_DAYS + 1) * DAY_SECONDS - 1


def _withdraw(scope: Scope, dispute: Stored) -> None:
    _post(scope, dispute, kind="dispute", sign=-1, description="Chargeback withdrawal for")


def _reinstate(scope: Scope, dispute: Stored) -> None:
    _post(scope, dispute, kind="dispute_reversal", sign=1, description="Chargeback reversal for")


def _post(scope: Scope, dispute: Stored, *, kind: str, sign: int, description: str) -> None:
    entry = balance.post(
        scope, kind=kind, source=dispute, amount=sign * dispute.data["amount"], currency=dispute.data["currency"],
        charge_fee=-sign * FEE_MINOR, description=f"{description} {dispute.data['charge']}",
    )  # fmt: skip
    dispute.data["balance_transactions"].append(entry.data)
    scope.save(dispute)


def check_refundable(scope: Scope, charge: Stored) -> None:
    """Raises ApiError charge_disputed while the bank has, or has kept, the money of this charge."""
    of_charge = objects.linked(scope.tx, kind="dispute", name="charge", value=charge.id)
    if any(not dispute.data["is_charge_refundable"] for dispute in of_charge):
        message = f"Charge {charge.id} has been charged back; cannot issue a refund."
        raise errors.unexpected_state(message, code="charge_disputed")


def update(scope: Scope, dispute: Stored, params: Json) -> Stored:
    """POST /v1/disputes/{id}. Evidence is submitted unless `submit` is false. Raises ApiError as Stripe does.

    `submit` sends what was staged before, too. The bank takes evidence once.
    """
    _require_unsettled(dispute)
    evidence: Json = params.get("evidence", {})
    submit = params.get("submit", bool(evidence))
    if evidence or submit:
        _stage(dispute, evidence)
    if submit:
        _submit(scope, dispute)
    metadata = params.get("metadata")
    if metadata is not None:
        dispute.data["metadata"] = merged(dispute.data["metadata"], metadata)
    scope.save(dispute)
    events.emit(scope, "charge.dispute.updated", dispute)
    return dispute


def merged(metadata: Json, changes: Json) -> Json:
    """Metadata after an update: an empty value unsets its key, no keys at all unset everything."""
    return {name: value for name, value in {**metadata, **changes}.items() if value} if changes else {}


def _require_unsettled(dispute: Stored) -> None:
    if dispute.data["status"] in FINAL:
        raise errors.unexpected_state("This dispute is already closed")


def _stage(dispute: Stored, evidence: Json) -> None:
    if dispute.data["status"] not in _ANSWERED:
        raise errors.unexpected_state(f"Evidence for dispute {dispute.id} has already been submitted.")
    dispute.data["evidence"] |= evidence
    characters = sum(len(text) for text in dispute.data["evidence"].values() if isinstance(text, str))
    if characters > EVIDENCE_MAX_CHARACTERS:
        raise errors.invalid("evidence", f"Evidence can have at most {EVIDENCE_MAX_CHARACTERS} characters in all.")
    if evidence:
        dispute.data["evidence_details"]["has_evidence"] = True


def _submit(scope: Scope, dispute: Stored) -> None:
    details = dispute.data["evidence_details"]
    if not details["has_evidence"]:
        raise errors.invalid("submit", f"Dispute {dispute.id} has no evidence to submit.")
    dispute.data["status"] = _ANSWERED[dispute.data["status"]]
    details |= {
        "past_due": scope.now > details["due_by"],
        "submission_count": details["submission_count"] + 1,
        "submission_method": "manual",
    }
    outcome = _OUTCOMES.get((dispute.data["status"], dispute.data["evidence"]["uncategorized_text"]))
    if outcome is not None:
        # The answer to this request still says under_review, as at Stripe.
        scope.deferred.append(lambda: _decide(scope, dispute.id, outcome))


def _decide(scope: Scope, dispute_id: str, status: str) -> None:
    move(scope, scope.get("dispute", dispute_id), status=status)


def close(scope: Scope, dispute: Stored) -> Stored:
    """POST /v1/disputes/{id}/close: gives the money up. Raises ApiError unless a chargeback waits for an answer."""
    _require_unsettled(dispute)
    status = dispute.data["status"]
    if status != "needs_response":
        raise errors.unexpected_state(
            f"Dispute {dispute.id} has a status of {status}: only a dispute in needs_response can be closed."
        )
    return move(scope, dispute, status="lost")


def move(scope: Scope, dispute: Stored, *, status: str) -> Stored:
    """What the bank, or the control API, does to a dispute. Raises ApiError for a step that MOVES does not know.

    From an inquiry, `needs_response` is its escalation to a chargeback.
    """
    current = dispute.data["status"]
    if status not in (*MOVES, *FINAL):
        raise errors.invalid("status", f"Invalid status: must be one of {', '.join((*MOVES, *FINAL))}")
    if status not in MOVES.get(current, ()):
        possible = ", ".join(MOVES.get(current, ())) or "nothing else"
        raise errors.unexpected_state(f"Dispute {dispute.id} is {current}: it can become {possible}.")
    if status == "needs_response":
        _escalate(scope, dispute)
    elif status == "won":
        _win(scope, dispute)
    else:
        dispute.data["status"] = status
        scope.save(dispute)
        events.emit(scope, f"charge.dispute.{'closed' if status in FINAL else 'updated'}", dispute)
    return dispute


def _escalate(scope: Scope, dispute: Stored) -> None:
    if scope.get("charge", dispute.data["charge"]).data["refunded"]:
        raise errors.unexpected_state(f"Charge {dispute.data['charge']} is fully refunded: nothing more is withdrawn.")
    dispute.data |= {"status": "needs_response", "is_charge_refundable": False}
    dispute.data["payment_method_details"]["card"]["case_type"] = "chargeback"
    dispute.data["evidence_details"]["due_by"] = _due_by(scope.now)
    _withdraw(scope, dispute)
    events.emit(scope, "charge.dispute.updated", dispute)
    events.emit(scope, "charge.dispute.funds_withdrawn", dispute)


def _win(scope: Scope, dispute: Stored) -> None:
    dispute.data |= {"status": "won", "is_charge_refundable": True}
    _reinstate(scope, dispute)
    events.emit(scope, "charge.dispute.funds_reinstated", dispute)
    events.emit(scope, "charge.dispute.closed", dispute)
