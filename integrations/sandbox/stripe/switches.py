"""Stripe-specific control verbs: pay, authenticate, settle, refund, dispute, edit, and make hostile events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.stripe import (
    balance,
    cards,
    charges,
    disputes,
    errors,
    events,
    payments,
    payouts,
    present,
    refunds,
    sessions,
)
from integrations.sandbox.stripe.payment_methods import CardDetails
from integrations.sandbox.stripe.scope import Scope
from integrations.sandbox.wire import Json

Verb = Callable[[Scope, Json], Json]
EFFECT_LIMIT = 100_000


class Switches:
    """The verbs by name."""

    def __init__(self) -> None:
        self._verbs: dict[str, Verb] = {
            "sessions.pay": pay,
            "sessions.pay_again": pay_again,
            "payments.authenticate": authenticate,
            "payments.settle": settle,
            "refunds.create": create_refund,
            "refunds.move": move_refund,
            "disputes.create": create_dispute,
            "disputes.move": move_dispute,
            "payouts.create": pay_out,
            "payouts.complete": complete_payout,
            "payouts.move": move_payout,
            "balance.adjust": adjust_balance,
            "balance.settle_in": settle_in,
            "events.create": create_event,
            "objects.get": get_object,
            "objects.patch": patch_object,
            "objects.delete": delete_object,
            "effects": effects,
        }

    def run(self, scope: Scope, verb: str, args: Json) -> Json | None:
        """The verb's answer, or None when it is not one of ours. Raises ApiError for wrong states and LookupError for
        ids.
        """
        known = self._verbs.get(verb)
        return None if known is None else known(scope, args)


def _get(scope: Scope, object_id: str) -> Stored:
    stored = scope.find(object_id)
    if stored is None:
        raise LookupError(f"no object {object_id!r}")
    return stored


def pay(scope: Scope, args: Json) -> Json:
    """Presses *Pay* for the shopper. args: session, card (number), method (card|debit), email, force, amount, currency.

    `force` pays a session that has expired or is complete, as no real provider would: late or second money. `amount`
    (minor units) and `currency` replace what is charged and what the session shows.
    """
    session = _get(scope, args["session"])
    first_intent = _reopen(scope, session) if args.get("force") else None
    overrides = {"amount_total": args.get("amount"), "currency": args.get("currency")}
    session.data |= {name: value for name, value in overrides.items() if value is not None}
    scope.save(session)
    email = args.get("email") or session.data["customer_email"] or "shopper@shop.example"
    decline = None
    if args.get("method") == "debit":
        sessions.pay_by_debit(scope, session, email=email)
    else:
        number = str(args.get("card") or "4242424242424242").replace(" ", "")
        behaviour = cards.find(number)
        if isinstance(behaviour, cards.Decline):
            raise errors.ApiError(behaviour.message, code=behaviour.code)
        card = CardDetails(number, 12, 2034)
        decline = sessions.pay_by_card(scope, session, card=card, behaviour=behaviour, email=email)
    intent_id = session.data["payment_intent"]
    if first_intent is not None:
        session.data["payment_intent"] = first_intent
        scope.save(session)
    return {
        "session": present.show(scope, session),
        "payment_intent": intent_id,
        "decline_code": (decline.decline_code or decline.code) if decline else None,
    }


def _reopen(scope: Scope, session: Stored) -> str | None:
    """Makes a closed session payable once more; returns its paid intent, which it shall keep naming afterwards."""
    session.data["status"] = "open"
    intent = scope.find(session.data["payment_intent"])
    if intent is None or intent.data["status"] in payments.CONFIRMABLE:
        return None
    session.data["payment_intent"] = None
    return intent.id if intent.data["status"] != "canceled" else None


def pay_again(scope: Scope, args: Json) -> Json:
    """A second succeeded charge on a paid session's own intent. args: session, amount (minor units)."""
    session = _get(scope, args["session"])
    intent = _get(scope, session.data["payment_intent"])
    first = _get(scope, intent.data["latest_charge"])
    method = _get(scope, first.data["payment_method"])
    charge = charges.create(scope, intent, method, status="succeeded", captured=True)
    if args.get("amount") is not None:
        charge.data |= {"amount": args["amount"], "amount_captured": args["amount"]}
    scope.save(charge)
    events.emit(scope, "charge.succeeded", charge)
    payments.succeed(scope, intent, charge)
    return {"charge": charge.id, "payment_intent": intent.id}


def _intent_and_session(scope: Scope, args: Json) -> tuple[Stored, Stored | None]:
    stored = _get(scope, args["id"])
    if stored.data["object"] == "checkout.session":
        return _get(scope, stored.data["payment_intent"]), stored
    return stored, scope.find(stored.private.get("session"))


def authenticate(scope: Scope, args: Json) -> Json:
    """Ends a 3-D Secure challenge. args: id (session or intent), success."""
    intent, session = _intent_and_session(scope, args)
    if session is None:
        decline = payments.authenticate(scope, intent, success=args["success"])
    else:
        decline = sessions.authenticate(scope, session, success=args["success"])
    return {
        "payment_intent": intent.id,
        "decline_code": (decline.decline_code or decline.code) if decline else None,
    }


def settle(scope: Scope, args: Json) -> Json:
    """The bank's answer to a debit. args: id (session or intent), success."""
    intent, session = _intent_and_session(scope, args)
    if session is None:
        payments.settle_debit(scope, intent, success=args["success"])
    else:
        sessions.settle_debit(scope, session, success=args["success"])
    return {"payment_intent": intent.id}


def create_refund(scope: Scope, args: Json) -> Json:
    """A refund made in the provider's dashboard. args as for POST /v1/refunds, typed."""
    return present.show(scope, refunds.create(scope, args))


def move_refund(scope: Scope, args: Json) -> Json:
    """What the bank does to a refund. args: id, status, failure_reason."""
    refund = _get(scope, args["id"])
    moved = refunds.move(scope, refund, status=args["status"], failure_reason=args.get("failure_reason"))
    return present.show(scope, moved)


def create_dispute(scope: Scope, args: Json) -> Json:
    """The cardholder's bank disputes an intent's latest charge. args: payment_intent, reason, inquiry, amount."""
    charge = _get(scope, _get(scope, args["payment_intent"]).data["latest_charge"])
    wanted = {name: args[name] for name in ("reason", "inquiry", "amount") if args.get(name) is not None}
    return present.show(scope, disputes.create(scope, charge, **wanted))


def move_dispute(scope: Scope, args: Json) -> Json:
    """What the bank does to a dispute. args: id, status."""
    return present.show(scope, disputes.move(scope, scope.get("dispute", args["id"]), status=args["status"]))


def pay_out(scope: Scope, args: Json) -> Json:
    """Pays out. args: currency, automatic, amount (manual only), early, reconciled."""
    made = payouts.create(
        scope,
        currency=args.get("currency", "eur"),
        amount=args.get("amount"),
        automatic=args.get("automatic", True),
        early=args.get("early", False),
        reconciled=args.get("reconciled", True),
    )
    return present.show(scope, made)


def complete_payout(scope: Scope, args: Json) -> Json:
    """Ends Stripe's reconciliation of an automatic payout. args: id."""
    return present.show(scope, payouts.complete(scope, scope.get("payout", args["id"])))


def move_payout(scope: Scope, args: Json) -> Json:
    """What the bank does to a payout. args: id, status, failure_code."""
    payout = scope.get("payout", args["id"])
    moved = payouts.move(scope, payout, status=args["status"], failure_code=args.get("failure_code"))
    return present.show(scope, moved)


def adjust_balance(scope: Scope, args: Json) -> Json:
    """An entry without a source: an adjustment, or a fee of the account. args: amount (signed), currency, kind."""
    kind = args.get("kind", "adjustment")
    if kind not in ("adjustment", "stripe_fee"):
        raise ValueError("kind must be adjustment or stripe_fee")
    entry = balance.post(
        scope, kind=kind, source=None, amount=args["amount"], currency=args.get("currency", "eur"), charge_fee=0,
        description=args.get("description") or kind.replace("_", " ").capitalize(),
    )  # fmt: skip
    return present.show(scope, entry)


def settle_in(scope: Scope, args: Json) -> Json:
    """Converts what comes in from now on. args: currency, rates (of other currencies, as decimal text)."""
    settlement = {"currency": args["currency"], "rates": {code: str(rate) for code, rate in args["rates"].items()}}
    scope.tx.set_setting(balance.SETTLEMENT_SETTING, settlement if settlement["rates"] else None)
    return settlement


def create_event(scope: Scope, args: Json) -> Json:
    """Any event. args: type, object (id or whole object), changes (over the object), overrides (over the event)."""
    subject = args.get("object")
    snapshot = present.show(scope, _get(scope, subject)) if isinstance(subject, str) else dict(subject or {})
    snapshot |= args.get("changes") or {}
    stored = events.record(scope, event_type=args["type"], snapshot=snapshot, overrides=args.get("overrides"))
    return present.show(scope, stored)


def get_object(scope: Scope, args: Json) -> Json:
    """Any object. args: id."""
    return present.show(scope, _get(scope, args["id"]))


def patch_object(scope: Scope, args: Json) -> Json:
    """Overwrites top-level fields without events, as if the provider had always said so. args: id, changes."""
    stored = _get(scope, args["id"])
    stored.data |= args["changes"]
    scope.save(stored)
    return present.show(scope, stored)


def delete_object(scope: Scope, args: Json) -> Json:
    """Makes the provider forget an object. args: id."""
    return {"deleted": objects.delete(scope.tx, args["id"])}


def effects(scope: Scope, _args: Json) -> Json:
    """The oracle: per intent, the money that really moved, in minor units."""
    found, _ = objects.page(scope.tx, kind="payment_intent", window=Window(limit=EFFECT_LIMIT))
    return {"effects": [_effect(scope, intent) for intent in reversed(found)]}


def _effect(scope: Scope, intent: Stored) -> Json:
    made: list[Any] = objects.linked(scope.tx, kind="charge", name="payment_intent", value=intent.id)
    given = objects.linked(scope.tx, kind="refund", name="payment_intent", value=intent.id)
    disputed = objects.linked(scope.tx, kind="dispute", name="payment_intent", value=intent.id)
    return {
        "payment_intent": intent.id,
        "session": intent.private.get("session"),
        "metadata": intent.data["metadata"],
        "status": intent.data["status"],
        "currency": intent.data["currency"],
        "charges": [_pick(charge, "id", "amount_captured", "status") for charge in made],
        "refunds": [_pick(refund, "id", "amount", "status") for refund in given],
        "disputes": [_pick(dispute, "id", "amount", "status") for dispute in disputed],
        "captured_minor": sum(charge.data["amount_captured"] for charge in made),
        "refunded_minor": sum(r.data["amount"] for r in given if r.data["status"] in ("succeeded", "pending")),
        "withdrawn_minor": -sum(entry["amount"] for d in disputed for entry in d.data["balance_transactions"]),
    }


def _pick(stored: Stored, *names: str) -> Json:
    return {name: stored.data[name] for name in names}
