"""The CRM: what HubSpot has after each fact, and the kit, against a receiver that speaks its published API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from integrations.connectors import CONNECTORS
from integrations.facts import Fact
from tests.conformance.connectors import ConnectorKit, Stand
from tests.integrations.connectors.telling import Told
from tests.receivers import hubspot
from tests.receivers.server import Asked, serving

pytestmark = pytest.mark.django_db

OPTIONS = {"pipeline": "default", "stage_paid": "closedwon", "stage_placed": "appointmentscheduled"}


class TestConformance(ConnectorKit):
    kind = "hubspot"
    secret = hubspot.TOKEN
    options = OPTIONS
    effects = {"contacts": 1, "deals": 1, "orders": 0, "associations": 1}

    @contextmanager
    def stand(self) -> Iterator[Stand]:
        api = hubspot.HubSpot()

        def effects() -> dict[str, int]:
            counted = {kind: len(found) for kind, found in api.objects.items()}
            return {**counted, "associations": len(api.associated)}

        with serving(api) as url:
            yield Stand(url, effects)


@pytest.fixture
def crm() -> hubspot.HubSpot:
    return hubspot.HubSpot()


@pytest.fixture
def told(crm: hubspot.HubSpot) -> Iterator[Told]:
    with serving(crm) as url:
        facts = sorted(CONNECTORS["hubspot"].facts)
        yield Told(kind="hubspot", address=url, secret=hubspot.TOKEN, options=OPTIONS, facts=facts)


def test_an_order_becomes_a_deal_of_its_shopper(crm: hubspot.HubSpot, told: Told) -> None:
    row = told.tell(Fact.ORDER_PAID)

    assert row.state == "delivered", row.last_detail
    ((contact, shopper),) = crm.objects["contacts"].items()
    ((deal, found),) = crm.objects["deals"].items()
    assert shopper == {"email": "shopper@example.com"}
    assert found == {
        "shop_order": found["shop_order"],
        "dealname": "Order 1042",
        "amount": "1234.50",
        "deal_currency_code": "EUR",
        "pipeline": "default",
        "dealstage": "closedwon",
    }
    assert re.fullmatch(r"shop-1042-[0-9a-f]{8}", found["shop_order"])
    assert crm.associated == {("deals", deal, contact)}
    assert row.external_ids == {"contact": contact, "deal": deal}


@pytest.mark.parametrize(("currency", "exponent", "amount"), [("JPY", 0, "123450"), ("KWD", 3, "123.450")])
def test_amounts_have_the_decimals_of_their_currency(
    crm: hubspot.HubSpot, told: Told, currency: str, exponent: int, amount: str
) -> None:
    told.tell(Fact.ORDER_PLACED, currency=currency, currency_exponent=exponent, state="placed")
    (found,) = crm.objects["deals"].values()
    assert (found["amount"], found["deal_currency_code"]) == (amount, currency)


def test_one_shopper_with_two_orders_is_one_contact_with_two_deals(crm: hubspot.HubSpot, told: Told) -> None:
    told.tell(Fact.ORDER_PAID, email="Ann@Example.com")
    told.tell(Fact.ORDER_PAID, email="ann@example.com", number=1043, token="another")
    assert (len(crm.objects["contacts"]), len(crm.objects["deals"]), len(crm.associated)) == (1, 2, 2)


def test_a_number_that_a_new_database_gave_again_is_another_order(crm: hubspot.HubSpot, told: Told) -> None:
    told.tell(Fact.ORDER_PAID)
    told.tell(Fact.ORDER_PAID, token="the same number, another order")
    assert len(crm.objects["deals"]) == 2


def test_a_stage_without_a_setting_is_left_as_it_is(crm: hubspot.HubSpot, told: Told) -> None:
    told.tell(Fact.ORDER_PAID)
    told.tell(Fact.REFUND_SUCCEEDED, state="refunded")
    (found,) = crm.objects["deals"].values()
    assert found["dealstage"] == "closedwon"


def test_an_earlier_fact_that_comes_late_changes_nothing_back(crm: hubspot.HubSpot, told: Told) -> None:
    placed = told.record(Fact.ORDER_PLACED, state="placed")
    paid = told.tell(Fact.ORDER_PAID)

    told.deliver(placed)

    (found,) = crm.objects["deals"].values()
    assert found["dealstage"] == "closedwon"
    assert (placed.state, placed.external_ids) == ("delivered", paid.external_ids)


def test_orders_may_be_hubspots_own_orders(crm: hubspot.HubSpot, told: Told) -> None:
    told.destination.options = {"object": "orders"}
    told.destination.save()
    row = told.tell(Fact.ORDER_PAID)
    ((one, found),) = crm.objects["orders"].items()
    assert (found["hs_order_name"], found["hs_total_price"], found["hs_currency_code"]) == (
        "Order 1042",
        "1234.50",
        "EUR",
    )
    assert row.external_ids["order"] == one


@pytest.mark.parametrize(("policy", "seconds"), [("DAILY", 3600), ("TEN_SECONDLY_ROLLING", 10), ("SECONDLY", 2)])
def test_a_limit_is_waited_for_as_its_policy_says(crm: hubspot.HubSpot, told: Told, policy: str, seconds: int) -> None:
    crm.over_limit = [policy]
    row = told.tell(Fact.ORDER_PAID)
    assert (row.state, row.last_failure, row.last_http_status) == ("queued", "unavailable", 429)
    assert row.not_before >= told.now + timedelta(seconds=seconds)


def test_a_setting_that_hubspot_does_not_know_is_told_to_staff_and_tried_again(
    crm: hubspot.HubSpot, told: Told
) -> None:
    told.destination.options = {"id_property": "no_such_property"}
    told.destination.save()
    row = told.tell(Fact.ORDER_PAID)
    assert (row.state, row.last_failure, row.last_http_status) == ("queued", "permanent", 400)

    told.destination.options = OPTIONS
    told.destination.save()
    assert told.deliver(row).state == "delivered"


@pytest.mark.parametrize("gap", ["email", "token", "number", "currency", "currency_exponent", "total_minor", "state"])
def test_a_payload_with_a_gap_is_given_up_at_once(crm: hubspot.HubSpot, told: Told, gap: str) -> None:
    row = told.tell(Fact.ORDER_PAID, **{gap: None})
    assert (row.state, row.dead_reason) == ("dead", "permanent")
    assert f"has no {gap}" in row.last_detail


@pytest.mark.parametrize(
    "options",
    [
        {"object": "tickets"},
        {"id_property": "no spaces"},
        {"id_property": ""},
        {"prefix": "../"},
        {"stage_paid": ["closedwon"]},
        {"stage_paid": None},
        {"colour": "red"},
    ],
)
def test_options_that_cannot_be_right_are_refused(told: Told, options: dict[str, object]) -> None:
    told.destination.options = options
    with pytest.raises(ValidationError, match="option"):
        told.destination.clean()


def test_the_receiver_refuses_what_hubspot_refuses(crm: hubspot.HubSpot) -> None:
    """The stand-in is strict, or none of the above means anything."""
    good = {"id": "a@example.com", "idProperty": "email", "properties": {"email": "a@example.com"}}
    cases: list[tuple[object, str]] = [
        ({"inputs": []}, "maximum number"),
        ({"inputs": [good] * 101}, "maximum number"),
        ({"inputs": [good], "more": 1}, "inputs is required"),
        ({"inputs": [{**good, "idProperty": "firstname"}]}, "non-unique"),
        ({"inputs": [{**good, "properties": {"colour": "red"}}]}, "PROPERTY_DOESNT_EXIST"),
        ({"inputs": [{**good, "properties": {"firstname": 7}}]}, "values are text"),
        ({"inputs": [{**good, "properties": {"email": "nobody"}}]}, "INVALID_EMAIL"),
        ({"inputs": [{"id": "a@example.com", "properties": {}}]}, "are required"),
    ]
    for body, why in cases:
        answer = crm.answer(asked("POST", "/crm/v3/objects/contacts/batch/upsert", body))
        assert (answer.status, answer.body["category"]) == (400, "VALIDATION_ERROR")
        assert why in answer.body["message"]
    deal = {"id": "1", "idProperty": "shop_order", "properties": {"amount": "1,5"}}
    assert crm.answer(asked("POST", "/crm/v3/objects/deals/batch/upsert", {"inputs": [deal]})).status == 400
    assert crm.answer(asked("POST", "/crm/v3/objects/contacts/search", {})).status == 404
    assert (
        crm.answer(asked("POST", "/crm/v3/objects/contacts/batch/upsert", {"inputs": [good]}, token="")).status == 401
    )


def asked(method: str, path: str, body: object, *, token: str = hubspot.TOKEN) -> Asked:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return Asked(method=method, path=path, query={}, headers=headers, body=json.dumps(body).encode())
