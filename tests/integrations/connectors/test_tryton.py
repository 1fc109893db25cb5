"""The ERP: one posted and paid invoice an order, and the kit, against a receiver that speaks Tryton's JSON-RPC.

`make erp` runs the connector against a real Tryton (tests/erp/).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import override_settings

from integrations.connectors import CONNECTORS, tryton_rpc
from integrations.connectors.tokens import TokenCache
from integrations.facts import Fact
from integrations.models import Delivery
from tests.conformance.connectors import ConnectorKit, Stand
from tests.integrations.connectors.telling import Told
from tests.receivers import tryton
from tests.receivers.server import Answer, Asked, serving

pytestmark = pytest.mark.django_db

OPTIONS = {"account": tryton.ACCOUNT, "payment_method": tryton.METHOD}


class TestConformance(ConnectorKit):
    kind = "tryton"
    path = "/shop"
    secret = f"{tryton.USER}:{tryton.PASSWORD}"
    options = OPTIONS
    effects = {"parties": 1, "booked": 1, "payments": 1}

    @contextmanager
    def stand(self) -> Iterator[Stand]:
        api = tryton.Tryton()

        def effects() -> dict[str, int]:
            return {
                "parties": len(api.records["party.party"]) - 1,
                "booked": sum(invoice["state"] in ("posted", "paid") for invoice in api.invoices),
                "payments": len(api.payments),
            }

        with serving(api) as url:
            yield Stand(url, effects)


@pytest.fixture
def erp(monkeypatch: pytest.MonkeyPatch) -> tryton.Tryton:
    monkeypatch.setattr(tryton_rpc, "_sessions", TokenCache())
    return tryton.Tryton()


@pytest.fixture
def told(erp: tryton.Tryton) -> Iterator[Told]:
    with serving(erp) as url:
        yield Told(
            kind="tryton",
            address=f"{url}/shop",
            secret=f"{tryton.USER}:{tryton.PASSWORD}",
            options=OPTIONS,
            facts=sorted(CONNECTORS["tryton"].facts),
        )


def number(value: str) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": value}


def test_a_paid_order_is_a_posted_and_paid_invoice(erp: tryton.Tryton, told: Told) -> None:
    row = told.tell(Fact.ORDER_PAID)

    assert row.state == "delivered", row.last_detail
    (invoice,) = erp.invoices
    assert (invoice["state"], invoice["number"], invoice["total_amount"]) == ("paid", "1", number("1234.50"))
    assert invoice["description"] == "Shop order 1042"
    assert invoice["reference"].startswith("shop-1042-")
    ((_, (line,)),) = invoice["lines"]
    assert (line["description"], line["quantity"]) == ("Mug <b>&</b> saucer (MUG)", 2)
    assert (line["unit_price"], line["account"]) == (number("617.25"), 99)
    (payment,) = erp.payments
    assert payment["description"] == "stripe ch_1"
    assert payment["date"] == {"__class__": "date", "year": 2026, "month": 11, "day": 21}
    party = erp.records["party.party"][invoice["party"]]
    assert party["name"] == "shopper@example.com"
    assert row.external_ids == {"invoice": "1", "invoice id": "1", "party id": str(invoice["party"])}


def test_a_refund_is_tryton_s_credit_note(erp: tryton.Tryton, told: Told) -> None:
    told.tell(Fact.ORDER_PAID)
    row = told.tell(Fact.REFUND_SUCCEEDED)
    assert row.state == "delivered", row.last_detail
    sale, back = erp.invoices
    assert back["total_amount"] == number("-234.50")
    assert back["party"] == sale["party"]
    assert back["reference"].startswith(f"{sale['reference']}-refund-")
    assert [one["description"] for one in erp.payments] == ["stripe ch_1", "stripe re_1"]
    told.tell(Fact.REFUND_SUCCEEDED, refund="re_2")
    assert len(erp.invoices) == 3


def test_money_that_paid_no_order_gets_no_credit_note(erp: tryton.Tryton, told: Told) -> None:
    told.tell(Fact.ORDER_PAID)
    row = told.tell(Fact.REFUND_SUCCEEDED, refund_of="unapplied")
    assert row.state == "delivered", row.last_detail
    assert len(erp.invoices) == 1


def test_one_shopper_is_one_party_however_the_address_is_written(erp: tryton.Tryton, told: Told) -> None:
    told.tell(Fact.ORDER_PAID, email="Ann@Example.com")
    told.tell(Fact.ORDER_PAID, email="ann@example.com", number=1043, token="another")
    assert len({invoice["party"] for invoice in erp.invoices}) == 1
    assert len(erp.invoices) == 2


def test_a_party_that_tryton_knew_before_is_left_alone(erp: tryton.Tryton, told: Told) -> None:
    """Anybody may type somebody else's address into a shop."""
    erp.records["party.party"][7] = {"code": "SUPPLIER-7", "name": "shopper@example.com"}
    told.tell(Fact.ORDER_PAID)
    (invoice,) = erp.invoices
    assert invoice["party"] != 7


def test_a_draft_made_twice_is_booked_once(erp: tryton.Tryton, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that ends on their side after we gave it up."""
    create = erp._methods["model.account.invoice.create"]
    monkeypatch.setitem(erp._methods, "model.account.invoice.create", lambda one: create(one) and create(one))
    row = told.tell(Fact.ORDER_PAID)
    assert row.state == "delivered", row.last_detail
    assert [invoice["state"] for invoice in erp.invoices] == ["paid", "draft"]
    assert len(erp.payments) == 1


@pytest.mark.parametrize("how", ["validated", "posted", "paid"])
def test_it_goes_on_from_wherever_the_invoice_stands(erp: tryton.Tryton, told: Told, how: str) -> None:
    row = told.record(Fact.ORDER_PAID)
    erp._methods["model.account.invoice.post"], post = _away, erp._methods["model.account.invoice.post"]
    assert told.deliver(row).state == "queued"
    erp._methods["model.account.invoice.post"] = post
    (one,) = erp.records["account.invoice"]
    if how == "validated":
        erp.records["account.invoice"][one]["state"] = how
    elif how == "posted":
        post([one])
    else:
        post([one])
        told.deliver(row)
        assert len(erp.payments) == 1
        return
    assert told.deliver(row).state == "delivered"
    assert (len(erp.invoices), len(erp.payments)) == (1, 1)


def _away(*_: Any) -> None:
    raise tryton.UserError("There is no open period for shopper@example.com.")


def test_what_tryton_says_is_told_to_staff_without_the_shopper(erp: tryton.Tryton, told: Told) -> None:
    erp._methods["model.account.invoice.post"] = _away
    row = told.tell(Fact.ORDER_PAID)
    assert (row.state, row.last_failure) == ("queued", "permanent")
    assert "account.invoice.post: UserError: There is no open period" in row.last_detail
    assert "shopper@example.com" not in row.last_detail


@pytest.mark.parametrize("kind", ["ConcurrencyException", "DatabaseOperationalError"])
def test_a_busy_tryton_is_asked_again(erp: tryton.Tryton, told: Told, monkeypatch: Any, kind: str) -> None:
    busy = tryton_rpc._refused("model.account.invoice.post", [kind, ["busy"]])
    assert CONNECTORS["tryton"].classify(busy, now=told.now).failure == "unavailable"


def test_an_invoice_that_a_person_cancelled_is_not_made_again(erp: tryton.Tryton, told: Told) -> None:
    erp._methods["model.account.invoice.post"] = _away
    row = told.tell(Fact.ORDER_PAID)
    (invoice,) = erp.invoices
    invoice["state"] = "cancelled"
    assert told.deliver(row).last_failure == "permanent"
    assert "was cancelled in Tryton" in row.last_detail
    assert len(erp.invoices) == 1


def test_an_invoice_over_another_amount_is_not_posted(erp: tryton.Tryton, told: Told) -> None:
    """Taxes that a rule in Tryton adds, a draft that somebody changed: a person has to look."""
    erp._methods["model.account.invoice.post"], post = _away, erp._methods["model.account.invoice.post"]
    row = told.tell(Fact.ORDER_PAID)
    erp._methods["model.account.invoice.post"] = post
    (invoice,) = erp.invoices
    invoice["total_amount"] = number("1469.06")
    told.deliver(row)
    assert (row.state, row.last_failure, invoice["state"]) == ("queued", "permanent", "draft")
    assert "is not over 1234.50" in row.last_detail


def test_two_booked_invoices_of_one_order_need_a_person(erp: tryton.Tryton, told: Told) -> None:
    row = told.record(Fact.ORDER_PAID)
    told.deliver(row)
    erp.records["account.invoice"][9] = {**erp.invoices[0], "number": "9"}
    again = told.tell(Fact.ORDER_PAID)
    assert "2 posted invoices" in again.last_detail


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"account": "9.9.9"}, "no account with the code 9.9.9"),
        ({"payment_method": "Cheque"}, "no payment method Cheque"),
    ],
)
def test_what_tryton_does_not_have_is_said(erp: tryton.Tryton, told: Told, options: dict[str, str], says: str) -> None:
    told.destination.options = {**OPTIONS, **options}
    told.destination.save()
    row = told.tell(Fact.ORDER_PAID)
    assert (row.state, row.last_failure) == ("queued", "configuration")
    assert says in row.last_detail
    assert erp.payments == []


def test_a_currency_that_tryton_does_not_have_is_said(erp: tryton.Tryton, told: Told) -> None:
    row = told.tell(Fact.ORDER_PAID, currency="USD", capture_currency="USD")
    assert (row.last_failure, erp.invoices) == ("configuration", [])
    assert "no currency USD" in row.last_detail


def test_one_session_serves_many_and_an_ended_one_is_renewed(erp: tryton.Tryton, told: Told) -> None:
    told.tell(Fact.ORDER_PAID)
    told.tell(Fact.REFUND_SUCCEEDED)
    assert erp.logins == 1
    erp.sessions.clear()
    assert told.tell(Fact.REFUND_SUCCEEDED, refund="re_2").state == "delivered"
    assert erp.logins == 2


@pytest.mark.parametrize("gap", ["email", "lines", "token", "currency_exponent", "total_minor"])
def test_a_payload_with_a_gap_is_given_up_at_once(erp: tryton.Tryton, told: Told, gap: str) -> None:
    row = told.tell(Fact.ORDER_PAID, **{gap: None})
    assert (row.state, row.dead_reason) == ("dead", "permanent")
    assert f"has no {gap}" in row.last_detail
    assert erp.invoices == []


@pytest.mark.parametrize("options", [{}, {"account": "4"}, {**OPTIONS, "company": "one"}, {**OPTIONS, "prefix": ""}])
def test_options_that_cannot_be_right_are_refused(told: Told, options: dict[str, Any]) -> None:
    told.destination.options = options
    with pytest.raises(ValidationError, match="option"):
        told.destination.clean()


def test_a_tryton_too_slow_for_the_look_up_is_told_all_the_same(
    erp: tryton.Tryton, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step looks for itself; waiting for the whole look-up would keep a slow ERP from ever being told."""
    answer = erp.answer

    def slowly(asked: Asked) -> Answer:
        time.sleep(0.06)
        return answer(asked)

    monkeypatch.setattr(erp, "answer", slowly)
    row = told.record(Fact.ORDER_PAID)
    Delivery.objects.filter(pk=row.pk).update(outcome_unknown=True)
    with override_settings(DELIVERY_LOOKUP_SECONDS=0.1):
        told.deliver(row)
    assert row.state == "delivered", row.last_detail
    assert (len(erp.invoices), len(erp.payments)) == (1, 1)
