"""What is sent to begin a payment: an order with its link, or an order that a token will pay.

Our reference travels as the order's `reference_id` (40 characters at most) and as the note of the link's payments: a
link's payment carries no reference_id of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from integrations.contract import InvalidRequest, PageLine, Presentation, ProviderIds, Started, StartRequest
from integrations.providers.answer_reading import Answer
from integrations.providers.square.answers import answers
from integrations.providers.square.client import Client
from integrations.providers.square.money import to_square

MAX_REFERENCE = 40
MAX_LINES = 500
MAX_NAME = 512
MAX_EMAIL = 255


def start(client: Client, request: StartRequest, *, currency: str, idempotency_key: str) -> Started:
    """Open a payment link, or make the order that our own page's form will pay. Raises ProviderError.

    Sent, and nothing else: per line name, quantity and price; our reference; for a link the shopper's e-mail address
    (where the receipt goes), the order number as its description, and where to return to. No tip, no coupon, no
    delivery address: each would change what is paid. The same request always becomes the same members.
    """
    order = _order(client, request, currency=currency)
    account = client.account()
    if request.presentation is Presentation.EMBEDDED:
        got = client.ask(client.sdk.orders.create, order=order, idempotency_key=idempotency_key)
        return _started(client, answers.required(got, "order"), None, account=account)
    got = client.ask(
        client.sdk.checkout.payment_links.create,
        idempotency_key=idempotency_key,
        description=request.order_number,
        order=order,
        checkout_options=_options(request),
        payment_note=request.reference,
        **({"pre_populated_data": {"buyer_email": request.email}} if request.email else {}),
    )
    link = answers.required(got, "payment_link")
    return _started(client, {"id": answers.text(link, "order_id")}, link, account=account)


def _order(client: Client, request: StartRequest, *, currency: str) -> dict[str, Any]:
    if len(request.reference) > MAX_REFERENCE:
        raise InvalidRequest(f"our reference is longer than the {MAX_REFERENCE} characters taken", code="reference")
    if request.currency != currency:
        raise InvalidRequest(f"this Square location takes {currency} only", code="currency")
    if request.expires_at.tzinfo is None:
        raise InvalidRequest("expires_at needs a time zone", code="expires_at")
    to_square(request.amount_minor, request.currency)
    if not request.amount_minor:
        raise InvalidRequest("there is nothing to pay", code="amount")
    return {
        "location_id": client.location_id,
        "reference_id": request.reference,
        "line_items": _line_items(request),
    }


def _options(request: StartRequest) -> dict[str, Any]:
    return {
        "allow_tipping": False,
        "ask_for_shipping_address": False,
        "enable_coupon": False,
        "enable_loyalty": False,
        "redirect_url": request.return_url,
        # Those that pay later or in part would need states that nobody here has.
        "accepted_payment_methods": {
            "apple_pay": True,
            "google_pay": True,
            "cash_app_pay": False,
            "afterpay_clearpay": False,
        },
    }


def _line_items(request: StartRequest) -> list[dict[str, Any]]:
    """Return one item a line; one for the whole order where it has more lines than Square takes (500)."""
    lines: Sequence[PageLine] = request.lines
    if sum(line.unit_amount_minor * line.quantity for line in lines) != request.amount_minor:
        raise InvalidRequest("the lines do not add up to the amount", code="lines")
    if len(lines) > MAX_LINES:
        lines = [PageLine(name=request.order_number, quantity=1, unit_amount_minor=request.amount_minor)]
    return [_line_item(line, request.currency) for line in lines]


def _line_item(line: PageLine, currency: str) -> dict[str, Any]:
    if type(line.quantity) is not int or line.quantity < 1:
        raise InvalidRequest("a quantity must be a whole number from 1", code="quantity")
    return {
        "name": line.name[:MAX_NAME],
        "quantity": str(line.quantity),
        "base_price_money": to_square(line.unit_amount_minor, currency),
    }


def _started(client: Client, order: Answer, link: Answer | None, *, account: str) -> Started:
    order_id = answers.text(order, "id")
    by_link = ProviderIds(page_id=answers.text(link, "id"), intent_id=order_id) if link is not None else None
    return Started(
        # What they mean: looking.py.
        ids=by_link or ProviderIds(page_id=order_id),
        account=account,
        mode=client.mode,
        redirect_url=answers.web_address(link, "url") if link is not None else "",
        expires_at=None,
        raw={"payment_link": link} if link is not None else {"order": order},
    )
