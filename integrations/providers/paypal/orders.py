"""Orders at PayPal: opened for a payment, captured by us once the payer has approved, closed by a mark.

https://developer.paypal.com/docs/api/orders/v2/
"""

from __future__ import annotations

from typing import Any

import structlog

from integrations.contract import CaptureRequest, InvalidRequest, Mode, Presentation, ProviderIds, Started, StartRequest
from integrations.providers.answer_reading import Answer
from integrations.providers.paypal import snapshots
from integrations.providers.paypal.answers import answers, mode_of
from integrations.providers.paypal.client import Client
from integrations.providers.paypal.money import to_paypal
from integrations.providers.paypal.snapshots import CLOSED, UNIT

MAX_ITEMS = 100
MAX_NAME_LENGTH = 127
MAX_REFERENCE_LENGTH = 127
_MARK = f"/purchase_units/@reference_id=='{UNIT}'/description"
log = structlog.get_logger(__name__)

_OVER = ("COMPLETED", "VOIDED")


def start(client: Client, request: StartRequest, *, ours: Mode, idempotency_key: str) -> Started:
    """Open an order.

    Sent, and nothing else: our reference as `custom_id`, the order number as description, per line name, quantity and
    price, and for the hosted page where to return to. No name, address or e-mail address of the shopper. The same
    request always becomes the same body: a repeat under the same key must not differ.
    """
    order = client.create_order(body=body(request), key=idempotency_key)
    hosted = request.presentation is Presentation.HOSTED
    page = answers.link(order, "payer-action", "approve")
    if hosted and not page:
        raise answers.unreadable(order, "links")
    return Started(
        ids=ProviderIds(page_id=answers.text(order, "id")),
        account=snapshots.account_of(order) or account(client),
        mode=mode_of(order, ours=ours),
        redirect_url=page if hosted else "",
        expires_at=None,
        raw={"order": order},
    )


def body(request: StartRequest) -> dict[str, Any]:
    """Return the order's JSON. Raises InvalidRequest for what PayPal does not take."""
    if not 1 <= len(request.reference) <= MAX_REFERENCE_LENGTH:
        raise InvalidRequest("our reference does not fit into custom_id", code="reference")
    if request.email and "@" not in request.email:
        raise InvalidRequest("the e-mail address is none", code="email")
    total = to_paypal(request.amount_minor, request.currency)
    if sum(line.quantity * line.unit_amount_minor for line in request.lines) != request.amount_minor:
        raise InvalidRequest("the lines do not add up to the amount", code="lines")
    unit: dict[str, Any] = {
        "reference_id": UNIT,
        "custom_id": request.reference,
        "description": f"Order {request.order_number}"[:MAX_NAME_LENGTH],
        "amount": total,
    }
    if len(request.lines) <= MAX_ITEMS:
        unit["amount"] = {**total, "breakdown": {"item_total": total}}
        unit["items"] = [
            {
                "name": line.name[:MAX_NAME_LENGTH],
                "quantity": str(line.quantity),
                "unit_amount": to_paypal(line.unit_amount_minor, request.currency),
            }
            for line in request.lines
        ]
    context = {
        "return_url": request.return_url,
        "cancel_url": request.cancel_url,
        "user_action": "PAY_NOW",
        "shipping_preference": "NO_SHIPPING",
    }
    hosted = request.presentation is Presentation.HOSTED
    source = {"payment_source": {"paypal": {"experience_context": context}}} if hosted else {}
    return {"intent": "CAPTURE", "purchase_units": [unit], **source}


def capture(client: Client, request: CaptureRequest, *, idempotency_key: str) -> ProviderIds:
    """Take the money the payer has approved: all of the order.

    The order is asked first: PayPal captures what stands in it, so it must still be what we have asked for. Raises
    Declined, also where PayPal answers 201 with a capture that was declined.
    """
    order = client.get_order(request.ids.page_id)
    unit = snapshots.unit_of(order)
    asked = answers.money(unit, "amount"), answers.text_or_empty(unit, "custom_id")
    if asked != ((request.amount_minor, request.currency), request.reference):
        raise InvalidRequest("the order at PayPal is not the one we asked for: nothing was captured", code="order")
    if order.get("status") == "APPROVED" and snapshots.is_closed(order):
        raise InvalidRequest("we have closed this order: nothing was captured", code="closed")
    captured = client.capture_order(request.ids.page_id, key=idempotency_key)
    snapshots.raise_if_declined(captured)
    return ProviderIds(page_id=answers.text(captured, "id"))


def close(client: Client, page_id: str) -> None:
    """Mark the order as closed, so that no look ever asks us to capture it. See docs/paypal.md.

    PayPal has no call that cancels an order. What takes money is our capture alone, and an order with this mark has no
    next step; who approves it afterwards has approved what nobody takes. An order that is over stays as it is. Where
    PayPal refuses the change in the order's present state, nothing is lost but the mark: the attempt ends here.
    """
    if is_over(client.get_order(page_id)):
        return
    try:
        client.patch_order(page_id, operations=[{"op": "replace", "path": _MARK, "value": CLOSED}])
    except InvalidRequest as error:
        log.warning("paypal_order_not_marked_closed", code=error.code)


def is_over(order: Answer) -> bool:
    """Return whether this order takes no money any more: captured, voided, or closed by us."""
    return answers.text(order, "status") in _OVER or snapshots.is_closed(order)


def account(client: Client) -> str:
    """Return the id of the account our credentials belong to. Needs the app's right to search transactions."""
    return answers.text(client.balances(), "account_id")
