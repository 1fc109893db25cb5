"""Square-specific control verbs: pay a link, make tokens, refund, dispute, pay out, edit, and make hostile events."""

from __future__ import annotations

from collections.abc import Callable

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored
from integrations.sandbox.square import cards, disputes, events, frame, links, orders, payouts, refunds
from integrations.sandbox.square.scope import Scope, new_id
from integrations.sandbox.wire import Json

Verb = Callable[[Scope, Json], Json]
GOOD_CARD = "4111111111111111"


class Switches:
    """The verbs by name."""

    def __init__(self) -> None:
        self._verbs: dict[str, Verb] = {
            "links.pay": pay_link,
            "tokens.create": create_token,
            "refunds.create": create_refund,
            "refunds.hold": hold_refunds,
            "refunds.move": move_refund,
            "disputes.create": create_dispute,
            "disputes.move": move_dispute,
            "payouts.create": lambda scope, _args: payouts.create(scope).data,
            "payouts.move": move_payout,
            "balance.adjust": adjust_balance,
            "events.create": create_event,
            "events.enable": enable_events,
            "webhooks.sign_for": sign_for,
            "account.show": lambda scope, _args: dict(vars(scope.account)),
            "objects.get": lambda scope, args: _get(scope, args["id"]).data,
            "objects.patch": patch_object,
            "objects.delete": lambda scope, args: {"deleted": objects.delete(scope.tx, args["id"])},
            "effects": effects,
        }

    def run(self, scope: Scope, verb: str, args: Json) -> Json | None:
        """The verb's answer, or None when it is not one of ours. Raises ApiError and LookupError."""
        known = self._verbs.get(verb)
        return None if known is None else known(scope, args)


def _get(scope: Scope, object_id: str) -> Stored:
    stored = scope.find(object_id)
    if stored is None:
        raise LookupError(f"no object {object_id!r}")
    return stored


def _card(args: Json, scope: Scope) -> cards.Card:
    number = str(args.get("card") or GOOD_CARD)
    card = cards.read({"number": number, "expiry": "12/34", "cvc": str(args.get("cvc") or "111")}, now=scope.now)
    if isinstance(card, cards.Wrong):
        raise ValueError(card.message)
    return card


def pay_link(scope: Scope, args: Json) -> Json:
    """Presses *Pay* on a link's page, however often, and also where it was deleted. args: link, card, cvc, amount,
    currency, verified (whether the bank's check is passed; yes)."""
    link = _get(scope, args["link"])
    payment = links.pay(
        scope,
        link,
        _card(args, scope),
        verified=args.get("verified", True),
        amount=args.get("amount"),
        currency=args.get("currency") or "",
    )
    refused = payment.data["card_details"].get("errors")
    return {"payment": payment.data, "decline_code": refused[0]["code"] if refused else None}


def create_token(scope: Scope, args: Json) -> Json:
    """What the frame hands out for a card. args: card, cvc."""
    return {"token": frame.new_token(scope, _card(args, scope))}


def create_refund(scope: Scope, args: Json) -> Json:
    """A refund made in the dashboard. args: payment, amount (minor units), reason."""
    payment = _get(scope, args["payment"])
    amount = args.get("amount") or refunds.left_of(scope, payment)
    return refunds.make(scope, payment, orders.money(scope, amount), reason=args.get("reason", "")).data


def hold_refunds(scope: Scope, args: Json) -> Json:
    """Leaves new refunds PENDING, or no longer. args: hold."""
    scope.tx.set_setting(refunds.HOLD_SETTING, bool(args["hold"]))
    return {"hold": bool(args["hold"])}


def move_refund(scope: Scope, args: Json) -> Json:
    """What the bank does to a refund. args: id, status."""
    return refunds.move(scope, scope.get("refund", args["id"]), status=args["status"]).data


def create_dispute(scope: Scope, args: Json) -> Json:
    """The cardholder's bank disputes a payment. args: payment, reason, inquiry, amount."""
    made = disputes.create(
        scope,
        _get(scope, args["payment"]),
        reason=args.get("reason") or "NO_KNOWLEDGE",
        inquiry=bool(args.get("inquiry")),
        amount=args.get("amount"),
    )
    return made.data


def move_dispute(scope: Scope, args: Json) -> Json:
    """What the bank does to a dispute. args: id, state."""
    return disputes.move(scope, scope.get("dispute", args["id"]), state=args["state"]).data


def move_payout(scope: Scope, args: Json) -> Json:
    """What the bank does to a payout. args: id, status."""
    return payouts.move(scope, scope.get("payout", args["id"]), status=args["status"]).data


def adjust_balance(scope: Scope, args: Json) -> Json:
    """A movement of the balance without a cause; it is in the next payout. args: amount (signed minor units)."""
    amount = int(args["amount"])
    return scope.insert("adjustment", {"id": f"adjustment:{new_id(12)}", "amount": amount}).data


def create_event(scope: Scope, args: Json) -> Json:
    """Any event. args: type, data, overrides (over the event)."""
    told = {"type": args["type"], "data": args.get("data") or {}, **(args.get("overrides") or {})}
    event: Json = events.record(scope, told).data["event"]
    return event


def enable_events(scope: Scope, args: Json) -> Json:
    """Switches the search of events on or off, as the developer's console does. args: enabled."""
    scope.tx.set_setting(events.SEARCH_SETTING, bool(args["enabled"]))
    return {"enabled": bool(args["enabled"])}


def sign_for(scope: Scope, args: Json) -> Json:
    """Signs for another notification URL than the one that is posted to. args: url (empty: the one posted to)."""
    scope.tx.set_setting(events.SIGNED_URL_SETTING, args["url"] or None)
    return {"url": args["url"]}


def patch_object(scope: Scope, args: Json) -> Json:
    """Overwrites top-level fields without events, as if Square had always said so. args: id, changes."""
    stored = _get(scope, args["id"])
    stored.data |= args["changes"]
    objects.save(scope.tx, stored, links=stored.private["links"])
    return stored.data


def effects(scope: Scope, _args: Json) -> Json:
    """The oracle: per order (or payment without one), the money that really moved, in minor units."""
    found: dict[str, Json] = {}
    for payment in reversed(scope.every("payment")):
        name = payment.data.get("order_id") or payment.id
        order = scope.find(payment.data.get("order_id"))
        effect = found.setdefault(
            name,
            {
                "order_id": payment.data.get("order_id"),
                "reference": (order.data if order else payment.data).get("reference_id", ""),
                "payments": [],
                "refunds": [],
                "captured_minor": 0,
                "refunded_minor": 0,
            },
        )
        amount = payment.data["total_money"]["amount"]
        effect["payments"].append({"id": payment.id, "amount": amount, "status": payment.data["status"]})
        if payment.data["status"] != "COMPLETED":
            continue
        effect["captured_minor"] += amount
        for refund in scope.linked("refund", "payment", payment.id):
            given = refund.data["amount_money"]["amount"]
            effect["refunds"].append({"id": refund.id, "amount": given, "status": refund.data["status"]})
            effect["refunded_minor"] += given if refund.data["status"] in ("PENDING", "COMPLETED") else 0
    return {"effects": list(found.values())}
