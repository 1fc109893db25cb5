"""The API's bodies. What comes in is taken as it is or refused: no member more, no text for a number, no rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from orders.lines import MAX_LINES
from orders.money import MAX_AMOUNT_MINOR
from orders.states import OrderState
from payments.states import AttemptState

_MAX_SHOWN = 60


class StrictText(serializers.CharField):
    """A JSON string, as it stands."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: object) -> str:
        """Refuse numbers, which the framework would turn into text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class StrictWholeNumber(serializers.IntegerField):
    """A JSON number without fraction or exponent."""

    default_error_messages = {"invalid": "A whole number is required, such as 1; not a text, not a fraction."}

    def to_internal_value(self, data: object) -> int:
        """Refuse what the framework would convert: "3", 3.0, true."""
        if type(data) is not int:
            self.fail("invalid")
        return data


class Strict(serializers.Serializer[Any]):
    """An object with these members and no others."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown members by name, so that a wrong one is never silently ignored."""
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            known = ", ".join(self.fields)
            shown = {
                name[:_MAX_SHOWN] or "(empty)": [f"There is no such member; there are: {known}."] for name in unknown
            }
            raise serializers.ValidationError(shown)
        return super().to_internal_value(data)


class LineAsked(Strict):
    """So many pieces of one product."""

    sku = StrictText(max_length=64, help_text="The product's stock keeping unit, as in the shop.")
    quantity = StrictWholeNumber(
        min_value=1, max_value=2_147_483_647, help_text="How many pieces; each product has its own limit."
    )


class OrderAsked(Strict):
    """What to order. Prices come from the shop's catalogue and from nowhere else."""

    lines = serializers.ListField(
        child=LineAsked(), min_length=1, max_length=MAX_LINES, help_text="Each product at most once."
    )
    currency = StrictText(min_length=3, max_length=3, help_text="ISO 4217, upper case.")
    email = StrictText(max_length=254, help_text="Where the receipt goes.")


class AttemptAsked(Strict):
    """Where to pay."""

    provider = StrictText(
        max_length=20, help_text="A payment provider that this shop has switched on, such as `stripe`."
    )


class OrderMade(serializers.Serializer[Any]):
    """An order that was placed."""

    token = serializers.CharField(help_text="Opens this order, and nothing else does: keep it as you keep a password.")
    amount_minor = serializers.IntegerField(
        min_value=1, max_value=MAX_AMOUNT_MINOR, help_text="What is owed, in minor units of the currency."
    )
    currency = serializers.CharField(help_text="ISO 4217.")
    state = serializers.ChoiceField(choices=OrderState.choices)
    pay_url = serializers.URLField(help_text="The shop's page where a person pays.")
    status_url = serializers.URLField(help_text="The shop's page that shows how the order stands.")


class AttemptMade(serializers.Serializer[Any]):
    """An attempt to pay."""

    attempt = serializers.CharField(help_text="Names this attempt.")
    redirect_url = serializers.CharField(
        allow_blank=True,
        help_text="The provider's page: send the shopper there. Empty while the provider has not answered (202), and "
        "where the attempt has ended meanwhile.",
    )
    state = serializers.ChoiceField(choices=AttemptState.choices)


class AttemptSummary(serializers.Serializer[Any]):
    """One attempt, as last heard of."""

    attempt = serializers.CharField(help_text="Names this attempt.")
    provider = serializers.CharField()
    state = serializers.ChoiceField(choices=AttemptState.choices)
    created_at = serializers.DateTimeField()


class OrderRead(OrderMade):
    """How an order stands, as far as the shop has heard. Reading it asks no provider."""

    expires_at = serializers.DateTimeField(help_text="Until then it can be paid.")
    paid_at = serializers.DateTimeField(allow_null=True, help_text="When the money moved; null while it has not.")
    providers = serializers.ListField(
        child=serializers.CharField(),
        help_text="Where a payment of it may begin now, in the shop's order: without those that are away, or do not "
        "take its currency. Empty once it needs no payment.",
    )
    attempts = AttemptSummary(many=True, help_text="The latest attempts to pay, newest first; 20 at most.")


class ErrorDetail(serializers.Serializer[Any]):
    """Why a request was not carried out."""

    code = serializers.CharField(help_text="A stable word for programs.")
    message = serializers.CharField(help_text="A sentence for people.")
    fields = serializers.DictField(  # type: ignore[assignment]  # the framework's own `fields` is read from the class below
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="What is wrong with which member, by its path: `lines[0].quantity`.",
    )


class ErrorAnswer(serializers.Serializer[Any]):
    """The one shape of every error."""

    error = ErrorDetail()
