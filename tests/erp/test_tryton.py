"""The shop and a real Tryton: a paid order in, its invoice and payment there, once; also when answers and workers die.

`make erp`. The first run installs Tryton under var/erp/ and initialises a database, which takes a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.test import override_settings
from django.utils import timezone

from integrations.connectors.tryton_rpc import Tryton, as_decimal, signed_in
from integrations.facts import Fact
from integrations.http import total_deadline
from integrations.models import Delivery, DeliveryState, Destination
from tests.conformance.connectors import CAPTURE, REFUND, once, until_delivered
from tests.conformance.fault_proxy import CUT_AFTER, FaultProxy, before
from tests.erp import tryton
from tests.integrations.deliveries import make_destination, tell
from tests.processes import eventually, running

pytestmark = [pytest.mark.erp, pytest.mark.timeout(1800), pytest.mark.django_db(transaction=True)]

SECRET = f"{tryton.USER}:{tryton.PASSWORD}"
TODAY = {name: timezone.now().isoformat() for name in ("captured_at", "refunded_at")}
"""The books are open for this year."""

T = TypeVar("T")


@pytest.fixture(scope="module")
def erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tryton.Running]:
    began = time.monotonic()
    with tryton.running(tmp_path_factory.mktemp("erp")) as server:
        print(f"\nTryton stands after {time.monotonic() - began:.0f} s")
        yield server


@pytest.fixture
def proxy(erp: tryton.Running) -> Iterator[FaultProxy]:
    with before(erp.address.removesuffix("/shop")) as standing, override_settings(DELIVERY_SEND_SECONDS=60):
        make_destination(
            now=timezone.now(),
            kind="tryton",
            address=f"{standing.url}/shop",
            secrets=(SECRET,),
            options=erp.options,
            idempotent=False,
            facts=[Fact.ORDER_PAID.value, Fact.REFUND_SUCCEEDED.value],
        )
        yield standing


def ask(erp: tryton.Running, question: Callable[[Tryton], T]) -> T:
    """Ask Tryton as the shop's user."""
    receiver = Destination(kind="tryton", address=erp.address, options=erp.options, allow_loopback=True).receiver(
        secrets=(SECRET,)
    )
    with total_deadline(60):
        return signed_in(receiver, company=int(erp.options["company"]), use=question)


def paid_order(number: int, **payload: Any) -> Delivery:
    """Let an order be paid that Tryton has not heard of."""
    more = {"number": number, "token": f"token of {number}", "capture": f"ch_{number}"}
    (row,) = tell(now=timezone.now(), fact=Fact.ORDER_PAID, **{**CAPTURE, **TODAY, **more, **payload})
    return row


def assert_booked_once(erp: tryton.Running, row: Delivery, total: str) -> dict[str, Any]:
    """Return the one invoice of the order, posted and paid by one payment, with its id kept here."""
    row.refresh_from_db()
    assert row.state == DeliveryState.DELIVERED, row.last_detail
    text = f"Shop order {row.event.payload['number']}"
    names = ["state", "number", "total_amount", "amount_to_pay", "reconciliation_lines", "party", "lines"]

    def invoices(tryton: Tryton) -> list[dict[str, Any]]:
        ids = tryton("model.account.invoice.search", [["description", "=", text]], 0, None, None)
        return list(tryton("model.account.invoice.read", ids, names))

    (invoice,) = ask(erp, invoices)
    assert (invoice["state"], str(as_decimal(invoice["total_amount"]))) == ("paid", total)
    assert as_decimal(invoice["amount_to_pay"]) == 0
    assert len(invoice["reconciliation_lines"]) == 1
    assert row.external_ids["invoice"] == invoice["number"]
    assert row.external_ids["invoice id"] == str(invoice["id"])
    return invoice


def test_a_paid_order_is_an_invoice_and_its_payment(erp: tryton.Running, proxy: FaultProxy) -> None:
    began = time.monotonic()
    row = paid_order(2001)
    once(row)
    print(f"one order in {time.monotonic() - began:.1f} s and {len(proxy.lines)} calls")

    invoice = assert_booked_once(erp, row, "1234.50")

    def details(tryton: Tryton) -> tuple[Any, Any]:
        line = tryton("model.account.invoice.line.read", invoice["lines"], ["description", "quantity", "amount"])
        party = tryton("model.party.party.read", [invoice["party"]], ["name", "contact_mechanisms"])
        return line, party

    (line,), (party,) = ask(erp, details)
    assert (line["description"], line["quantity"]) == ("Mug <b>&</b> saucer (MUG)", 2)
    assert as_decimal(line["amount"]) == Decimal("1234.50")
    assert party["name"] == "shopper@example.com"
    assert len(party["contact_mechanisms"]) == 1


def test_a_refund_is_a_credit_note_paid_back(erp: tryton.Running, proxy: FaultProxy) -> None:
    sale = paid_order(2002)
    once(sale)
    (back,) = tell(
        now=timezone.now(),
        fact=Fact.REFUND_SUCCEEDED,
        **{**REFUND, **TODAY, "number": 2002, "token": "token of 2002"},
    )
    once(back)

    assert back.state == DeliveryState.DELIVERED, back.last_detail
    names = ["state", "total_amount", "amount_to_pay", "party", "reconciliation_lines"]
    ids = [int(row.external_ids["invoice id"]) for row in (sale, back)]
    sold, given = sorted(
        ask(erp, lambda tryton: list(tryton("model.account.invoice.read", ids, names))), key=lambda one: int(one["id"])
    )
    assert (given["state"], as_decimal(given["total_amount"])) == ("paid", Decimal("-234.50"))
    assert len(given["reconciliation_lines"]) == 1
    assert given["party"] == sold["party"]
    assert sold["state"] == "paid", "the sale stays as it is"


@pytest.mark.parametrize(
    ("number", "currency", "exponent", "total"), [(2003, "JPY", 0, "123450"), (2004, "KWD", 3, "123.450")]
)
def test_amounts_have_the_decimals_of_their_currency(
    erp: tryton.Running, proxy: FaultProxy, number: int, currency: str, exponent: int, total: str
) -> None:
    row = paid_order(number, currency=currency, currency_exponent=exponent, capture_currency=currency)
    once(row)
    assert_booked_once(erp, row, total)


def test_the_same_order_told_again_changes_nothing(erp: tryton.Running, proxy: FaultProxy) -> None:
    """As after a database that was put back from a backup: another delivery, the same order."""
    first = paid_order(2005)
    once(first)
    again = paid_order(2005)
    once(again)
    assert again.external_ids == first.external_ids
    assert_booked_once(erp, again, "1234.50")


def test_whichever_answer_is_lost_the_order_is_booked_once(erp: tryton.Running, proxy: FaultProxy) -> None:
    once(paid_order(2099))  # signs in, makes the party
    known = len(proxy.lines)
    once(paid_order(2100))
    steps = len(proxy.lines) - known
    for step in range(1, steps + 1):
        row = paid_order(2100 + step)
        proxy.spoil(CUT_AFTER, which=step)
        once(row)
        assert row.state == DeliveryState.QUEUED, f"step {step} was spoiled"
        proxy.heal()
        until_delivered(row)
        assert_booked_once(erp, row, "1234.50")
    print(f"{steps} steps, each answer lost once")


@pytest.mark.parametrize(
    ("number", "failpoint"),
    [(2201, "delivery.before_send"), (2202, "delivery.after_send"), (2203, "delivery.before_mark")],
)
def test_a_worker_killed_before_or_after_tryton_s_answer(
    erp: tryton.Running, proxy: FaultProxy, tmp_path: Path, number: int, failpoint: str
) -> None:
    row = paid_order(number)
    with running(tmp_path) as processes:
        doomed = processes.cluster("deliver", FAILPOINT=f"{failpoint}:1")
        eventually(lambda: "cluster_renewed" in doomed.said(), seconds=120)
        doomed.kill()
        assert Delivery.objects.get(pk=row.pk).state == DeliveryState.SENDING
        Delivery.objects.update(not_before=timezone.now() - timedelta(seconds=1))

        processes.cluster("deliver")
        processes.manage("tick")
        eventually(
            lambda: Delivery.objects.filter(pk=row.pk, state=DeliveryState.DELIVERED).exists(), seconds=300, every=0.5
        )
    assert_booked_once(erp, row, "1234.50")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"options": {"account": "9.9.9"}}, "no account with the code 9.9.9"),
        ({"options": {"payment_method": "Cheque"}}, "no payment method Cheque"),
        ({"secret": f"{tryton.USER}:wrong"}, "401"),
        ({"address": "nowhere"}, "404"),
    ],
)
def test_what_is_set_up_wrongly_is_said(
    erp: tryton.Running, proxy: FaultProxy, change: dict[str, Any], says: str
) -> None:
    destination = Destination.objects.get()
    destination.options = {**destination.options, **change.get("options", {})}
    if secret := change.get("secret"):
        destination.set_signing_secrets([secret])
    destination.address = destination.address.replace("shop", change.get("address", "shop"))
    destination.save()
    row = paid_order(2300)
    once(row)
    assert (row.state, row.last_failure) == (DeliveryState.QUEUED, "configuration"), row.last_detail
    assert says in row.last_detail
