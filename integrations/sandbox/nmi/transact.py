"""POST /api/transact.php: NMI's classic payment API, form in, form out. https://docs.nmi.com/reference/payment-api

As strict as can be: a field that is not known here is refused, and card data above all. There is no idempotency; what
NMI has is `dup_seconds` (the same card and amount within so many seconds is refused) and the single-use token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

from integrations.sandbox import objects
from integrations.sandbox.nmi import cards, tokens, transactions
from integrations.sandbox.nmi.cards import Outcome
from integrations.sandbox.nmi.errors import Refused
from integrations.sandbox.nmi.scope import Scope
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.wire import Json

DEFAULT_DUP_SECONDS = 1200
MAX_DUP_SECONDS = 7_862_400
_KEY = re.compile(r"sandbox_[A-Za-z0-9_]{8,}")
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,7})\.([0-9]{2})")
_ORDER_ID = re.compile(r"[\x21-\x7e]{1,64}")
_CARD_FIELDS = frozenset({"ccnumber", "ccexp", "cvv", "checkaccount", "checkaba"})
_FIELDS = {
    "sale": {"payment_token", "amount", "currency", "orderid", "order_description", "ponumber", "email", "dup_seconds"},
    "void": {"transactionid", "payment"},
    "refund": {"transactionid", "amount", "payment", "orderid", "order_description", "ponumber"},
}
_NEEDED = {
    "sale": ("payment_token", "amount", "orderid"),
    "void": ("transactionid",),
    "refund": ("transactionid", "amount"),
}


def authorised(key: str) -> bool:
    """Whether this is a security key of the stand-in's account."""
    return bool(_KEY.fullmatch(key))


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form; one that stands twice is refused. Raises Refused."""
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Refused("Duplicate field")
    return form


def answer(scope: Scope, form: Mapping[str, str]) -> bytes:
    """Executes one request and returns NMI's answer."""
    kind = form.get("type", "")
    try:
        _check(form, kind)
        made, outcome = _VERBS[kind](scope, form)
    except Refused as refused:
        return _told(Outcome(3, refused.code, refused.text, cvv=""), "", form, kind)
    return _told(outcome, made.id, {**form, "orderid": made.data["order_id"]}, kind)


def _told(outcome: Outcome, transaction_id: str, form: Mapping[str, str], kind: str) -> bytes:
    return urlencode(
        {
            "response": outcome.response,
            "responsetext": outcome.text,
            "authcode": "123456" if outcome.response == 1 and kind == "sale" else "",
            "transactionid": transaction_id,
            "avsresponse": outcome.avs,
            "cvvresponse": outcome.cvv if kind == "sale" else "",
            "orderid": form.get("orderid", ""),
            "type": kind,
            "response_code": outcome.code,
        }
    ).encode()


def _check(form: Mapping[str, str], kind: str) -> None:
    if not authorised(form.get("security_key", "")):
        raise Refused("Authentication Failed")
    if kind not in _VERBS:
        raise Refused("Invalid Transaction Type")
    sent = set(form) - {"security_key", "type"}
    if sent & _CARD_FIELDS:
        raise Refused("Card data must not pass through the shop: send a payment_token")
    if unknown := sorted(sent - _FIELDS[kind]):
        raise Refused(f"Unknown field {unknown[0]}")
    for name in _NEEDED[kind]:
        if not form.get(name):
            raise Refused(f"{name} is required")


def _amount(text: str) -> int:
    found = _AMOUNT.fullmatch(text)
    minor = int(found[1]) * 100 + int(found[2]) if found else 0
    if minor <= 0:
        raise Refused("Invalid amount")
    return minor


def _sell(scope: Scope, form: Mapping[str, str]) -> tuple[Stored, Outcome]:
    amount_minor = _amount(form["amount"])
    currency = form.get("currency", "USD")
    if currency not in transactions.CURRENCIES:
        raise Refused("The currency is not supported by the processor")
    if not _ORDER_ID.fullmatch(form["orderid"]):
        raise Refused("Invalid orderid")
    dup_seconds = _dup_seconds(form)
    card = tokens.consume(scope, form["payment_token"])
    if card is None:
        raise Refused("Payment Token does not exist")
    if dup_seconds and _sold_lately(scope, card, amount_minor, dup_seconds):
        raise Refused("Duplicate transaction")
    outcome = cards.outcome(card["behaves_as"], amount_minor=amount_minor)
    sale = transactions.sell(
        scope, order_id=form["orderid"], amount_minor=amount_minor, currency=currency, card=card, outcome=outcome,
        described={**_described(form), "email": form.get("email", "")},
    )  # fmt: skip
    return sale, outcome


def _dup_seconds(form: Mapping[str, str]) -> int:
    text = form.get("dup_seconds", str(DEFAULT_DUP_SECONDS))
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_DUP_SECONDS):
        raise Refused("Invalid dup_seconds")
    return int(text)


def _sold_lately(scope: Scope, card: Json, amount_minor: int, seconds: int) -> bool:
    found, _ = objects.page(scope.tx, kind="transaction", window=Window(limit=1000, since=scope.now - seconds))
    same = (card["fingerprint"], amount_minor)
    return any(
        (each.data["cc_hash"], each.data["amount_minor"]) == same and each.data["condition"] != "failed"
        for each in found
        if not each.data["original_transaction_id"]
    )


def _named(scope: Scope, form: Mapping[str, str]) -> Stored:
    found = scope.find("transaction", form["transactionid"])
    if found is None or form.get("payment", "creditcard") != "creditcard":
        raise Refused("Invalid Transaction ID specified")
    return found


def _void(scope: Scope, form: Mapping[str, str]) -> tuple[Stored, Outcome]:
    return transactions.void(scope, _named(scope, form)), Outcome(1, 100, "Transaction Void Successful")


def _refund(scope: Scope, form: Mapping[str, str]) -> tuple[Stored, Outcome]:
    sale = _named(scope, form)
    described = _described(form)
    if form.get("orderid"):
        described["order_id"] = form["orderid"]
    given = transactions.refund(scope, sale, amount_minor=_amount(form["amount"]), described=described)
    return given, cards.APPROVED


def _described(form: Mapping[str, str]) -> Json:
    return {
        "order_description": form.get("order_description", ""),
        "ponumber": form.get("ponumber", ""),
        "email": "",
    }


_VERBS: dict[str, Callable[[Scope, Mapping[str, str]], tuple[Stored, Outcome]]] = {
    "sale": _sell,
    "void": _void,
    "refund": _refund,
}
