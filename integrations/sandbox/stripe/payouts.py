"""Payouts: what the account's balance sends to the bank, of its own accord or by a person's hand.

https://docs.stripe.com/payouts. An automatic payout takes every available entry of its currency, so Stripe can list
them; a manual one takes an amount, and nobody can say of which entries. The bank answers when the control API says so.
"""

from __future__ import annotations

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe import balance, errors, events
from integrations.sandbox.stripe.errors import ApiError
from integrations.sandbox.stripe.schema import PAGING, Field, Text, When
from integrations.sandbox.stripe.scope import Scope, new_id

STATUSES = ("pending", "in_transit", "paid", "failed", "canceled")
LIST: dict[str, Field] = {
    **PAGING, "arrival_date": When(), "destination": Text(), "status": Text(),
}  # fmt: skip

#: What the bank can do next; a paid payout may still come back. A status that is missing here is final.
MOVES = {
    "pending": ("in_transit", "paid", "failed", "canceled"),
    "in_transit": ("paid", "failed"),
    "paid": ("failed",),
}
ARRIVES_AFTER_SECONDS = 2 * 24 * 3600
_EVENTS = {"in_transit": "payout.updated", "paid": "payout.paid", "failed": "payout.failed",
           "canceled": "payout.canceled"}  # fmt: skip


def create(
    scope: Scope, *, currency: str, amount: int | None, automatic: bool, early: bool, reconciled: bool
) -> Stored:
    """Pays out all that is available in a currency, or (manual) `amount` of it, in minor units.

    `early`: entries that are not available yet count as if they were. `reconciled`: the payout's entries are listed at
    once. Raises ApiError where there is nothing to pay out, or less than asked for.
    """
    if automatic and amount is not None:
        raise errors.invalid("amount", "An automatic payout takes all that is available: give no amount.")
    entries = _waiting(scope, currency, early=early)
    available = sum(entry.data["net"] for entry in entries)
    amount = available if amount is None else amount
    if amount <= 0 or amount > available:
        raise errors.unexpected_state(
            f"You have insufficient funds in your Stripe account for this transfer: {available} {currency} available.",
            code="balance_insufficient",
        )
    payout = _insert(scope, amount=amount, currency=currency, automatic=automatic)
    own = balance.post(
        scope, kind="payout", source=payout, amount=-amount, currency=currency, charge_fee=0,
        description="STRIPE PAYOUT",
    )  # fmt: skip
    payout.data["balance_transaction"] = own.id
    if automatic:
        for entry in [*entries, own]:
            entry.private["taken_by"] = payout.id
            scope.save(entry)
    scope.save(payout)
    events.emit(scope, "payout.created", payout)
    if automatic and reconciled:
        complete(scope, payout)
    return payout


def _waiting(scope: Scope, currency: str, *, early: bool) -> list[Stored]:
    """The entries of a currency that no automatic payout has taken, oldest first."""
    of_currency = objects.linked(scope.tx, kind="balance_transaction", name="currency", value=currency)
    return [
        entry
        for entry in of_currency
        if "taken_by" not in entry.private and (early or balance.is_available(entry, now=scope.now))
    ]


def _insert(scope: Scope, *, amount: int, currency: str, automatic: bool) -> Stored:
    return scope.insert(
        {
            "id": new_id("po"),
            "object": "payout",
            "amount": amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": scope.now + ARRIVES_AFTER_SECONDS,
            "automatic": automatic,
            "balance_transaction": None,
            "created": scope.now,
            "currency": currency,
            "description": "STRIPE PAYOUT",
            "destination": "ba_sandbox",
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "livemode": False,
            "metadata": {},
            "method": "standard",
            "original_payout": None,
            "payout_method": None,
            "reconciliation_status": "in_progress" if automatic else "not_applicable",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": None,
            "status": "pending",
            "trace_id": None,
            "type": "bank_account",
        }
    )


def complete(scope: Scope, payout: Stored) -> Stored:
    """Ends Stripe's own reconciliation of an automatic payout: from now on its entries are listed."""
    if payout.data["reconciliation_status"] != "in_progress":
        status = payout.data["reconciliation_status"]
        raise errors.unexpected_state(f"The reconciliation of payout {payout.id} is {status}.")
    for entry in objects.linked(scope.tx, kind="balance_transaction", name="taken_by", value=payout.id):
        entry.private["payout"] = payout.id
        scope.save(entry)
    payout.data["reconciliation_status"] = "completed"
    scope.save(payout)
    events.emit(scope, "payout.reconciliation_completed", payout)
    return payout


def move(scope: Scope, payout: Stored, *, status: str, failure_code: str | None = None) -> Stored:
    """What the bank, or the control API, does to a payout. Failing or cancelling refills the balance at once.

    Raises ApiError for a step that MOVES does not know.
    """
    current = payout.data["status"]
    if status not in STATUSES:
        raise errors.invalid("status", f"Invalid status: must be one of {', '.join(STATUSES)}")
    if status not in MOVES.get(current, ()):
        possible = ", ".join(MOVES.get(current, ())) or "nothing else"
        raise errors.unexpected_state(f"Payout {payout.id} is {current}: it can become {possible}.")
    payout.data["status"] = status
    if status == "in_transit":
        payout.data["trace_id"] = {"status": "supported", "value": f"TRACE{payout.id[-12:].upper()}"}
    if status == "failed":
        payout.data |= {
            "failure_code": failure_code or "account_closed",
            "failure_message": "The bank account has been closed",
        }
    if status in ("failed", "canceled"):
        _refill(scope, payout, kind="payout_failure" if status == "failed" else "payout_cancel")
    scope.save(payout)
    events.emit(scope, _EVENTS[status], payout)
    return payout


def _refill(scope: Scope, payout: Stored, *, kind: str) -> None:
    entry = balance.post(
        scope, kind=kind, source=payout, amount=payout.data["amount"], currency=payout.data["currency"], charge_fee=0,
        description="PAYOUT FAILURE" if kind == "payout_failure" else "PAYOUT CANCELED",
    )  # fmt: skip
    payout.data["failure_balance_transaction"] = entry.id


def check_listable(scope: Scope, payout_id: str) -> None:
    """Raises ApiError where Stripe cannot tell a payout's entries: there is none such, or a person made it."""
    payout = scope.get("payout", payout_id, param="payout")
    if not payout.data["automatic"]:
        raise ApiError(
            "Balance transaction history can only be filtered on automatic transfers, not manual.",
            code="balance_transactions_manual_filtering_not_allowed",
            param="payout",
        )
