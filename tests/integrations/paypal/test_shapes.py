"""The sandbox's answers, and what the adapter asks, held against PayPal's published descriptions and the SDK's models.

The descriptions are data for tests only, and not part of the repository: PROVIDER_SPECS names their folder; where it is
not there these tests are skipped by name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from paypalserversdk.models.capture_status_details import CaptureStatusDetails
from paypalserversdk.models.captured_payment import CapturedPayment
from paypalserversdk.models.order import Order
from paypalserversdk.models.orders_capture import OrdersCapture
from paypalserversdk.models.purchase_unit import PurchaseUnit
from paypalserversdk.models.refund import Refund
from paypalserversdk.models.search_response import SearchResponse
from paypalserversdk.models.seller_receivable_breakdown import SellerReceivableBreakdown
from paypalserversdk.models.transaction_information import TransactionInformation

from integrations.contract import Presentation, ProviderIds
from integrations.providers.paypal import orders
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.sandbox.paypal.control import PayPalControl
from tests.integrations.paypal.conftest import capture_request, new_key, start_request

ROOT = Path(__file__).resolve().parents[3]
SPECS = Path(os.environ.get("PROVIDER_SPECS") or ROOT.parent / "shared" / "specs") / "paypal"
described = pytest.mark.skipif(not SPECS.is_dir(), reason=f"PayPal's descriptions are not in {SPECS.parent.name}")

# What PayPal answers and its own description of that resource leaves out.
UNDESCRIBED = {"order": {"supplementary_data"}, "capture": {"supplementary_data"}}


@cache
def spec(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SPECS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def problems(data: object, *, of: str, schema: str) -> list[str]:
    """What of this does not fit the schema: types, enums, lengths, patterns; and members it does not know."""
    document = spec(of)
    node = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    found = [f"{error.json_path}: {error.message}" for error in jsonschema.Draft4Validator(node).iter_errors(data)]
    return found + list(_unknown(data, document["components"]["schemas"][schema], document, schema))


def _unknown(data: object, schema: Mapping[str, Any], document: Mapping[str, Any], where: str) -> Iterator[str]:
    members = dict(_members(schema, document))
    if isinstance(data, list):
        for each in data:
            yield from _unknown(each, _followed(schema.get("items", {}), document), document, f"{where}[]")
    elif isinstance(data, dict) and members:
        for name, value in data.items():
            if name in members:
                yield from _unknown(value, _followed(members[name], document), document, f"{where}.{name}")
            elif name not in UNDESCRIBED.get(where, ()):
                yield f"{where}.{name}: not described"


def _members(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from schema.get("properties", {}).items()
    for key in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(key, ()):
            yield from _members(_followed(part, document), document)


def _followed(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


@pytest.fixture
def paid(adapter: PayPalProvider, control: PayPalControl) -> tuple[ProviderIds, str]:
    """A paid order with a part refunded: its ids and its capture's."""
    asked = start_request()
    ids = adapter.start(asked, idempotency_key=new_key()).ids
    control.approve(ids.page_id)
    adapter.capture(capture_request(ids, asked), idempotency_key=new_key())
    capture = adapter.fetch(ids).captures[0].capture_id
    control.refund_capture(capture, amount=1000)
    return ids, capture


@described
@pytest.mark.parametrize("presentation", list(Presentation))
def test_what_we_ask_is_an_order_request(presentation: Presentation) -> None:
    body = orders.body(start_request(presentation=presentation))
    assert problems(body, of="checkout_orders_v2", schema="order_request") == []


@described
def test_the_check_finds_what_does_not_fit() -> None:
    body = orders.body(start_request())
    body["purchase_units"][0]["custum_id"] = "misspelt"
    body["intent"] = "capture"
    told = problems(body, of="checkout_orders_v2", schema="order_request")
    assert any("custum_id" in each for each in told)
    assert any("intent" in each for each in told)


@described
def test_orders_in_each_state(adapter: PayPalProvider, control: PayPalControl, paid: tuple[ProviderIds, str]) -> None:
    client = adapter._client
    for presentation in Presentation:
        ids = adapter.start(start_request(presentation=presentation), idempotency_key=new_key()).ids
        assert problems(client.get_order(ids.page_id), of="checkout_orders_v2", schema="order") == []
        control.approve(ids.page_id)
        assert problems(client.get_order(ids.page_id), of="checkout_orders_v2", schema="order") == []
    assert problems(client.get_order(paid[0].page_id), of="checkout_orders_v2", schema="order") == []


@described
@pytest.mark.parametrize("kind", ["pending", "declined"])
def test_captures_that_moved_nothing(adapter: PayPalProvider, control: PayPalControl, kind: str) -> None:
    ids = adapter.start(start_request(), idempotency_key=new_key()).ids
    control.approve(ids.page_id, kind=kind, code="5120" if kind == "declined" else "")
    adapter._client.capture_order(ids.page_id, key=new_key())
    assert problems(adapter._client.get_order(ids.page_id), of="checkout_orders_v2", schema="order") == []


@described
def test_captures_and_refunds_alone(
    adapter: PayPalProvider, control: PayPalControl, paid: tuple[ProviderIds, str]
) -> None:
    told = adapter._client.get_capture(paid[1])
    assert problems(told, of="payments_payment_v2", schema="capture") == []
    refund = adapter.fetch(paid[0]).refunds[0].refund_id
    assert problems(control.get(refund), of="payments_payment_v2", schema="refund") == []


@described
def test_transactions_balances_events_and_disputes(
    adapter: PayPalProvider, control: PayPalControl, paid: tuple[ProviderIds, str]
) -> None:
    client = adapter._client
    found = client.search(start_date="2026-11-01T00:00:00Z", end_date="2026-11-30T00:00:00Z", page=1, page_size=10)
    assert problems(found, of="reporting_transactions_v1", schema="search_response") == []
    assert problems(client.balances(), of="reporting_transactions_v1", schema="balances_response") == []
    for event in client.get("/v1/notifications/webhooks-events")["events"]:
        assert problems(event, of="notifications_webhooks_v1", schema="event") == []
    for inquiry in (True, False):
        made = control.dispute_capture(paid[1], inquiry=inquiry)["dispute_id"]
        assert problems(client.get(f"/v1/customer/disputes/{made}"), of="customer_disputes_v1", schema="dispute") == []
        control.decide_dispute(made, "won")
        assert problems(client.get(f"/v1/customer/disputes/{made}"), of="customer_disputes_v1", schema="dispute") == []
    listed = client.get("/v1/customer/disputes", {"disputed_transaction_id": paid[1]})
    assert problems(listed, of="customer_disputes_v1", schema="dispute_search") == []


def test_the_sdks_models_know_every_member(
    adapter: PayPalProvider, control: PayPalControl, paid: tuple[ProviderIds, str]
) -> None:
    """The SDK drops what its models do not know; we read the raw body, and the sandbox must not invent members."""
    client = adapter._client
    order = client.get_order(paid[0].page_id)
    unit = order["purchase_units"][0]
    capture, refund = unit["payments"]["captures"][0], unit["payments"]["refunds"][0]
    found = client.search(start_date="2026-11-01T00:00:00Z", end_date="2026-11-30T00:00:00Z", page=1, page_size=10)
    for data, model in (
        (order, Order),
        (unit, PurchaseUnit),
        (capture, OrdersCapture),
        (client.get_capture(paid[1]), CapturedPayment),
        (capture["seller_receivable_breakdown"], SellerReceivableBreakdown),
        (refund, Refund),
        (found, SearchResponse),
        (found["transaction_details"][0]["transaction_info"], TransactionInformation),
        ({"reason": "PENDING_REVIEW"}, CaptureStatusDetails),
    ):
        assert set(data) <= set(model._names.values()), model
