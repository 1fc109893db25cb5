"""Disputes: opened by the payer, answered by the shop, decided by PayPal.

https://developer.paypal.com/docs/api/customer-disputes/v1/. PayPal decides when the control API says so.
"""

from __future__ import annotations

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.paypal import errors, events, money
from integrations.sandbox.paypal.schema import Anything, Group, Items, Member, Text
from integrations.sandbox.paypal.schema import money as money_member
from integrations.sandbox.paypal.scope import Scope, new_id, shown, written
from integrations.sandbox.wire import Json

REASONS = (
    "MERCHANDISE_OR_SERVICE_NOT_RECEIVED", "MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED", "UNAUTHORISED",
    "CREDIT_NOT_PROCESSED", "DUPLICATE_TRANSACTION", "INCORRECT_AMOUNT", "PAYMENT_BY_OTHER_MEANS",
    "CANCELED_RECURRING_BILLING", "PROBLEM_WITH_REMITTANCE", "OTHER",
)  # fmt: skip
OUTCOMES = {"won": "RESOLVED_SELLER_FAVOUR", "lost": "RESOLVED_BUYER_FAVOUR", "cancelled": "CANCELED_BY_BUYER"}
DUE_AFTER_SECONDS = 10 * 86_400
NOTES_MAX_CHARACTERS = 2000
_ANSWERABLE = ("WAITING_FOR_SELLER_RESPONSE", "OPEN")

_TRACKING: dict[str, Member] = {
    "carrier_name": Text(required=True, high=255), "carrier_name_other": Text(high=2000),
    "tracking_number": Text(required=True, high=255), "tracking_url": Text(high=2000),
}  # fmt: skip
_EVIDENCE: dict[str, Member] = {
    "evidence_type": Text(required=True, high=255, shape="[0-9A-Z_]+"),
    "evidence_info": Group({"tracking_info": Items(Group(_TRACKING)), "refund_ids": Items(Anything())}),
    "notes": Text(high=NOTES_MAX_CHARACTERS), "item_id": Text(high=255),
}  # fmt: skip
PROVIDE: dict[str, Member] = {"evidences": Items(Group(_EVIDENCE), required=True), "return_address": Anything()}
ACCEPT: dict[str, Member] = {
    "note": Text(high=2000), "accept_claim_reason": Text(high=255), "invoice_id": Text(), "accept_claim_type": Text(),
    "refund_amount": money_member(), "return_shipping_address": Anything(),
}  # fmt: skip


def create(scope: Scope, capture: Stored, *, reason: str, inquiry: bool, amount: int | None) -> Stored:
    """The payer disputes a capture. An inquiry moves no money yet; a claim takes it at once."""
    if reason not in REASONS:
        raise errors.invalid("INVALID_PARAMETER_VALUE", "/reason", f"One of {', '.join(REASONS)}.")
    currency = capture.data["amount"]["currency_code"]
    disputed = amount or money.minor(capture.data["amount"], "/amount")
    dispute = scope.insert(
        "dispute",
        {
            "id": f"PP-R-{new_id(3)}-{secrets_number()}",
            "create_time": written(scope.now),
            "update_time": written(scope.now),
            "disputed_transactions": [
                {
                    "seller_transaction_id": capture.id,
                    "create_time": capture.data["create_time"],
                    "transaction_status": "COMPLETED",
                    "gross_amount": capture.data["amount"],
                    "custom": capture.data.get("custom_id", ""),
                    "buyer": {"name": "Pat Payer"},
                    "seller": {"merchant_id": scope.account, "name": "Sandbox Shop"},
                }
            ],
            "reason": reason,
            "status": "OPEN" if inquiry else "WAITING_FOR_SELLER_RESPONSE",
            "dispute_amount": money.money(disputed, currency),
            "dispute_life_cycle_stage": "INQUIRY" if inquiry else "CHARGEBACK",
            "dispute_channel": "INTERNAL",
            "evidences": [],
            "money_movements": [],
            "seller_response_due_date": written(scope.now + DUE_AFTER_SECONDS),
        },
        {"capture": capture.id, "order": capture.private["order"]},
    )
    if not inquiry:
        _move_money(scope, dispute, "DEBIT")
    _emit(scope, dispute, "CREATED")
    return dispute


def secrets_number() -> int:
    """A number like those in PayPal's dispute ids."""
    return 10_000 + int.from_bytes(new_id(3).encode()) % 90_000


def _move_money(scope: Scope, dispute: Stored, direction: str) -> None:
    dispute.data["money_movements"].append(
        {
            "affected_party": "SELLER",
            "amount": dispute.data["dispute_amount"],
            "initiated_time": written(scope.now),
            "type": direction,
            "reason": "DISPUTE_SETTLEMENT",
        }
    )
    scope.save(dispute)


def move(scope: Scope, dispute: Stored, *, to: str) -> Stored:
    """What PayPal does to a dispute: `escalated`, `under_review`, `won`, `lost` or `cancelled`."""
    if dispute.data["status"] == "RESOLVED":
        raise errors.unprocessable("DISPUTE_ALREADY_RESOLVED", "The dispute is resolved.")
    inquiry = dispute.data["dispute_life_cycle_stage"] == "INQUIRY"
    if to == "escalated":
        dispute.data |= {"dispute_life_cycle_stage": "CHARGEBACK", "status": "WAITING_FOR_SELLER_RESPONSE"}
        _move_money(scope, dispute, "DEBIT")
    elif to == "under_review":
        dispute.data["status"] = "UNDER_REVIEW"
    else:
        dispute.data |= {"status": "RESOLVED", "dispute_outcome": {"outcome_code": OUTCOMES[to]}}
        if to != "lost" and not inquiry:
            _move_money(scope, dispute, "CREDIT")
    scope.save(dispute)
    _emit(scope, dispute, "RESOLVED" if dispute.data["status"] == "RESOLVED" else "UPDATED")
    return dispute


def provide(scope: Scope, dispute: Stored, body: Json) -> Json:
    """POST …/provide-evidence. Once; a claim that nobody waits for is refused."""
    _check_answerable(dispute)
    dispute.data["evidences"] += [{**one, "source": "SUBMITTED_BY_SELLER"} for one in body["evidences"]]
    dispute.data["status"] = "UNDER_REVIEW"
    scope.save(dispute)
    _emit(scope, dispute, "UPDATED")
    return {"links": [_self(scope, dispute)]}


def accept(scope: Scope, dispute: Stored, _body: Json) -> Json:
    """POST …/accept-claim: the money is the payer's."""
    _check_answerable(dispute)
    if dispute.data["dispute_life_cycle_stage"] == "INQUIRY":
        _move_money(scope, dispute, "DEBIT")
    dispute.data |= {"status": "RESOLVED", "dispute_outcome": {"outcome_code": "ACCEPTED"}}
    scope.save(dispute)
    _emit(scope, dispute, "RESOLVED")
    return {"links": [_self(scope, dispute)]}


def _check_answerable(dispute: Stored) -> None:
    if dispute.data["status"] not in _ANSWERABLE:
        raise errors.unprocessable("ACTION_NOT_ALLOWED_IN_CURRENT_DISPUTE_STATE", "The dispute waits for nobody.")


def listing(scope: Scope, query: dict[str, str]) -> Json:
    """GET /v1/customer/disputes: by transaction, newest first, one page after the other by token."""
    limit = int(query.get("page_size", "10"))
    wanted = query.get("disputed_transaction_id")
    filters = {"capture": [wanted]} if wanted else None
    after = query.get("next_page_token")
    found, more = objects.page(
        scope.tx, kind="dispute", window=Window(limit=limit, after_id=after or None), filters=filters
    )
    links = [{"href": f"{scope.base_url}/v1/customer/disputes", "rel": "self", "method": "GET"}]
    if more:
        href = f"{scope.base_url}/v1/customer/disputes?page_size={limit}&next_page_token={found[-1].id}"
        links.append({"href": href, "rel": "next", "method": "GET"})
    return {"items": [_info(scope, one) for one in found], "links": links}


_INFO = (
    "create_time", "update_time", "reason", "status", "dispute_amount", "dispute_life_cycle_stage", "dispute_channel",
    "seller_response_due_date",
)  # fmt: skip


def _info(scope: Scope, dispute: Stored) -> Json:
    data = show(scope, dispute)
    return {"dispute_id": dispute.id, **{name: data[name] for name in _INFO}, "links": [_self(scope, dispute)]}


def show(scope: Scope, dispute: Stored) -> Json:
    """The dispute as GET /v1/customer/disputes/{id} answers."""
    told = {name: value for name, value in shown(dispute).items() if name != "id" and value != []}
    return {"dispute_id": dispute.id, **told, "links": [_self(scope, dispute)]}


def _self(scope: Scope, dispute: Stored) -> Json:
    return {"href": f"{scope.base_url}/v1/customer/disputes/{dispute.id}", "rel": "self", "method": "GET"}


def _emit(scope: Scope, dispute: Stored, what: str) -> None:
    events.emit(scope, f"CUSTOMER.DISPUTE.{what}", show(scope, dispute), kind="dispute")


def refuse_while_disputed(scope: Scope, capture: Stored) -> None:
    """Raises ApiError where a claim has taken the money of this capture."""
    claims = scope.of("dispute", "capture", capture.id)
    if any(one.data["dispute_life_cycle_stage"] != "INQUIRY" and one.data["status"] != "RESOLVED" for one in claims):
        raise errors.unprocessable("CAPTURE_DISPUTED_PARTIAL_REFUND_NOT_ALLOWED", "Refund not allowed: disputed.")
