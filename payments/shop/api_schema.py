"""What the OpenAPI document says of each operation: words, examples, and every answer that can come."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from payments.idempotency import EXAMPLE_KEY, KEPT_HOURS, KEY_MAX_LENGTH, KEY_MIN_LENGTH, LEASE_SECONDS
from payments.shop.api_errors import body
from payments.shop.api_json import MAX_BYTES
from payments.shop.api_serializers import (
    AttemptAsked,
    AttemptMade,
    ErrorAnswer,
    OrderAsked,
    OrderMade,
    OrderRead,
    Strict,
)

_TOKEN = "hA7wq3nGk0Vf5yTzP1rLxJ8cE2uMdB4s"  # nosec B105  # pragma: allowlist secret
_ORDER_MADE = {
    "token": _TOKEN,
    "amount_minor": 4998,
    "currency": "EUR",
    "state": "placed",
    "pay_url": f"https://shop.example/pay/{_TOKEN}/",
    "status_url": f"https://shop.example/orders/{_TOKEN}/",
}
_ATTEMPT = "pa_5f0c2d9e8b7a41d3c6e5f4a3b2c1d0e9f8a7b6c5"

KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": KEY_MIN_LENGTH, "maxLength": KEY_MAX_LENGTH, "pattern": "^[ -~]+$"},
    OpenApiParameter.HEADER,
    required=True,
    description=(
        "A random value of yours, such as a UUID; "
        f"{KEY_MIN_LENGTH} to {KEY_MAX_LENGTH} printable ASCII characters. Send the same key with the same "
        "body again whenever you did not get an answer: nothing is made twice, and a final answer is repeated with "
        f"`Idempotency-Replayed: true`. A key counts for one address and is kept {KEPT_HOURS} hours. "
        f"While the first request is being worked on, others hear 409, for {LEASE_SECONDS} seconds at most; then the "
        "next one goes on where the first stopped."
    ),
    examples=[OpenApiExample("A UUID", EXAMPLE_KEY)],
)
_TOKEN_PARAMETER = OpenApiParameter(
    "token",
    {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"},
    OpenApiParameter.PATH,
    description="The order's token, from the answer that placed it.",
    examples=[OpenApiExample("A token", _TOKEN)],
)


class _NoOtherMembers(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Tell of Strict serializers that they take no other members."""

    target_class = Strict
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the usual description, closed."""
        described = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001
        return {**described, "additionalProperties": False}


def headers(*statuses: int) -> list[OpenApiParameter]:
    """Return the headers that answers of these statuses carry."""
    replayed = OpenApiParameter(
        "Idempotency-Replayed",
        OpenApiTypes.BOOL,
        OpenApiParameter.HEADER,
        response=[status for status in statuses if status == 201],
        description="`true` where this is the kept answer of an earlier request with the same key.",
    )
    retry = OpenApiParameter(
        "Retry-After",
        OpenApiTypes.INT,
        OpenApiParameter.HEADER,
        response=[status for status in statuses if status in (409, 429, 503)],
        description="After how many seconds to send the request again.",
    )
    return [parameter for parameter in (replayed, retry) if parameter.response]


def refused(
    description: str, *examples: tuple[str, str], fields: dict[str, list[str]] | None = None
) -> OpenApiResponse:
    """Return the description of a refusal; `examples`: code and message."""
    return OpenApiResponse(
        ErrorAnswer,
        description,
        [
            OpenApiExample(code, body(code, message, fields if code == "invalid" else None), response_only=True)
            for code, message in examples
        ],
    )


NOT_FOUND = refused("No such order.", ("not_found", "There is nothing at this address."))
THROTTLED = refused(
    "Too many requests.", ("throttled", "Too many requests from your address. Try again in 17 seconds.")
)
AWAY = refused(
    "The service cannot work now. Send the same request again, with the same key.",
    ("unavailable", "The service cannot reach its database now. Send the request again, with the same key."),
)


def post_errors(bad_request: OpenApiResponse, *conflicts: tuple[str, str]) -> dict[int, Any]:
    """Return what every POST may be answered, beside what it is for."""
    in_flight = ("idempotency_in_flight", "A request with this Idempotency-Key is being worked on. …")
    return {
        400: bad_request,
        409: refused("Not now, or no longer: nothing was made.", in_flight, *conflicts),
        413: refused(
            "The body is too large.", ("body_too_large", f"The body may have at most {MAX_BYTES // 1024} KiB.")
        ),
        415: refused("Not plain JSON.", ("unsupported_media_type", "Send the body as application/json in UTF-8, …")),
        422: refused(
            "The key was used for another body.",
            ("idempotency_key_reused", "This Idempotency-Key was used for another body. …"),
        ),
        429: THROTTLED,
        503: AWAY,
    }


PLACE_ORDER = extend_schema(
    operation_id="place_order",
    summary="Place an order",
    description=(
        "Places an order at the catalogue's prices of this moment. A refused order leaves nothing behind, and its key "
        "may be used again with the same body."
    ),
    tags=["Orders"],
    auth=[],
    parameters=[KEY, *headers(201, 409, 429, 503)],
    request=OrderAsked,
    responses={
        201: OpenApiResponse(OrderMade, "The order was placed."),
        **post_errors(
            refused(
                "Something in the request is wrong; the message says what.",
                ("invalid", "The body is not what this address takes; `fields` says what to change."),
                ("idempotency_key_missing", "Send an Idempotency-Key header with every POST: …"),
                ("malformed_json", "The body is not valid JSON (line 1, column 9)."),
                ("unknown_product", "There is no product “MUG-99”."),
                ("quantity_refused", "At most 10 of Harbour mug can be ordered at once."),
                fields={"lines[0].quantity": ["A whole number is required, such as 1; not a text, not a fraction."]},
            )
        ),
    },
    examples=[
        OpenApiExample(
            "Two mugs",
            {"lines": [{"sku": "MUG-01", "quantity": 2}], "currency": "EUR", "email": "ada@example.com"},
            request_only=True,
        ),
        OpenApiExample("Placed", _ORDER_MADE, response_only=True, status_codes=["201"]),
    ],
)

READ_ORDER = extend_schema(
    operation_id="read_order",
    summary="Read how an order stands",
    description="Tells what the shop knows already. It asks no payment provider; poll it every few seconds at most.",
    tags=["Orders"],
    auth=[],
    parameters=[_TOKEN_PARAMETER, *headers(429, 503)],
    responses={
        200: OpenApiResponse(OrderRead, "How the order stands."),
        404: NOT_FOUND,
        429: THROTTLED,
        503: AWAY,
    },
    examples=[
        OpenApiExample(
            "Paid",
            {
                **_ORDER_MADE,
                "state": "paid",
                "expires_at": "2026-11-21T13:00:00+00:00",
                "paid_at": "2026-11-21T12:04:31+00:00",
                "providers": [],
                "attempts": [
                    {
                        "attempt": _ATTEMPT,
                        "provider": "stripe",
                        "state": "paid",
                        "created_at": "2026-11-21T12:03:40+00:00",
                    }
                ],
            },
            response_only=True,
            status_codes=["200"],
        )
    ],
)

OPEN_ATTEMPT = extend_schema(
    operation_id="open_attempt",
    summary="Open an attempt to pay",
    description=(
        "Opens the provider's page for the order (or the shop's own page with the provider's card form), or goes on "
        "with the one that stands open: an order has one live attempt at most. Send the shopper to `redirect_url`. "
        "That they come back says nothing; read the order.\n\n"
        "202: the provider has not answered. Send the same request with the same key again in a few seconds; it goes "
        "on with this attempt and never opens a second one."
    ),
    tags=["Paying"],
    auth=[],
    parameters=[_TOKEN_PARAMETER, KEY, *headers(201, 409, 429, 503)],
    request=AttemptAsked,
    responses={
        201: OpenApiResponse(AttemptMade, "The attempt is open."),
        202: OpenApiResponse(AttemptMade, "The attempt is written down; the provider has not answered yet."),
        404: NOT_FOUND,
        **post_errors(
            refused(
                "Something in the request is wrong; the message says what.",
                ("unknown_provider", "Please choose one of the offered ways to pay."),
                ("idempotency_key_missing", "Send an Idempotency-Key header with every POST: …"),
            ),
            ("order_paid", "This order is paid."),
            ("order_expired", "The time to pay this order has run out. Please order again."),
            ("processing", "We're confirming your payment. Please don't pay again."),
            ("earlier_attempt_open", "Your earlier payment is still being confirmed. Please don't pay again."),
        ),
        502: refused(
            "The provider refused to open a page. This key stays with that attempt: use a new key for another try.",
            ("provider_refused", "This way to pay is not working right now. No money was taken. …"),
        ),
    },
    examples=[
        OpenApiExample("Stripe", {"provider": "stripe"}, request_only=True),
        OpenApiExample(
            "Open",
            {"attempt": _ATTEMPT, "redirect_url": "https://checkout.stripe.com/c/pay/…", "state": "pending"},
            response_only=True,
            status_codes=["201"],
        ),
        OpenApiExample(
            "Not answered yet",
            {"attempt": _ATTEMPT, "redirect_url": "", "state": "created"},
            response_only=True,
            status_codes=["202"],
        ),
    ],
)
