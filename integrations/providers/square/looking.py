"""Asking Square for the whole payment: its order, link, payments, refunds and disputes.

What our ids mean. Paid by link: the page is the link, the intent its order. Paid by token: the page is the order, the
intent Square's payment, once there is one. So "there is an intent" says of a token that it may have been charged.
"""

from __future__ import annotations

import re

from integrations.contract import InvalidRequest, ProviderError, ProviderIds, UnknownObject
from integrations.providers.answer_reading import Answer
from integrations.providers.square.answers import answers
from integrations.providers.square.client import Client, checked
from integrations.providers.square.money import from_square
from integrations.providers.square.snapshots import Payment, is_captured

_OPEN = frozenset({"DRAFT", "OPEN"})
# What a link's id looks like: nothing depends on it but which question is asked first.
_LINK = re.compile(r"[A-Z0-9]{16}")


def whole_payment(client: Client, ids: ProviderIds) -> Payment:
    """Ask for everything about one order. Raises UnknownObject, ProviderError."""
    found, link_id = order_and_link(client, ids)
    payments = payments_of(client, found)
    link = None
    # A link is of interest only while it can be paid: its URL is what the shopper goes on with.
    if link_id and not payments and answers.text(found, "state") in _OPEN:
        link = _link(client, link_id)
    by_link = bool(link_id) or answers.text(found, "id") == ids.intent_id
    return Payment(
        order=found,
        link=link,
        ids=_ids(found, payments, link_id=link_id, by_link=by_link),
        by_link=by_link,
        payments=payments,
        refused=_refused(client, found) if not payments else [],
        refunds=[refund(client, refund_id) for told in payments for refund_id in answers.texts(told, "refund_ids")],
        disputes=_disputes(client, payments),
    )


def _ids(found: Answer, payments: list[Answer], *, link_id: str, by_link: bool) -> ProviderIds:
    order_id = answers.text(found, "id")
    if by_link:
        return ProviderIds(page_id=link_id, intent_id=order_id)
    return ProviderIds(page_id=order_id, intent_id=answers.text(payments[0], "id") if payments else "")


def order_and_link(client: Client, ids: ProviderIds) -> tuple[Answer, str]:
    """Ask for the order of a payment; return it with the link's id, empty where it is paid by token.

    Raises UnknownObject, ProviderError.
    """
    for object_id in (ids.page_id, ids.intent_id):
        if object_id:
            checked(object_id)
    candidates = [ids.page_id, ids.intent_id]
    if _LINK.fullmatch(ids.page_id):
        candidates.reverse()
    for order_id in filter(None, candidates):
        try:
            return order(client, order_id), ids.page_id if order_id == ids.intent_id else ""
        except UnknownObject:
            continue
    return _order_behind(client, ids)


def _order_behind(client: Client, ids: ProviderIds) -> tuple[Answer, str]:
    """Ask for the order that a link or a payment names, where neither id is an order's."""
    if link := _link(client, ids.page_id) if ids.page_id else None:
        return order(client, answers.text(link, "order_id")), ids.page_id
    if not ids.intent_id:
        if not ids.page_id:
            raise InvalidRequest("this payment has no id at Square", code="id")
        raise UnknownObject("Square knows no such order or link under our token")
    return order(client, answers.text(payment(client, ids.intent_id), "order_id")), ""


def order(client: Client, order_id: str) -> Answer:
    """Ask for one order. Raises UnknownObject, ProviderError."""
    return answers.required(client.ask(client.sdk.orders.get, order_id=checked(order_id)), "order")


def payments_of(client: Client, found: Answer) -> list[Answer]:
    """Ask for the payments that an order's tenders name, oldest first."""
    ids = [
        answers.text_or_empty(tender, "payment_id") or answers.text(tender, "id")
        for tender in answers.items(found, "tenders")
    ]
    return [payment(client, payment_id) for payment_id in dict.fromkeys(ids)]


def payment(client: Client, payment_id: str) -> Answer:
    """Ask for one payment. Raises UnknownObject, ProviderError."""
    return answers.required(client.ask(client.sdk.payments.get, payment_id=checked(payment_id)), "payment")


def _refused(client: Client, found: Answer) -> list[Answer]:
    """Ask for the tries that failed, oldest first: an order does not name them, so they are sought in the list of
    payments, by amount. It lags, so what is missing there is no news, nor is a list that does not answer."""
    if answers.text(found, "state") not in _OPEN:
        return []
    try:
        listed, _ = client.page_of(
            client.sdk.payments.list,
            "payments",
            cursor="",
            location_id=client.location_id,
            begin_time=answers.text(found, "created_at"),
            total=from_square(found, "total_money")[0],
            sort_order="DESC",
        )
    except ProviderError:
        return []  # a look is about money; why a card was refused is not worth losing it
    order_id = answers.text(found, "id")
    return [told for told in reversed(listed) if told.get("order_id") == order_id and told.get("status") == "FAILED"]


def _link(client: Client, link_id: str) -> Answer | None:
    """Ask for a link; None where it is deleted."""
    try:
        got = client.ask(client.sdk.checkout.payment_links.get, id=checked(link_id))
    except UnknownObject:
        return None
    return answers.required(got, "payment_link")


def refund(client: Client, refund_id: str) -> Answer:
    """Ask for one refund. Raises UnknownObject, ProviderError."""
    return answers.required(client.ask(client.sdk.refunds.get, refund_id=checked(refund_id)), "refund")


def _disputes(client: Client, payments: list[Answer]) -> list[Answer]:
    """Ask for the disputes of these payments. A payment does not tell that it is disputed, and the list of disputes
    cannot be asked for one payment's: it is read whole, wherever money has moved."""
    ids = {answers.text(told, "id") for told in payments if is_captured(told)}
    if not ids:
        return []
    every = client.all_of(client.sdk.disputes.list, "disputes", location_id=client.location_id)
    return [told for told in every if answers.text(answers.required(told, "disputed_payment"), "payment_id") in ids]
