"""NMI's transactions: a sale, what was given back of it, its void, its settlement. One object each, with its actions.

`condition`: in_progress, pending (authorized), pendingsettlement, complete, failed, canceled. A refund is a transaction
of its own that names its original.
"""

from __future__ import annotations

from integrations.sandbox import objects
from integrations.sandbox.nmi import events
from integrations.sandbox.nmi.cards import APPROVED, Outcome
from integrations.sandbox.nmi.errors import Refused
from integrations.sandbox.nmi.scope import Scope, new_transaction_id
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.wire import Json

CURRENCIES = frozenset("AUD CAD CHF CZK DKK EUR GBP HKD MXN NOK NZD PLN SEK SGD USD ZAR".split())
UNSETTLED = ("pending", "pendingsettlement")
_MANY = 100_000


def decimal(minor: int) -> str:
    """Minor units as NMI writes an amount: two places."""
    return f"{minor // 100}.{minor % 100:02d}"


def sell(
    scope: Scope,
    *,
    order_id: str,
    amount_minor: int,
    currency: str,
    card: Json,
    outcome: Outcome,
    described: Json,
    kind: str = "sale",
) -> Stored:
    """One sale: approved, declined, or without an answer of the processor's. `auth` only reserves the money."""
    approved = "pending" if kind == "auth" else "pendingsettlement"
    condition = approved if outcome.response == 1 else "failed"
    sale = scope.insert(
        "transaction",
        {
            "id": new_transaction_id(),
            "transaction_type": "cc",
            "condition": condition,
            "order_id": order_id,
            "original_transaction_id": "",
            "currency": currency,
            "amount_minor": amount_minor,
            "cc_number": card["masked"],
            "cc_exp": card["expiry"],
            "cc_hash": card["fingerprint"],
            "avs_response": outcome.avs,
            "csc_response": outcome.cvv,
            "actions": [],
            **described,
        },
    )
    _act(scope, sale, kind, amount_minor, outcome)
    return sale


def void(scope: Scope, sale: Stored, *, source: str = "api") -> Stored:
    """Undoes what is not settled. Raises Refused."""
    if sale.data["condition"] not in UNSETTLED:
        raise Refused("Only transactions pending settlement can be voided")
    sale.data["condition"] = "canceled"
    voided = Outcome(1, 100, "Transaction Void Successful")
    _act(scope, sale, "void", sale.data["amount_minor"], voided, source=source)
    return sale


def refund(scope: Scope, sale: Stored, *, amount_minor: int, described: Json, source: str = "api") -> Stored:
    """Gives money of a settled sale back. Raises Refused."""
    if sale.data["condition"] in UNSETTLED:
        raise Refused("Only settled transactions can be refunded")
    if sale.data["condition"] != "complete" or sale.data["original_transaction_id"]:
        raise Refused("Invalid Transaction ID specified")
    if amount_minor > left_of(scope, sale):
        raise Refused("Refund amount may not exceed the transaction balance")
    given = scope.insert(
        "transaction",
        {
            **{name: sale.data[name] for name in ("transaction_type", "currency", "cc_number", "cc_exp", "cc_hash")},
            "order_id": sale.data["order_id"],
            "avs_response": "",
            "csc_response": "",
            **described,
            "id": new_transaction_id(),
            "condition": "pendingsettlement",
            "original_transaction_id": sale.id,
            "amount_minor": amount_minor,
            "actions": [],
        },
    )
    _act(scope, given, "refund", amount_minor, APPROVED, source=source)
    return given


def left_of(scope: Scope, sale: Stored) -> int:
    """What of a sale has not been given back, in minor units."""
    given = [each.data for each in scope.refunds_of(sale) if each.data["condition"] != "failed"]
    return int(sale.data["amount_minor"] - sum(each["amount_minor"] for each in given))


def settle(scope: Scope, *, source: str = "internal") -> list[Stored]:
    """The nightly batch: everything that is pending settlement is complete, and one event tells of it."""
    found, _ = objects.page(scope.tx, kind="transaction", window=Window(limit=_MANY))
    waiting = [each for each in reversed(found) if each.data["condition"] == "pendingsettlement"]
    if not waiting:
        return []
    batch = int(scope.tx.setting("last_batch", 0)) + 1
    scope.tx.set_setting("last_batch", batch)
    for each in waiting:
        each.data["condition"] = "complete"
        _act(scope, each, "settle", each.data["amount_minor"], Outcome(1, 100, "ACCEPTED"), source=source, batch=batch)
    events.batch_settled(scope, batch, waiting)
    return waiting


def end_refund(scope: Scope, given: Stored) -> None:
    """Lets the processor refuse a refund that it had taken."""
    given.data["condition"] = "failed"
    _act(scope, given, "refund", given.data["amount_minor"], Outcome(2, 200, "DECLINE"))


def _act(
    scope: Scope, of: Stored, kind: str, amount_minor: int, outcome: Outcome, *, source: str = "api", batch: int = 0
) -> None:
    of.data["actions"].append(
        {
            "amount": decimal(amount_minor),
            "action_type": kind,
            "date": scope.stamp,
            "success": "1" if outcome.response == 1 else "0",
            "source": source,
            "response_text": outcome.text,
            "batch_id": str(batch),
            "response_code": str(outcome.code),
        }
    )
    of.data["updated"] = scope.now
    scope.save(of)
    if kind != "settle":
        word = {1: "success", 2: "failure"}.get(outcome.response, "unknown")
        events.emit(scope, f"transaction.{kind}.{word}", of)
