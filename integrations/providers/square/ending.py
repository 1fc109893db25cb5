"""Making Square take no more money for a payment: the link goes, its order is cancelled."""

from __future__ import annotations

import hashlib
from contextlib import suppress

from integrations.contract import InvalidRequest, ProviderIds, UnknownObject
from integrations.providers.square import looking
from integrations.providers.square.answers import answers
from integrations.providers.square.client import Client, checked

_TRIES = 3
_OPEN = frozenset({"DRAFT", "OPEN"})


def close(client: Client, ids: ProviderIds, *, idempotency_key: str) -> None:
    """Delete the link and cancel the order. What is closed or paid already stays as it is. Raises ProviderError.

    Deleting a link cancels its order; where it did not, or there was no link, the order is cancelled by itself.
    """
    found, link_id = looking.order_and_link(client, ids)
    if link_id:
        with suppress(UnknownObject):  # deleted before
            client.ask(client.sdk.checkout.payment_links.delete, id=checked(link_id))
    _cancel_order(client, answers.text(found, "id"), idempotency_key=idempotency_key)


def _cancel_order(client: Client, order_id: str, *, idempotency_key: str) -> None:
    for number in range(_TRIES):
        found = looking.order(client, order_id)
        if answers.text(found, "state") not in _OPEN or answers.items(found, "tenders"):
            return
        version = answers.whole(found, "version")
        # Another version is another request, so it has another key.
        key = hashlib.sha256(f"{idempotency_key}:{version}".encode()).hexdigest()
        sparse = {"location_id": client.location_id, "version": version, "state": "CANCELED"}
        try:
            client.ask(client.sdk.orders.update, order_id=checked(order_id), order=sparse, idempotency_key=key)
        except InvalidRequest as error:
            # Somebody changed it meanwhile (paid it, maybe): look again.
            if error.code != "VERSION_MISMATCH" or number == _TRIES - 1:
                raise


def release(client: Client, ids: ProviderIds, *, idempotency_key: str) -> None:
    """Give back what is reserved and not captured, and end its order. What is captured or voided stays as it is.

    A void needs no key: the second one finds nothing to void. Raises ProviderError.
    """
    found, _ = looking.order_and_link(client, ids)
    reserved = [told for told in looking.payments_of(client, found) if answers.text(told, "status") == "APPROVED"]
    for payment in reserved:
        client.ask(client.sdk.payments.cancel, payment_id=checked(answers.text(payment, "id")))
    if reserved:
        _cancel_order(client, answers.text(found, "id"), idempotency_key=idempotency_key)
