"""The bodies of refunds in the API, and what the OpenAPI document says of each operation."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from orders.money import MAX_AMOUNT_MINOR
from payments.actions import REASON_MIN_CHARACTERS
from payments.models.action import ActionState
from payments.models.refund import Maker
from payments.refunds.acts import RefundOrder
from payments.shop.api_schema import AWAY, KEY, NOT_FOUND, THROTTLED, headers, post_errors, refused
from payments.shop.api_serializers import Strict, StrictText, StrictWholeNumber
from payments.states import RefundState

_AUTH: Any = [{"staffToken": []}]
_ATTEMPT = "pa_5f0c2d9e8b7a41d3c6e5f4a3b2c1d0e9f8a7b6c5"
_REFUND = "rf_1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"


class ReasonCode(StrictText):
    """One of the closed list."""

    def to_internal_value(self, data: object) -> str:
        """Refuse other codes, and say which there are."""
        code = super().to_internal_value(data)
        if code not in RefundOrder.reasons:
            raise serializers.ValidationError(f"One of {', '.join(RefundOrder.reasons)} is required.")
        return code


class RefundAsked(Strict):
    """What to give back. Only `reason_code` and `reason` are needed: then all that is left goes back."""

    amount_minor = StrictWholeNumber(
        required=False,
        min_value=1,
        max_value=MAX_AMOUNT_MINOR,
        help_text="In minor units of the capture's currency; all that is left of it where this is left out.",
    )
    capture = StrictText(
        required=False, max_length=255, help_text="The provider's id; needed where the attempt took money twice."
    )
    reason_code = ReasonCode(max_length=40, help_text=f"One of {', '.join(RefundOrder.reasons)}.")
    reason = StrictText(
        min_length=REASON_MIN_CHARACTERS, max_length=1000, help_text="For colleagues and auditors. No card numbers."
    )


class RefundRead(serializers.Serializer[Any]):
    """A refund, as last heard of."""

    refund = serializers.CharField(help_text="Our name for it.")
    state = serializers.ChoiceField(choices=RefundState.choices)
    amount_minor = serializers.IntegerField(min_value=1, max_value=MAX_AMOUNT_MINOR)
    currency = serializers.CharField(help_text="ISO 4217.")
    attempt = serializers.CharField(help_text="The attempt that took the money.")
    capture = serializers.CharField(help_text="The provider's id of the money that goes back.")
    provider = serializers.CharField()
    provider_refund = serializers.CharField(allow_blank=True, help_text="The provider's id; empty until it told it.")
    made_by = serializers.ChoiceField(choices=Maker.choices)
    requested_at = serializers.DateTimeField()
    succeeded_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)


class RefundsRead(serializers.Serializer[Any]):
    """The refunds of one attempt."""

    refunds = RefundRead(many=True, help_text="The oldest first; 100 at most.")


class ApprovalWaits(serializers.Serializer[Any]):
    """A refund that a second person must agree to, in the back office. No token can."""

    approval = serializers.CharField(help_text="Names the request in the back office.")
    state = serializers.ChoiceField(choices=ActionState.choices)
    why = serializers.CharField(help_text="Why a second person is needed.")
    expires_at = serializers.DateTimeField(help_text="If nobody decides until then, ask again.")


_READ = {
    "refund": _REFUND,
    "state": "succeeded",
    "amount_minor": 500,
    "currency": "EUR",
    "attempt": _ATTEMPT,
    "capture": "ch_3Q",
    "provider": "stripe",
    "provider_refund": "re_3Q",
    "made_by": "ours",
    "requested_at": "2026-11-21T12:04:31+00:00",
    "succeeded_at": "2026-11-21T12:04:32+00:00",
    "failed_at": None,
}
_REFUSED = {
    401: refused("No live token.", ("not_authenticated", "Authentication credentials were not provided.")),
    403: refused(
        "The token's scopes, or its owner's roles now, do not give it.",
        ("permission_denied", "It takes a token with refunds:request, of a person whose roles give it now."),
    ),
}


def _reference(example: str) -> OpenApiParameter:
    return OpenApiParameter(
        "reference",
        {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"},
        OpenApiParameter.PATH,
        description="As the API told it.",
        examples=[OpenApiExample("A reference", example)],
    )


ASK_REFUND = extend_schema(
    operation_id="ask_refund",
    summary="Refund money of an attempt",
    description=(
        "Gives money of one capture back to the customer, as far as the token's owner may do it alone: up to the "
        "limit of the currency, counted over all refunds of the order. Above it, and for owners whose role only asks, "
        "the answer is 202 and a second person decides in the back office.\n\n"
        "201 says that the refund is written down and asked for. Whether the money has left, `state` says; read it "
        "again, or subscribe to `refund.succeeded` and `refund.failed`."
    ),
    tags=["Staff"],
    auth=_AUTH,
    parameters=[_reference(_ATTEMPT), KEY, *headers(201, 409, 429, 503)],
    request=RefundAsked,
    responses={
        201: OpenApiResponse(RefundRead, "The refund was asked for."),
        202: OpenApiResponse(ApprovalWaits, "A second person must agree."),
        404: NOT_FOUND,
        **_REFUSED,
        **post_errors(
            refused(
                "Something in the request is wrong; the message says what.",
                ("invalid", "The body is not what this address takes; `fields` says what to change."),
                ("unknown_capture", "The attempt has no such capture."),
                ("capture_needed", "This attempt took money more than once: name the `capture` to refund."),
                fields={"reason_code": ["One of customer_asked, goods_returned is required."]},
            ),
            ("not_possible", "Only 5.00 EUR of capture ch_3Q are left to refund, not 6.00 EUR."),
        ),
    },
    examples=[
        OpenApiExample(
            "Five euro",
            {"amount_minor": 500, "reason_code": "goods_returned", "reason": "One of two mugs came back broken."},
            request_only=True,
        ),
        OpenApiExample("Asked for", _READ, response_only=True, status_codes=["201"]),
        OpenApiExample(
            "Waits",
            {
                "approval": "0b7f0d0e-6f0f-4c5e-9a53-2f6f3a0f6f55",
                "state": "requested",
                "why": "Your roles let you ask for refunds above the limit, not do them alone.",
                "expires_at": "2026-11-22T12:04:31+00:00",
            },
            response_only=True,
            status_codes=["202"],
        ),
    ],
)

LIST_REFUNDS = extend_schema(
    operation_id="list_refunds",
    summary="List the refunds of an attempt",
    description="Those asked for here and those made at the provider, as far as the shop has heard.",
    tags=["Staff"],
    auth=_AUTH,
    parameters=[_reference(_ATTEMPT), *headers(429, 503)],
    responses={
        200: OpenApiResponse(RefundsRead, "The refunds."),
        404: NOT_FOUND,
        **_REFUSED,
        429: THROTTLED,
        503: AWAY,
    },
    examples=[OpenApiExample("One", {"refunds": [_READ]}, response_only=True, status_codes=["200"])],
)

READ_REFUND = extend_schema(
    operation_id="read_refund",
    summary="Read how a refund stands",
    description="Tells what the shop knows already. It asks no payment provider.",
    tags=["Staff"],
    auth=_AUTH,
    parameters=[_reference(_REFUND), *headers(429, 503)],
    responses={
        200: OpenApiResponse(RefundRead, "How the refund stands."),
        404: NOT_FOUND,
        **_REFUSED,
        429: THROTTLED,
        503: AWAY,
    },
    examples=[OpenApiExample("Succeeded", _READ, response_only=True, status_codes=["200"])],
)
