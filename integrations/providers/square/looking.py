"""Asking Square for the whole payment: its order, link, payments, refunds and disputes."""

from __future__ import annotations

from integrations.contract import InvalidRequest, ProviderIds, UnknownObject
from integrations.providers.square import answers
from integrations.providers.square.answers import Answer
from integrations.providers.square.client import Client, checked
from integrations.providers.square.snapshots import Payment, is_captured

_OPEN = frozenset({"DRAFT", "OPEN"})


def whole_payment(client: Client, ids: ProviderIds) -> Payment:
    """Ask for everything about one order. Raises UnknownObject, ProviderError."""
    link = None
    if not ids.intent_id:
        link = _link(client, ids.page_id)
        if link is None:
            raise UnknownObject("Square knows no such payment link under our token")
    found = order(client, ids.intent_id or answers.text(link or {}, "order_id"))
    payments = payments_of(client, found)
    # A link is of interest only while it can be paid: its URL is what the shopper goes on with.
    if link is None and ids.page_id and not payments and answers.text(found, "state") in _OPEN:
        link = _link(client, ids.page_id)
    return Payment(
        order=found,
        link=link,
        page_id=ids.page_id,
        payments=payments,
        refunds=[refund(client, refund_id) for told in payments for refund_id in answers.texts(told, "refund_ids")],
        disputes=_disputes(client, payments),
    )


def order(client: Client, order_id: str) -> Answer:
    """Ask for one order. Raises UnknownObject, ProviderError."""
    if not order_id:
        raise InvalidRequest("this payment has no order at Square", code="no_order")
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
