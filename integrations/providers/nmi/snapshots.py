"""What NMI's transactions of one order id say, as one PaymentSnapshot (PROVIDERS.md, 4). Pure: no call, no clock.

Money of a card has moved once its sale is approved (condition pendingsettlement); of a bank account once it is settled.
A void gives all of it back before it is settled; a refund is a transaction of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any

from integrations.contract import (
    CaptureSnapshot,
    Decline,
    Mode,
    PaymentSnapshot,
    PaymentStatus,
    ProviderIds,
    RefundSnapshot,
    TrySnapshot,
    Unavailable,
)
from integrations.providers.nmi import reports
from integrations.providers.nmi.errors import decline_of
from integrations.providers.nmi.reports import Action, Transaction

TAKES = ("sale", "capture")
BEGINS = ("sale", "auth", "capture")
GIVES_BACK = ("refund", "credit")
RETURNS = ("return", "check_return", "check_late_return", "late_return")
_VOID = ":void"
_RETURN = ":return"

_REFERENCE = re.compile(r"[A-Za-z0-9_]{8,64}")
_MOVED = ("pendingsettlement", "complete", "canceled")
_UNDECIDED = ("in_progress", "unknown")
_REFUND_STATUS = {
    "pending": "pending",
    "in_progress": "pending",
    "pendingsettlement": "pending",
    "unknown": "pending",
    "complete": "succeeded",
    "failed": "failed",
    "canceled": "failed",
    "abandoned": "failed",
}


def snapshot(
    transactions: Sequence[Transaction], *, account: str, mode: Mode, fingerprint_key: str, page_id: str
) -> PaymentSnapshot:
    """Reduce the transactions of one payment to our words. Raises Unavailable where there is none that takes money."""
    takers = [each for each in transactions if begins(each)]
    if not takers:
        raise Unavailable("NMI told no sale of this payment", code="shape")
    captures = tuple(capture(each) for each in takers if is_captured(each))
    main = next((each for each in takers if is_captured(each)), None) or reports.newest(takers)
    first = main.last(*BEGINS) or main.actions[0]
    return PaymentSnapshot(
        provider="nmi",
        account=account,
        mode=mode,
        reference=main.order_id,
        ids=ProviderIds(page_id=page_id or main.order_id, intent_id=main.transaction_id),
        status=_status(takers, captured=bool(captures)),
        amount_minor=first.amount_minor,
        currency=main.currency,
        page_open=False,
        decline=None if captures else _decline(takers),
        captures=captures,
        refunds=tuple(refund for each in transactions for refund in refunds(each, takers)),
        tries=tuple(told for each in takers if (told := _try(each, fingerprint_key)) is not None),
        raw=_raw(transactions),
    )


def begins(transaction: Transaction) -> bool:
    """Return whether this transaction takes money, rather than gives it back."""
    return any(each.kind in BEGINS for each in transaction.actions)


def is_captured(transaction: Transaction) -> bool:
    """Return whether this transaction moved money to us, be it given back since."""
    if transaction.last(*TAKES) is None:
        return False
    if transaction.kind == "ck":
        return transaction.condition == "complete"
    return transaction.condition in _MOVED


def is_reserved(transaction: Transaction) -> bool:
    """Return whether a bank holds money for us that nobody has taken: an authorization, and no sale on its way."""
    return transaction.condition == "pending" and transaction.kind != "ck" and transaction.last(*TAKES) is None


def capture(transaction: Transaction) -> CaptureSnapshot:
    """Read one transaction that is_captured(). NMI tells no fees."""
    taken = taking(transaction)
    return CaptureSnapshot(
        capture_id=transaction.transaction_id,
        amount_minor=taken.amount_minor,
        currency=transaction.currency,
        captured_at=taken.at,
        intent_id=transaction.transaction_id,
    )


def taking(transaction: Transaction) -> Action:
    """Return the action that took the money. Raises Unavailable where there is none."""
    taken = transaction.last(*TAKES)
    if taken is None:
        raise Unavailable("NMI told no sale in this transaction", code="shape")
    return taken


def refunds(transaction: Transaction, takers: Sequence[Transaction]) -> list[RefundSnapshot]:
    """Return what this transaction gave back: as a refund of another, by its own void, or by the bank's return."""
    if not begins(transaction):
        return _refund_of_another(transaction, takers)
    if not is_captured(transaction):
        return []
    taken = taking(transaction)
    given = []
    for ending, action in ((_VOID, transaction.last("void")), (_RETURN, transaction.last(*RETURNS))):
        if action is not None:
            given.append(
                RefundSnapshot(
                    refund_id=f"{transaction.transaction_id}{ending}",
                    capture_id=transaction.transaction_id,
                    amount_minor=taken.amount_minor,
                    currency=transaction.currency,
                    status="succeeded",
                    created_at=action.at,
                )
            )
    return given


def _refund_of_another(transaction: Transaction, takers: Sequence[Transaction]) -> list[RefundSnapshot]:
    tried = [each for each in transaction.actions if each.kind in GIVES_BACK]
    status = _REFUND_STATUS.get(transaction.condition)
    if not tried:
        return []
    if status is None:
        raise Unavailable("NMI's refund has a condition we do not know", code="shape")
    original = transaction.original_id or (takers[0].transaction_id if len(takers) == 1 else "")
    failed = transaction.last(*GIVES_BACK, succeeded=False)
    return [
        RefundSnapshot(
            refund_id=transaction.transaction_id,
            capture_id=original,
            amount_minor=tried[0].amount_minor,
            currency=transaction.currency,
            status=status,
            reference=reference_of(transaction),
            created_at=tried[0].at,
            failure_reason=failed.code if failed is not None and status == "failed" else "",
        )
    ]


def reference_of(refund: Transaction) -> str:
    """Return our reference, which a refund of ours carries as its description; empty for what is none in shape."""
    return refund.description if _REFERENCE.fullmatch(refund.description) else ""


def void_of(transaction: Transaction) -> str:
    """Return the id under which the void of a transaction counts as its refund."""
    return f"{transaction.transaction_id}{_VOID}"


def _status(takers: Sequence[Transaction], *, captured: bool) -> PaymentStatus:
    conditions = {each.condition for each in takers}
    if captured:
        return PaymentStatus.PAID
    if conditions & set(_UNDECIDED) or any(each.kind == "ck" and _is_on_its_way(each) for each in takers):
        return PaymentStatus.PENDING
    if "pending" in conditions:
        return PaymentStatus.AUTHORIZED if any(is_reserved(each) for each in takers) else PaymentStatus.PENDING
    if "failed" in conditions:
        return PaymentStatus.FAILED
    if conditions & {"canceled", "abandoned"}:
        return PaymentStatus.CANCELLED
    raise Unavailable("NMI's transaction has a condition we do not know", code="shape")


def _is_on_its_way(transaction: Transaction) -> bool:
    return transaction.condition in ("pending", "pendingsettlement")


def _decline(takers: Sequence[Transaction]) -> Decline | None:
    refused = [each.last(*BEGINS, succeeded=False) for each in takers if each.condition == "failed"]
    last = max((each for each in refused if each is not None), key=lambda each: each.at, default=None)
    return None if last is None else decline_of(last.code, last.text)


def _try(transaction: Transaction, key: str) -> TrySnapshot | None:
    """Read a sale as a try. NMI's hash of the card could be reversed by trying out all numbers: ours, keyed, cannot."""
    first = next((each for each in transaction.actions if each.kind in BEGINS), None)
    if first is None or transaction.condition in _UNDECIDED:
        return None
    card = transaction.card_hash
    return TrySnapshot(
        try_id=transaction.transaction_id,
        at=first.at,
        succeeded=first.succeeded,
        decline=None if first.succeeded else decline_of(first.code, first.text),
        method="card" if transaction.kind == "cc" else transaction.kind[:40],
        fingerprint=hmac.new(key.encode(), card.encode(), hashlib.sha256).hexdigest()[:32] if card else "",
    )


def _raw(transactions: Sequence[Transaction]) -> dict[str, Any]:
    """Return what is kept of an answer: ids, conditions, amounts and times; nothing of the card or the shopper."""
    return {
        "data": [
            {
                "id": each.transaction_id,
                "object": each.kind,
                "status": each.condition,
                "client_reference_id": each.order_id,
                "charge": each.original_id,
                "currency": each.currency,
                "charges": [
                    {
                        "type": action.kind,
                        "amount": action.amount_minor,
                        "created": reports.stamp(action.at),
                        "paid": action.succeeded,
                        "code": action.code,
                    }
                    for action in each.actions
                ],
            }
            for each in transactions
        ]
    }
