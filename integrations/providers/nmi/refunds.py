"""Money going back at NMI, by one verb: a void of what is not settled yet, else a refund. https://docs.nmi.com/reference/payment-api"""

from __future__ import annotations

from integrations.contract import InvalidRequest, RefundRequest, RefundSnapshot, UnknownObject
from integrations.providers.nmi import snapshots
from integrations.providers.nmi.client import Client, checked
from integrations.providers.nmi.money import to_nmi
from integrations.providers.nmi.reports import Transaction


def give_back(client: Client, request: RefundRequest) -> RefundSnapshot:
    """Give money of one capture back; NMI knows no idempotency, so this is sent once.

    Before the nightly settlement the whole of it can be undone (a void), and a part of it cannot: NMI has no such
    request. Sent, and nothing else: for a void the transaction; for a refund the transaction, the amount, the order id
    and our reference as its description. Raises ProviderError.
    """
    amount = to_nmi(request.amount_minor, request.currency)
    sale = _sale(client, request)
    if sale.condition == "pendingsettlement":
        return _void(client, sale, request)
    answer = client.transact(
        type="refund",
        transactionid=sale.transaction_id,
        amount=amount,
        orderid=sale.order_id,
        order_description=request.reference,
    )
    return RefundSnapshot(
        refund_id=checked(answer.get("transactionid", "")),
        capture_id=sale.transaction_id,
        amount_minor=request.amount_minor,
        currency=request.currency,
        status="pending",
        reference=request.reference,
    )


def _sale(client: Client, request: RefundRequest) -> Transaction:
    found = client.transactions(transaction_id=checked(request.capture_id))
    for each in found:
        if each.transaction_id == request.capture_id and snapshots.is_captured(each):
            return each
    raise UnknownObject("NMI knows no such sale under our key", code="sale")


def _void(client: Client, sale: Transaction, request: RefundRequest) -> RefundSnapshot:
    taken = snapshots.taking(sale)
    if request.amount_minor != taken.amount_minor:
        raise InvalidRequest(
            "NMI gives a part of a payment back only after it is settled, usually overnight: give all of it back now, "
            "or this part tomorrow",
            code="not_settled",
        )
    client.transact(type="void", transactionid=sale.transaction_id)
    return RefundSnapshot(
        refund_id=snapshots.void_of(sale),
        capture_id=sale.transaction_id,
        amount_minor=taken.amount_minor,
        currency=request.currency,
        status="succeeded",
        reference=request.reference,
    )
