"""Charges: one try to take money with one payment method, and its entry in the balance."""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe import balance, events, payment_methods
from integrations.sandbox.stripe.cards import Decline
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Json

BALANCE_TIMER = "balance"


def create(
    scope: Scope, intent: Stored, method: Stored, *, status: str, captured: bool,
    decline: Decline | None = None,
    authenticated: bool = False,
) -> Stored:  # fmt: skip
    """Stores a charge over the intent's amount. `status` is succeeded, pending or failed. No event, no balance entry
    yet.
    """
    amount = intent.data["amount"]
    taken = captured and status == "succeeded"
    data: Json = {
        "id": new_id("ch" if method.data["type"] == "card" else "py"),
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if taken else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method.data["billing_details"],
        "calculated_statement_descriptor": "SANDBOX SHOP",
        "captured": captured and status != "failed",
        "created": scope.now,
        "currency": intent.data["currency"],
        "customer": None,
        "description": intent.data["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent.data["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome(decline, status),
        "paid": status == "succeeded",
        "payment_intent": intent.id,
        "payment_method": method.id,
        "payment_method_details": payment_methods.charge_details(method, authenticated=authenticated, amount=amount),
        "presentment_details": None,
        "radar_options": {},
        "receipt_email": intent.data["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }
    return scope.insert(data)


def _outcome(decline: Decline | None, status: str) -> Json:
    if decline is None:
        return {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "risk_score": 12,
            "seller_message": "Payment complete." if status == "succeeded" else "Payment pending.",
            "type": "authorized",
        }
    return {
        "advice_code": decline.advice_code,
        "network_advice_code": None,
        "network_decline_code": decline.network_decline_code,
        "network_status": "declined_by_network",
        "reason": decline.decline_code or decline.code,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }


def post_to_balance_later(scope: Scope, charge: Stored) -> None:
    """Puts the balance entry and its `charge.updated` at the end of this step, or as late as the switch says.

    Stripe captures asynchronously by default: `charge.succeeded` still has no balance_transaction, `charge.updated` has
    it.
    """
    delay = int(scope.tx.setting("balance_delay_seconds", 0))
    if delay:
        scope.tx.add_timer(at=scope.now + delay, name=BALANCE_TIMER, object_id=charge.id)
    else:
        scope.deferred.append(lambda: post_to_balance(scope, charge.id))


def post_to_balance(scope: Scope, charge_id: str) -> None:
    """Writes the balance entry of a captured charge and tells the shop."""
    charge = scope.find(charge_id)
    if charge is None or charge.data["balance_transaction"] or not charge.data["amount_captured"]:
        return
    amount = charge.data["amount_captured"]
    kind = "charge" if charge.data["payment_method_details"]["type"] == "card" else "payment"
    entry = balance.post(
        scope,
        kind=kind,
        source=charge,
        amount=amount,
        currency=charge.data["currency"],
        charge_fee=balance.fee(amount),
    )
    charge.data["balance_transaction"] = entry.id
    scope.save(charge)
    events.emit(scope, "charge.updated", charge)
