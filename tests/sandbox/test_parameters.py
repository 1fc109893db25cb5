"""Every parameter that the sandbox accepts exists in the SDK's parameter types, with the choices it allows."""

from __future__ import annotations

import importlib
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pytest
import typing_extensions

from integrations.sandbox.stripe.resources import ROUTES, Route
from integrations.sandbox.stripe.schema import Field, Hash, Items, Text, When

PARAMS = {
    ("POST", "/v1/checkout/sessions"): "checkout._session_create_params.SessionCreateParams",
    ("GET", "/v1/checkout/sessions"): "checkout._session_list_params.SessionListParams",
    ("POST", "/v1/checkout/sessions/x/expire"): "checkout._session_expire_params.SessionExpireParams",
    ("GET", "/v1/checkout/sessions/x"): "checkout._session_retrieve_params.SessionRetrieveParams",
    ("POST", "/v1/payment_intents"): "_payment_intent_create_params.PaymentIntentCreateParams",
    ("GET", "/v1/payment_intents"): "_payment_intent_list_params.PaymentIntentListParams",
    ("GET", "/v1/payment_intents/x"): "_payment_intent_retrieve_params.PaymentIntentRetrieveParams",
    ("POST", "/v1/payment_intents/x/confirm"): "_payment_intent_confirm_params.PaymentIntentConfirmParams",
    ("POST", "/v1/payment_intents/x/capture"): "_payment_intent_capture_params.PaymentIntentCaptureParams",
    ("POST", "/v1/payment_intents/x/cancel"): "_payment_intent_cancel_params.PaymentIntentCancelParams",
    ("GET", "/v1/charges"): "_charge_list_params.ChargeListParams",
    ("GET", "/v1/charges/x"): "_charge_retrieve_params.ChargeRetrieveParams",
    ("POST", "/v1/refunds"): "_refund_create_params.RefundCreateParams",
    ("GET", "/v1/refunds"): "_refund_list_params.RefundListParams",
    ("GET", "/v1/refunds/x"): "_refund_retrieve_params.RefundRetrieveParams",
    ("POST", "/v1/refunds/x/cancel"): "_refund_cancel_params.RefundCancelParams",
    ("GET", "/v1/disputes"): "_dispute_list_params.DisputeListParams",
    ("GET", "/v1/disputes/x"): "_dispute_retrieve_params.DisputeRetrieveParams",
    ("POST", "/v1/disputes/x"): "_dispute_update_params.DisputeUpdateParams",
    ("POST", "/v1/disputes/x/close"): "_dispute_close_params.DisputeCloseParams",
    ("GET", "/v1/balance_transactions"): "_balance_transaction_list_params.BalanceTransactionListParams",
    ("GET", "/v1/balance_transactions/x"): "_balance_transaction_retrieve_params.BalanceTransactionRetrieveParams",
    ("GET", "/v1/payouts"): "_payout_list_params.PayoutListParams",
    ("GET", "/v1/payouts/x"): "_payout_retrieve_params.PayoutRetrieveParams",
    ("GET", "/v1/events"): "_event_list_params.EventListParams",
    ("GET", "/v1/events/x"): "_event_retrieve_params.EventRetrieveParams",
    ("GET", "/v1/payment_methods/x"): "_payment_method_retrieve_params.PaymentMethodRetrieveParams",
}
#: Line items have no creation time; the sandbox tolerates the parameter as part of its paging.
UNTESTED = {("GET", "/v1/checkout/sessions/x/line_items")}


def route_of(method: str, path: str) -> Route:
    """The sandbox's route for an address."""
    (found,) = [route for route in ROUTES if route.method == method and route.pattern.match(path)]
    return found


def test_every_route_is_compared() -> None:
    compared = {id(route_of(*address)) for address in [*PARAMS, *UNTESTED]}
    assert compared == {id(route) for route in ROUTES}


@pytest.mark.parametrize("address", PARAMS, ids=" ".join)
def test_parameters_exist_in_the_sdk(address: tuple[str, str]) -> None:
    module_name, class_name = PARAMS[address].rsplit(".", 1)
    module = importlib.import_module(f"stripe.params.{module_name}")
    assert list(_differences(route_of(*address).schema, getattr(module, class_name), vars(module), "")) == []


def _differences(fields: Mapping[str, Field], cls: type, names: dict[str, Any], path: str) -> Iterator[str]:
    hints = typing.get_type_hints(cls, globalns={**vars(typing), "StripeContext": object, **names})
    for name, field in fields.items():
        if name not in hints:
            yield f"{path}{name} is unknown to the SDK"
            continue
        yield from _field(field, _options(hints[name]), names, f"{path}{name}")


def _field(field: Field, options: list[Any], names: dict[str, Any], path: str) -> Iterator[str]:
    classes = [option for option in options if typing_extensions.is_typeddict(option)]
    if isinstance(field, Hash):
        if not classes:
            yield f"{path} is no hash in the SDK"
        for cls in classes:
            yield from _differences(field.fields, cls, names, f"{path}.")
    elif isinstance(field, Items):
        items = [typing.get_args(option)[0] for option in options if typing.get_origin(option) is list]
        if not items:
            yield f"{path} is no list in the SDK"
        for item in items:
            yield from _field(field.item, _options(item), names, f"{path}[]")
    elif isinstance(field, Text) and field.choices:
        known = {
            value for option in options if typing.get_origin(option) is Literal for value in typing.get_args(option)
        }
        yield from (f"{path}: {choice!r} is no choice in the SDK" for choice in field.choices if choice not in known)
    elif isinstance(field, When) and not classes:
        yield f"{path} has no range in the SDK"


def _options(hint: Any) -> list[Any]:
    """The alternatives of a hint, with unions taken apart."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [option for part in typing.get_args(hint) for option in _options(part)]
    return [hint]
