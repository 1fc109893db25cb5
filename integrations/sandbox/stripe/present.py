"""Turns stored objects into what the API shows: computed fields, includable fields and `expand[]`."""

from __future__ import annotations

from collections.abc import Iterable

from integrations.sandbox import objects, webhooks
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.stripe import errors
from integrations.sandbox.stripe.scope import Scope
from integrations.sandbox.wire import Json

MAX_EXPAND_DEPTH = 4
MAX_NESTED_ITEMS = 10

#: kind -> expandable field -> the kind found there. Lists stand as "list:kind".
EXPANDABLE = {
    "checkout.session": {"payment_intent": "payment_intent", "line_items": "list:item"},
    "payment_intent": {"latest_charge": "charge", "payment_method": "payment_method"},
    "charge": {
        "balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
        "refunds": "list:refund",
        "failure_balance_transaction": "balance_transaction",
    },
    "refund": {
        "charge": "charge",
        "payment_intent": "payment_intent",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
        "payment_method": "payment_method",
    },
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "balance_transaction": {"source": "any"},
    "payout": {
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
        "original_payout": "payout",
        "reversed_by": "payout",
    },
    "payment_method": {},
    "event": {},
    "account": {},
    "item": {},
}
_ANY = {name: kind for fields in (EXPANDABLE["charge"], EXPANDABLE["refund"]) for name, kind in fields.items()}


def check_expand(kind: str, paths: Iterable[str], *, many: bool) -> list[list[str]]:
    """Splits the paths and refuses what this kind cannot expand. Paths of a list start with `data`. Raises ApiError."""
    checked = []
    for path in paths:
        parts = path.split(".")
        if len(parts) > MAX_EXPAND_DEPTH + (1 if many else 0):
            message = f"You cannot expand more than {MAX_EXPAND_DEPTH} levels of a property ({path})."
            raise errors.invalid("expand", message, code="property_expansion_max_depth")
        if many:
            if parts[0] != "data":
                raise _not_expandable(path)
            parts = parts[1:]
        _check_path(kind, parts, path)
        checked.append(parts)
    return checked


def _check_path(kind: str, parts: list[str], path: str) -> None:
    for part in parts:
        if kind.startswith("list:"):
            if part != "data":
                raise _not_expandable(path)
            kind = kind.removeprefix("list:")
            continue
        fields = _ANY if kind == "any" else EXPANDABLE[kind]
        if part not in fields:
            raise _not_expandable(path)
        kind = fields[part]


def _not_expandable(path: str) -> errors.ApiError:
    message = f"This property cannot be expanded ({path}). You may want to try expanding a different property."
    return errors.invalid("expand", message)


def show(scope: Scope, stored: Stored, paths: Iterable[list[str]] = ()) -> Json:
    """The object as the API shows it, with the (checked) paths expanded."""
    data = dict(stored.data)
    if data["object"] == "checkout.session":
        is_open = data["status"] == "open" and data["ui_mode"] == "hosted_page"
        data["url"] = f"{scope.base_url}/c/pay/{data['id']}" if is_open else None
    elif data["object"] == "event":
        data["pending_webhooks"] = webhooks.pending_count(scope.tx, data["id"])
    elif data["object"] == "balance_transaction":
        data["status"] = "available" if data["available_on"] <= scope.now else "pending"
    by_field: dict[str, list[list[str]]] = {}
    for path in paths:
        if path:
            by_field.setdefault(path[0], []).append(path[1:])
    for field, rest in by_field.items():
        data[field] = _expanded(scope, stored, field, rest)
    return data


def _expanded(scope: Scope, stored: Stored, field: str, rest: list[list[str]]) -> object:
    if field == "line_items":
        items = stored.private.get("line_items", [])[:MAX_NESTED_ITEMS]
        has_more = len(stored.private.get("line_items", [])) > MAX_NESTED_ITEMS
        return listing(items, url=f"/v1/checkout/sessions/{stored.id}/line_items", has_more=has_more)
    if field == "refunds":
        window = Window(limit=MAX_NESTED_ITEMS)
        found, has_more = objects.page(scope.tx, kind="refund", window=window, filters={"charge": [stored.id]})
        inner = [path[1:] for path in rest if path]
        refunds = [show(scope, refund, inner) for refund in found]
        return listing(refunds, url=f"/v1/charges/{stored.id}/refunds", has_more=has_more)
    value = stored.data.get(field)
    found_one = scope.find(value) if isinstance(value, str) else None
    return value if found_one is None else show(scope, found_one, rest)


def listing(data: list[Json], *, url: str, has_more: bool) -> Json:
    """Stripe's list envelope."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}
