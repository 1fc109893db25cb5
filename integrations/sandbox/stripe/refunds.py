"""Refunds: never more than was captured, with their balance entries and events."""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe import balance, currencies, disputes, errors, events, payment_methods
from integrations.sandbox.stripe.schema import EXPAND, Email, Field, Integer, Metadata, Text
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Json

CREATE: dict[str, Field] = {
    "charge": Text(), "payment_intent": Text(), "amount": Integer(low=1), "metadata": Metadata(),
    "reason": Text(choices=("duplicate", "fraudulent", "requested_by_customer")),
    "instructions_email": Email(), **EXPAND,
}  # fmt: skip
STATUSES = ("pending", "requires_action", "succeeded", "failed", "canceled")


def create(scope: Scope, params: Json) -> Stored:
    """POST /v1/refunds. Raises ApiError when there is nothing to refund, or less than asked for."""
    charge = _charge(scope, params)
    left = charge.data["amount_captured"] - charge.data["amount_refunded"]
    if not charge.data["paid"] or not charge.data["captured"]:
        raise errors.unexpected_state(f"Charge {charge.id} has not been captured: there is nothing to refund.")
    if left <= 0:
        raise errors.unexpected_state(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
    disputes.check_refundable(scope, charge)
    amount = params.get("amount", left)
    currencies.check_granularity(amount, charge.data["currency"], param="amount")
    if amount > left:
        currency = charge.data["currency"]
        raise errors.unexpected_state(
            f"Refund amount ({currencies.display(amount, currency)}) is greater than unrefunded amount on"
            " charge"
            f" ({currencies.display(left, currency)})",
            param="amount",
        )
    return _store(scope, charge, amount, params)


def _charge(scope: Scope, params: Json) -> Stored:
    if "charge" not in params and "payment_intent" not in params:
        raise errors.ApiError(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
        )
    if "charge" in params:
        charge = scope.get("charge", params["charge"], param="charge")
        if params.get("payment_intent", charge.data["payment_intent"]) != charge.data["payment_intent"]:
            raise errors.invalid("payment_intent", "The charge does not belong to this PaymentIntent.")
        return charge
    intent = scope.get("payment_intent", params["payment_intent"], param="payment_intent")
    charge_id = intent.data["latest_charge"]
    if intent.data["status"] != "succeeded" or charge_id is None:
        raise errors.unexpected_state(f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.")
    return scope.get("charge", charge_id)


def _store(scope: Scope, charge: Stored, amount: int, params: Json) -> Stored:
    method = scope.find(charge.data["payment_method"])
    is_card = charge.data["payment_method_details"]["type"] == "card"
    behaviour_status = payment_methods.behaviour_of(method).refund_status if method else "succeeded"
    status = behaviour_status if is_card else "pending"
    refund = scope.insert(
        {
            "id": new_id("re" if is_card else "pyr"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": None,
            "charge": charge.id,
            "created": scope.now,
            "currency": charge.data["currency"],
            "destination_details": _destination(is_card, charge),
            "metadata": params.get("metadata", {}),
            "payment_intent": charge.data["payment_intent"],
            "reason": params.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": status,
            "transfer_reversal": None,
        }
    )
    if status == "pending":
        refund.data["pending_reason"] = "processing"
    _post(
        scope,
        refund,
        kind="refund" if is_card else "payment_refund",
        amount=-amount,
        field="balance_transaction",
    )
    _move_refunded(scope, charge, amount)
    events.emit(scope, "refund.created", refund)
    events.emit(scope, "charge.refunded", charge)
    return refund


def _destination(is_card: bool, charge: Stored) -> Json:
    if is_card:
        return {"card": {"reference_status": "pending", "reference_type": "acquirer_reference_number",
        "type": "refund"},
                "type": "card"}  # fmt: skip
    kind = charge.data["payment_method_details"]["type"]
    return {"type": kind}


def _post(scope: Scope, refund: Stored, *, kind: str, amount: int, field: str) -> None:
    entry = balance.post(
        scope, kind=kind, source=refund, amount=amount, currency=refund.data["currency"], charge_fee=0,
        description="REFUND FOR PAYMENT" if amount < 0 else "REFUND FAILURE",
    )  # fmt: skip
    refund.data[field] = entry.id
    scope.save(refund)


def _move_refunded(scope: Scope, charge: Stored, delta: int) -> None:
    refunded = charge.data["amount_refunded"] + delta
    charge.data |= {"amount_refunded": refunded, "refunded": refunded >= charge.data["amount_captured"]}
    scope.save(charge)


def cancel(scope: Scope, refund: Stored) -> Stored:
    """POST /v1/refunds/{id}/cancel. Raises ApiError unless it waits for the customer, as at Stripe."""
    if refund.data["status"] != "requires_action":
        raise errors.unexpected_state(
            f"Refund {refund.id} has a status of {refund.data['status']}: only a refund in requires_action"
            " can be canceled."
        )
    return move(scope, refund, status="canceled")


def move(scope: Scope, refund: Stored, *, status: str, failure_reason: str | None = None) -> Stored:
    """What the bank, or the control API, does to a refund. Failing or cancelling refills the balance."""
    if status not in STATUSES:
        raise errors.invalid("status", f"Invalid status: must be one of {', '.join(STATUSES)}")
    if refund.data["status"] in ("failed", "canceled"):
        raise errors.unexpected_state(f"Refund {refund.id} is {refund.data['status']} and stays so.")
    refund.data["status"] = status
    refund.data.pop("pending_reason", None)
    if status in ("failed", "canceled"):
        charge = scope.get("charge", refund.data["charge"])
        is_card = charge.data["payment_method_details"]["type"] == "card"
        kind = "refund_failure" if is_card else "payment_failure_refund"
        if status == "failed":
            refund.data["failure_reason"] = failure_reason or "unknown"
        _post(scope, refund, kind=kind, amount=refund.data["amount"], field="failure_balance_transaction")
        _move_refunded(scope, charge, -refund.data["amount"])
    scope.save(refund)
    events.emit(scope, "refund.updated", refund)
    if status == "failed":
        events.emit(scope, "refund.failed", refund)
    return refund
