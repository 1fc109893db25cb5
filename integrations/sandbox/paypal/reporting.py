"""Transaction search and balances. https://developer.paypal.com/docs/api/transaction-search/v1/

At most 31 days at once; what is younger than `list_lag_seconds` is not in it yet (PayPal says: up to three hours).
"""

from __future__ import annotations

from datetime import datetime

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.paypal import errors, money
from integrations.sandbox.paypal.scope import Scope, written
from integrations.sandbox.wire import Json

MAX_DAYS = 31
_KINDS = ("capture", "refund")
_STATUS = {
    "COMPLETED": "S", "PARTIALLY_REFUNDED": "S", "REFUNDED": "S", "PENDING": "P", "DECLINED": "D", "FAILED": "D",
    "CANCELLED": "D",
}  # fmt: skip
_CODES = {"capture": "T0006", "refund": "T1107"}
_EVERYTHING = 100_000


def search(scope: Scope, query: dict[str, str]) -> Json:
    """GET /v1/reporting/transactions, oldest first. Raises ApiError as PayPal does."""
    since, until = _moment(query, "start_date"), _moment(query, "end_date")
    if until < since or (until - since).total_seconds() > MAX_DAYS * 86_400:
        description = "Date range is greater than 31 days, or ends before it begins."
        raise errors.invalid("INVALID_PARAMETER_VALUE", "end_date", description, location="query")
    size, page = _number(query, "page_size", 100, 500), _number(query, "page", 1, 2**31)
    lag = int(scope.tx.setting("list_lag_seconds", 0))
    found = _all(scope, since=int(since.timestamp()), until=min(int(until.timestamp()), scope.now - lag))
    if wanted := query.get("transaction_id"):
        found = [each for each in found if each.id == wanted]
    shown = found[(page - 1) * size : page * size]
    return {
        "transaction_details": [{"transaction_info": _info(scope, each)} for each in shown],
        "account_number": scope.account,
        "start_date": query["start_date"],
        "end_date": query["end_date"],
        "last_refreshed_datetime": written(scope.now - lag),
        "page": page,
        "total_items": len(found),
        "total_pages": -(-len(found) // size),
        "links": [{"href": f"{scope.base_url}/v1/reporting/transactions", "rel": "self", "method": "GET"}],
    }


def balances(scope: Scope, _query: dict[str, str]) -> Json:
    """GET /v1/reporting/balances: whose account this is, and what its captures came to."""
    totals: dict[str, int] = {}
    for each in _all(scope, since=0, until=scope.now):
        if _STATUS[each.data["status"]] == "S":
            currency = each.data["amount"]["currency_code"]
            totals[currency] = totals.get(currency, 0) + _signed(each)
    return {
        "balances": [
            {
                "currency": currency,
                "primary": position == 0,
                "total_balance": money.money(total, currency),
                "available_balance": money.money(total, currency),
                "withheld_balance": money.money(0, currency),
            }
            for position, (currency, total) in enumerate(sorted(totals.items()))
        ],
        "account_id": scope.account,
        "as_of_time": written(scope.now),
        "last_refresh_time": written(scope.now),
    }


def _all(scope: Scope, *, since: int, until: int) -> list[Stored]:
    window = Window(limit=_EVERYTHING, since=since, until=until)
    found = [each for kind in _KINDS for each in objects.page(scope.tx, kind=kind, window=window)[0]]
    return sorted(found, key=lambda each: (each.data["created"], each.id))


def _signed(stored: Stored) -> int:
    amount = money.minor(stored.data["amount"], "/amount")
    return -amount if stored.data["kind"] == "refund" else amount


def _info(scope: Scope, stored: Stored) -> Json:
    currency = stored.data["amount"]["currency_code"]
    is_refund = stored.data["kind"] == "refund"
    reference = stored.private["capture"] if is_refund else stored.private["order"]
    told: Json = {
        "paypal_account_id": "SANDBXPAYER22",
        "transaction_id": stored.id,
        "paypal_reference_id": reference,
        "paypal_reference_id_type": "TXN" if is_refund else "ODR",
        "transaction_event_code": _CODES[stored.data["kind"]],
        "transaction_initiation_date": written(stored.data["created"]),
        "transaction_updated_date": stored.data["update_time"],
        "transaction_amount": money.money(_signed(stored), currency),
        "transaction_status": _STATUS[stored.data["status"]],
        "protection_eligibility": "01",
    }
    fee = stored.data.get("seller_receivable_breakdown", {}).get("paypal_fee")
    if fee is not None:
        told["fee_amount"] = money.money(-money.minor(fee, "/fee"), currency)
    if custom := stored.data.get("custom_id"):
        told["custom_field"] = custom
    return told


def _moment(query: dict[str, str], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(query[name])
    except (KeyError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        description = "Invalid date passed: use the Internet date and time format, with an offset."
        raise errors.invalid("INVALID_PARAMETER_SYNTAX", name, description, location="query")
    return moment


def _number(query: dict[str, str], name: str, default: int, high: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= high):
        raise errors.invalid("INVALID_PARAMETER_VALUE", name, "The value of a field is invalid.", location="query")
    return int(text)
