"""NMI-specific control verbs: sell, void, refund, settle, test mode, hostile events, and the oracle of what moved."""

from __future__ import annotations

from collections.abc import Callable

from integrations.sandbox import objects
from integrations.sandbox.nmi import cards, events, tokens, transactions
from integrations.sandbox.nmi.scope import Scope
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.wire import Json

Verb = Callable[[Scope, Json], Json]
EFFECT_LIMIT = 100_000


def run(scope: Scope, verb: str, args: Json) -> Json | None:
    """The verb's answer, or None when it is not one of ours. Raises Refused for wrong states, LookupError for ids."""
    known = _VERBS.get(verb)
    return None if known is None else known(scope, args)


def _get(scope: Scope, object_id: str) -> Stored:
    stored = objects.get(scope.tx, object_id)
    if stored is None:
        raise LookupError(f"no object {object_id!r}")
    return stored


def make_token(scope: Scope, args: Json) -> Json:
    """A token as the frames make it. args: card (number), expiry, cvv."""
    number = str(args.get("card") or "4111111111111111")
    return tokens.make(scope, number=number, expiry=args.get("expiry") or "12/34", cvv=args.get("cvv") or "123")


def sell(scope: Scope, args: Json) -> Json:
    """A sale by a person in NMI's virtual terminal. args: order_id, amount (minor units), currency, card, and authorize
    (the money is reserved and not taken)."""
    token = make_token(scope, args)["token"]
    card = tokens.consume(scope, token) or {}
    amount_minor = int(args["amount"])
    sale = transactions.sell(
        scope,
        order_id=args.get("order_id", ""),
        amount_minor=amount_minor,
        currency=args.get("currency", "USD"),
        card=card,
        outcome=cards.outcome(card["behaves_as"], amount_minor=amount_minor),
        described={"order_description": "", "ponumber": "", "email": ""},
        kind="auth" if args.get("authorize") else "sale",
    )
    return sale.data


def refund(scope: Scope, args: Json) -> Json:
    """Money given back in NMI's own pages: a refund of what is settled, else a void. args: id, amount (minor units)."""
    sale = _get(scope, args["id"])
    if sale.data["condition"] in transactions.UNSETTLED:
        return transactions.void(scope, sale, source="virtual_terminal").data
    amount_minor = args.get("amount")
    amount_minor = transactions.left_of(scope, sale) if amount_minor is None else int(amount_minor)
    described = {"order_description": "", "ponumber": "", "email": ""}
    return transactions.refund(
        scope, sale, amount_minor=amount_minor, described=described, source="virtual_terminal"
    ).data


def fail_refund(scope: Scope, args: Json) -> Json:
    """The processor refuses a refund after all. args: id."""
    given = _get(scope, args["id"])
    transactions.end_refund(scope, given)
    return given.data


def settle(scope: Scope, _args: Json) -> Json:
    """Ends the day: everything that is pending settlement is settled."""
    return {"settled": [each.id for each in transactions.settle(scope)]}


def test_mode(scope: Scope, args: Json) -> Json:
    """Switches the account's test mode. args: on."""
    scope.tx.set_setting(events.TEST_MODE_SETTING, bool(args["on"]))
    return {"on": events.is_test_mode(scope.tx)}


def create_event(scope: Scope, args: Json) -> Json:
    """Any event. args: type, body (members of event_body), overrides (over all of it)."""
    stored = events.record(
        scope, event_type=args["type"], body=dict(args.get("body") or {}), overrides=args.get("overrides")
    )
    return {"event_id": stored.id}


def get_object(scope: Scope, args: Json) -> Json:
    """Any object. args: id."""
    return _get(scope, args["id"]).data


def of_order(scope: Scope, args: Json) -> Json:
    """The transactions of an order id, oldest first. args: order_id."""
    return {"transactions": [each.data for each in scope.of_order(args["order_id"])]}


def patch_object(scope: Scope, args: Json) -> Json:
    """Overwrites top-level fields without events, as if the gateway had always said so. args: id, changes."""
    stored = _get(scope, args["id"])
    stored.data |= args["changes"]
    scope.save(stored)
    return stored.data


def delete_object(scope: Scope, args: Json) -> Json:
    """Makes the gateway forget an object. args: id."""
    return {"deleted": objects.delete(scope.tx, args["id"])}


def effects(scope: Scope, _args: Json) -> Json:
    """The oracle: per sale, the money that really moved, in minor units."""
    found, _ = objects.page(scope.tx, kind="transaction", window=Window(limit=EFFECT_LIMIT))
    return {"effects": [_effect(scope, each) for each in reversed(found) if not each.data["original_transaction_id"]]}


def _effect(scope: Scope, sale: Stored) -> Json:
    moved = sale.data["condition"] in ("pendingsettlement", "complete", "canceled")
    amount = sale.data["amount_minor"] if moved else 0
    given = [each.data for each in scope.refunds_of(sale) if each.data["condition"] != "failed"]
    return {
        "transaction_id": sale.id,
        "order_id": sale.data["order_id"],
        "condition": sale.data["condition"],
        "currency": sale.data["currency"],
        "captured_minor": amount,
        "refunded_minor": sum(each["amount_minor"] for each in given)
        + (amount if sale.data["condition"] == "canceled" else 0),
        "refunds": [{"id": each["id"], "amount_minor": each["amount_minor"]} for each in given],
    }


_VERBS: dict[str, Verb] = {
    "tokens.make": make_token,
    "sales.make": sell,
    "refunds.create": refund,
    "refunds.fail": fail_refund,
    "settle": settle,
    "test_mode": test_mode,
    "events.create": create_event,
    "objects.get": get_object,
    "objects.patch": patch_object,
    "objects.delete": delete_object,
    "transactions.of_order": of_order,
    "effects": effects,
}
