"""Payouts and their entries: what the seller's balance sends to the bank. https://developer.squareup.com/docs/payouts-api.

A payout takes everything that no earlier one has taken: payments with their fee, refunds, and what disputes did.
"""

from __future__ import annotations

import uuid
from typing import Any

from integrations.sandbox.objects import Stored
from integrations.sandbox.square import errors, events, orders, paging
from integrations.sandbox.square.schema import Field, Integer, Moment, Text
from integrations.sandbox.square.scope import Scope, written
from integrations.sandbox.wire import Json

DAY_SECONDS = 24 * 3600
STATUSES = ("SENT", "PAID", "FAILED")
MOVES = {"SENT": ("PAID", "FAILED"), "PAID": ("FAILED",)}
LIST: dict[str, Field] = {
    "location_id": Text(limit=50),
    "status": Text(choices=STATUSES),
    "begin_time": Moment(),
    "end_time": Moment(),
    "sort_order": Text(choices=("ASC", "DESC")),
    "cursor": Text(),
    "limit": Integer(),
}
ENTRIES: dict[str, Field] = {"sort_order": Text(choices=("ASC", "DESC")), "cursor": Text(), "limit": Integer()}
_WITHDRAWN = ("EVIDENCE_REQUIRED", "PROCESSING", "WON", "LOST", "ACCEPTED")


def create(scope: Scope) -> Stored:
    """Pays out all that waits. Raises ApiError where nothing does."""
    payout_id = f"po_{uuid.uuid4()}"
    taken = [*_charges(scope), *_refunds(scope), *_disputes(scope), *_adjustments(scope)]
    if not taken:
        raise errors.refused("There is nothing to pay out.")
    for entry in taken:
        entry_id = f"poe_{uuid.uuid4()}"
        scope.insert(
            "payout_entry",
            {
                "id": entry_id,
                "payout_id": payout_id,
                "effective_at": scope.stamp,
                "type": entry["type"],
                **{
                    f"{name}_amount_money": orders.money(scope, entry[name])
                    for name in ("gross", "fee", "net")
                },
                **entry["details"],
            },
            payout=payout_id,
            cause=entry["cause"],
        )  # fmt: skip
    payout = scope.insert(
        "payout",
        {
            "id": payout_id,
            "status": "SENT",
            "location_id": scope.account.location_id,
            "created_at": scope.stamp,
            "updated_at": scope.stamp,
            "amount_money": orders.money(scope, sum(entry["net"] for entry in taken)),
            "destination": {"type": "BANK_ACCOUNT", "id": "ccof:sandbox"},
            "version": 1,
            "type": "BATCH",
            "arrival_date": written(scope.now + 2 * DAY_SECONDS)[:10],
            "end_to_end_id": f"L2100000{payout_id[-8:].upper()}",
        },
    )
    events.emit(scope, "payout.sent", "payout", payout.data)
    return payout


def _new(scope: Scope, cause: str) -> bool:
    return not scope.linked("payout_entry", "cause", cause)


def _entry(kind: str, cause: str, *, gross: int, fee: int = 0, **details: Any) -> Json:
    name = f"type_{kind.lower()}_details"
    return {"type": kind, "cause": cause, "gross": gross, "fee": fee, "net": gross - fee, "details": {name: details}}


def _charges(scope: Scope) -> list[Json]:
    found = []
    for payment in reversed(scope.every("payment")):
        cause = f"charge:{payment.id}"
        if payment.data["status"] == "COMPLETED" and _new(scope, cause):
            fee = sum(part["amount_money"]["amount"] for part in payment.data.get("processing_fee", []))
            amount = payment.data["total_money"]["amount"]
            found.append(_entry("CHARGE", cause, gross=amount, fee=fee, payment_id=payment.id))
    return found


def _refunds(scope: Scope) -> list[Json]:
    found = []
    for refund in reversed(scope.every("refund")):
        cause = f"refund:{refund.id}"
        if refund.data["status"] == "COMPLETED" and _new(scope, cause):
            amount = refund.data["amount_money"]["amount"]
            # Square names the payment here, not the refund.
            found.append(_entry("REFUND", cause, gross=-amount, payment_id=refund.data["payment_id"]))
    return found


def _disputes(scope: Scope) -> list[Json]:
    found = []
    for dispute in reversed(scope.every("dispute")):
        named = {"payment_id": dispute.data["disputed_payment"]["payment_id"], "dispute_id": dispute.id}
        amount = dispute.data["amount_money"]["amount"]
        if dispute.data["state"] in _WITHDRAWN and _new(scope, f"withdrawn:{dispute.id}"):
            found.append(_entry("DISPUTE", f"withdrawn:{dispute.id}", gross=-amount, **named))
        if dispute.data["state"] == "WON" and _new(scope, f"reinstated:{dispute.id}"):
            found.append(_entry("DISPUTE", f"reinstated:{dispute.id}", gross=amount, **named))
    return found


def _adjustments(scope: Scope) -> list[Json]:
    return [
        _entry("OTHER_ADJUSTMENT", adjustment.id, gross=adjustment.data["amount"])
        for adjustment in reversed(scope.every("adjustment"))
        if _new(scope, adjustment.id)
    ]


def move(scope: Scope, payout: Stored, *, status: str) -> Stored:
    """What the bank, or the control API, does to a payout. Raises ApiError for a step that MOVES does not know."""
    current = payout.data["status"]
    if status not in MOVES.get(current, ()):
        raise errors.refused(f"Payout {payout.id} is {current}: it cannot become {status}.")
    payout.data["status"] = status
    payout.data["version"] += 1
    scope.save(payout)
    events.emit(scope, f"payout.{status.lower()}", "payout", payout.data)
    return payout


def listing(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """GET /v2/payouts."""
    found = [
        stored
        for stored in scope.every("payout")
        if values.get("status", stored.data["status"]) == stored.data["status"]
        and values.get("location_id", stored.data["location_id"]) == stored.data["location_id"]
        and values.get("begin_time", 0) <= stored.private["created"] <= values.get("end_time", 2**60)
    ]
    page, cursor = paging.page(scope, _sorted(found, values), values, query={**values, "cursor": None, "limit": None})
    return {"payouts": [stored.data for stored in page]} | ({"cursor": cursor} if cursor else {})


def _sorted(found: list[Stored], values: Json) -> list[Stored]:
    return found[::-1] if values.get("sort_order") == "ASC" else found


def retrieve(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """GET /v2/payouts/{id}."""
    return {"payout": scope.get("payout", ids[0]).data}


def entries(scope: Scope, values: Json, ids: tuple[str, ...]) -> Json:
    """GET /v2/payouts/{id}/payout-entries."""
    payout = scope.get("payout", ids[0])
    held = _sorted(scope.linked("payout_entry", "payout", payout.id)[::-1], values)
    query = {**values, "cursor": None, "limit": None, "of": payout.id}
    page, cursor = paging.page(scope, held, values, query=query)
    return {"payout_entries": [stored.data for stored in page]} | ({"cursor": cursor} if cursor else {})
