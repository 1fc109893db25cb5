"""PayPal-specific control verbs: approve, settle, refund, dispute, edit, and make hostile events."""

from __future__ import annotations

from collections.abc import Callable

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.paypal import captures, disputes, events, money, orders, tokens
from integrations.sandbox.paypal.scope import Scope
from integrations.sandbox.wire import Json

Verb = Callable[[Scope, Json], Json]
EFFECT_LIMIT = 100_000


def run(scope: Scope, verb: str, args: Json) -> Json | None:
    """The verb's answer, or None when it is not one of ours. Raises ApiError for wrong states, LookupError for ids."""
    known = VERBS.get(verb)
    return None if known is None else known(scope, args)


def _get(scope: Scope, object_id: str) -> Stored:
    stored = objects.get(scope.tx, object_id)
    if stored is None:
        raise LookupError(f"no object {object_id!r}")
    return stored


def show(scope: Scope, stored: Stored) -> Json:
    """Any object as PayPal shows it."""
    match stored.data["kind"]:
        case "order":
            return orders.show(scope, stored)
        case "dispute":
            return disputes.show(scope, stored)
        case "capture" | "refund" | "authorization":
            return captures.alone(scope, stored)
    return dict(stored.data)


def approve(scope: Scope, args: Json) -> Json:
    """Presses *Approve* for the payer. args: order, outcome (kind, code, reason, issue)."""
    order = _get(scope, args["order"])
    outcome = args.get("outcome") or {"kind": "completed"}
    if outcome.get("kind") not in captures.OUTCOMES:
        raise ValueError(f"outcome.kind must be one of {', '.join(captures.OUTCOMES)}")
    orders.approve(scope, order, outcome=outcome)
    return orders.show(scope, order)


def reverse_approval(scope: Scope, args: Json) -> Json:
    """Nobody captured in time: PayPal takes the approval back. args: order."""
    order = _get(scope, args["order"])
    orders.reverse_approval(scope, order)
    return orders.show(scope, order)


def force_capture(scope: Scope, args: Json) -> Json:
    """Money moves although the shop did not ask (late or second money, hostile). args: order, amount (minor units),
    currency.
    """
    order = _get(scope, args["order"])
    unit = dict(order.data["purchase_units"][0])
    if args.get("amount") is not None:
        currency = args.get("currency") or unit["amount"]["currency_code"]
        unit["amount"] = money.money(args["amount"], currency)
    order.data["status"] = "COMPLETED"
    scope.save(order)
    return captures.alone(scope, captures.create(scope, order_id=order.id, unit=unit, outcome={"kind": "completed"}))


def settle(scope: Scope, args: Json) -> Json:
    """PayPal's late answer to a pending capture. args: capture, success."""
    capture = _get(scope, args["capture"])
    captures.settle(scope, capture, success=args["success"])
    return captures.alone(scope, capture)


def create_refund(scope: Scope, args: Json) -> Json:
    """A refund made in PayPal's own pages. args: capture, amount (minor units, default all that is left), pending."""
    capture = _get(scope, args["capture"])
    currency = capture.data["amount"]["currency_code"]
    body = {"amount": money.money(args["amount"], currency)} if args.get("amount") is not None else {}
    return captures.show(scope, captures.refund(scope, capture, body, pending=bool(args.get("pending"))))


def move_refund(scope: Scope, args: Json) -> Json:
    """What the bank does to a refund. args: id, status (COMPLETED, FAILED, CANCELLED)."""
    return captures.show(scope, captures.move_refund(scope, _get(scope, args["id"]), status=args["status"]))


def reverse_capture(scope: Scope, args: Json) -> Json:
    """PayPal takes the money back. args: capture."""
    return captures.show(scope, captures.reverse(scope, _get(scope, args["capture"])))


def hold_refunds(scope: Scope, args: Json) -> Json:
    """Refunds made from now on stay pending (or no longer). args: pending."""
    scope.tx.set_setting("refunds_pending", int(bool(args["pending"])))
    return {}


def create_dispute(scope: Scope, args: Json) -> Json:
    """The payer disputes a capture. args: capture, reason, inquiry, amount (minor units)."""
    dispute = disputes.create(
        scope,
        _get(scope, args["capture"]),
        reason=args.get("reason") or "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
        inquiry=bool(args.get("inquiry")),
        amount=args.get("amount"),
    )
    return disputes.show(scope, dispute)


def move_dispute(scope: Scope, args: Json) -> Json:
    """What PayPal does to a dispute. args: id, to (escalated, under_review, won, lost, cancelled)."""
    return disputes.show(scope, disputes.move(scope, _get(scope, args["id"]), to=args["to"]))


def create_event(scope: Scope, args: Json) -> Json:
    """Any event. args: type, object (id or whole resource), changes (over it), overrides (over the event), kind."""
    subject = args.get("object")
    resource = show(scope, _get(scope, subject)) if isinstance(subject, str) else dict(subject or {})
    resource |= args.get("changes") or {}
    kind = args.get("kind") or "capture"
    stored = events.record(
        scope, event_type=args["type"], resource=resource, kind=kind, overrides=args.get("overrides")
    )
    return dict(stored.data)


def get_object(scope: Scope, args: Json) -> Json:
    """Any object. args: id."""
    return show(scope, _get(scope, args["id"]))


def patch_object(scope: Scope, args: Json) -> Json:
    """Overwrites top-level members without events, as if PayPal had always said so. args: id, changes."""
    stored = _get(scope, args["id"])
    stored.data |= args["changes"]
    scope.save(stored)
    return show(scope, stored)


def delete_object(scope: Scope, args: Json) -> Json:
    """Makes PayPal forget an object. args: id."""
    return {"deleted": objects.delete(scope.tx, args["id"])}


def effects(scope: Scope, _args: Json) -> Json:
    """The oracle: per order, the money that really moved, in minor units."""
    found, _ = objects.page(scope.tx, kind="order", window=Window(limit=EFFECT_LIMIT))
    return {"effects": [_effect(scope, order) for order in reversed(found)]}


def _effect(scope: Scope, order: Stored) -> Json:
    made, given = scope.of("capture", "order", order.id), scope.of("refund", "order", order.id)
    disputed = scope.of("dispute", "order", order.id)
    unit = order.data["purchase_units"][0]
    moved = [one for one in made if one.data["status"] in ("COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED")]
    back = [one for one in given if one.data["status"] in ("COMPLETED", "PENDING")]
    return {
        "payment_intent": order.id,
        "session": order.id,
        "metadata": {"attempt": unit.get("custom_id", "")},
        "status": order.data["status"],
        "currency": unit["amount"]["currency_code"],
        "charges": [_pick(one) for one in made],
        "refunds": [_pick(one) for one in given],
        "disputes": [{"id": one.id, "status": one.data["status"]} for one in disputed],
        "captured_minor": sum(_minor(one) for one in moved),
        "refunded_minor": sum(_minor(one) for one in back),
        "withdrawn_minor": -sum(
            money.minor(move["amount"], "/amount") * (1 if move["type"] == "CREDIT" else -1)
            for one in disputed
            for move in one.data["money_movements"]
        ),
    }


def _minor(stored: Stored) -> int:
    return money.minor(stored.data["amount"], "/amount")


def _pick(stored: Stored) -> Json:
    return {"id": stored.id, "amount": _minor(stored), "status": stored.data["status"]}


VERBS: dict[str, Verb] = {
    "orders.approve": approve,
    "orders.reverse_approval": reverse_approval,
    "orders.force_capture": force_capture,
    "captures.settle": settle,
    "captures.reverse": reverse_capture,
    "refunds.create": create_refund,
    "refunds.move": move_refund,
    "refunds.hold": hold_refunds,
    "disputes.create": create_dispute,
    "disputes.move": move_dispute,
    "events.create": create_event,
    "tokens.expire": tokens.expire_all,
    "objects.get": get_object,
    "objects.patch": patch_object,
    "objects.delete": delete_object,
    "effects": effects,
}
