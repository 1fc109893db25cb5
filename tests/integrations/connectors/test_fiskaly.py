"""The fiscal service: one receipt a capture and one a refund, and the kit, against a strict receiver."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from integrations import delivery
from integrations.connectors import CONNECTORS
from integrations.connectors import fiskaly as connector
from integrations.connectors.tokens import TokenCache
from integrations.facts import Fact
from tests.conformance.connectors import ConnectorKit, Stand
from tests.integrations.connectors.telling import Told
from tests.receivers import fiskaly
from tests.receivers.server import Asked, serving

pytestmark = pytest.mark.django_db

OPTIONS = {"tss_id": fiskaly.TSS, "client_id": fiskaly.CLIENT}


class TestConformance(ConnectorKit):
    kind = "fiskaly"
    path = "/api/v2"
    secret = f"{fiskaly.KEY}:{fiskaly.SECRET}"
    options = OPTIONS
    effects = {"receipts": 1, "transactions": 1, "signatures": 2}

    @contextmanager
    def stand(self) -> Iterator[Stand]:
        api = fiskaly.Fiskaly()

        def effects() -> dict[str, int]:
            return {
                "receipts": len(api.receipts),
                "transactions": len(api.transactions),
                "signatures": api.signatures,
            }

        with serving(api) as url:
            yield Stand(url, effects)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> fiskaly.Fiskaly:
    monkeypatch.setattr(connector, "_tokens", TokenCache())
    return fiskaly.Fiskaly()


@pytest.fixture
def told(service: fiskaly.Fiskaly) -> Iterator[Told]:
    with serving(service) as url:
        yield Told(
            kind="fiskaly",
            address=f"{url}/api/v2",
            secret=f"{fiskaly.KEY}:{fiskaly.SECRET}",
            options=OPTIONS,
            facts=sorted(CONNECTORS["fiskaly"].facts),
        )


def receipt(amount: str, *, vat_rate: str = "NORMAL") -> dict[str, Any]:
    return {
        "receipt_type": "RECEIPT",
        "amounts_per_vat_rate": [{"vat_rate": vat_rate, "amount": amount}],
        "amounts_per_payment_type": [{"payment_type": "NON_CASH", "amount": amount, "currency_code": "EUR"}],
    }


def test_a_capture_and_its_refund_are_one_receipt_each(service: fiskaly.Fiskaly, told: Told) -> None:
    sale = told.tell(Fact.ORDER_PAID)
    back = told.tell(Fact.REFUND_SUCCEEDED)

    assert (sale.state, back.state) == ("delivered", "delivered"), (sale.last_detail, back.last_detail)
    assert service.receipts == [receipt("1234.50"), receipt("-234.50")]
    assert sale.external_ids["receipt"] == "1"
    assert back.external_ids["receipt"] == "2"
    assert sale.external_ids["signature counter"] == "9"
    refunded = service.transactions[back.external_ids["transaction"]][-1]["metadata"]
    assert refunded["receipt_of_sale"] == sale.external_ids["transaction"]
    assert refunded["delivery"] == back.key
    assert refunded["order"].startswith("shop-1042-")


def test_two_refunds_of_one_capture_are_two_receipts(service: fiskaly.Fiskaly, told: Told) -> None:
    told.tell(Fact.REFUND_SUCCEEDED, refund_amount_minor=100)
    told.tell(Fact.REFUND_SUCCEEDED, refund_amount_minor=100, refund="re_2")
    assert service.receipts == [receipt("-1.00"), receipt("-1.00")]


def test_late_money_that_is_applied_later_keeps_its_one_receipt(service: fiskaly.Fiskaly, told: Told) -> None:
    """Two facts of one capture: it moved once."""
    unapplied = told.tell(Fact.CAPTURE_UNAPPLIED)
    paid = told.tell(Fact.ORDER_PAID)
    assert (unapplied.state, paid.state) == ("delivered", "delivered")
    assert service.receipts == [receipt("1234.50")]
    assert paid.external_ids == unapplied.external_ids
    assert service.signatures == 2


def test_money_taken_twice_is_two_receipts(service: fiskaly.Fiskaly, told: Told) -> None:
    told.tell(Fact.ORDER_PAID)
    told.tell(Fact.CAPTURE_UNAPPLIED, capture="ch_2")
    assert len(service.receipts) == 2


def test_the_same_id_at_another_account_is_another_capture(service: fiskaly.Fiskaly, told: Told) -> None:
    told.tell(Fact.ORDER_PAID)
    told.tell(Fact.ORDER_PAID, account="acct_2")
    assert len(service.receipts) == 2


def test_the_vat_rate_is_the_destinations(service: fiskaly.Fiskaly, told: Told) -> None:
    told.destination.options = {**OPTIONS, "vat_rate": "REDUCED_1"}
    told.destination.save()
    told.tell(Fact.ORDER_PAID, capture_amount_minor=5, total_minor=5)
    assert service.receipts == [receipt("0.05", vat_rate="REDUCED_1")]


def test_a_receipt_that_was_started_and_left_is_finished(service: fiskaly.Fiskaly, told: Told) -> None:
    row = told.record(Fact.ORDER_PAID)
    told.deliver(row)
    transaction = row.external_ids["transaction"]
    del service.transactions[transaction][1]  # as if we had died between the two
    service._bodies = {key: body for key, body in service._bodies.items() if key[1] == 1}
    other = told.tell(Fact.CAPTURE_UNAPPLIED)
    assert other.external_ids["transaction"] == transaction
    assert [one["state"] for one in service.transactions[transaction]] == ["ACTIVE", "FINISHED"]


def test_one_sign_in_serves_many_and_an_ended_one_is_renewed(service: fiskaly.Fiskaly, told: Told) -> None:
    told.tell(Fact.ORDER_PAID)
    told.tell(Fact.CAPTURE_UNAPPLIED, capture="ch_2")
    assert service.logins == 1

    service.tokens.clear()
    assert told.tell(Fact.CAPTURE_UNAPPLIED, capture="ch_3").state == "delivered"
    assert service.logins == 2


def test_a_token_is_not_used_to_its_last_second(service: fiskaly.Fiskaly, told: Told, monkeypatch: Any) -> None:
    authenticate = service._authenticate
    monkeypatch.setattr(service, "_authenticate", lambda body: {**authenticate(body), "access_token_expires_in": 59})
    told.tell(Fact.ORDER_PAID)
    told.tell(Fact.CAPTURE_UNAPPLIED, capture="ch_2")
    assert service.logins == 2


def test_another_secret_is_another_sign_in(service: fiskaly.Fiskaly, told: Told) -> None:
    told.tell(Fact.ORDER_PAID)
    told.destination.set_signing_secrets([f"{fiskaly.KEY}:wrong"])
    told.destination.save()
    row = told.tell(Fact.CAPTURE_UNAPPLIED, capture="ch_2")
    assert (row.state, row.last_failure, row.last_http_status) == ("queued", "configuration", 401)


@pytest.mark.parametrize("secret", ["no colon", "", ":", "key:", ":secret"])
def test_a_secret_of_another_form_is_a_configuration_failure(service: fiskaly.Fiskaly, told: Told, secret: str) -> None:
    told.destination.set_signing_secrets([secret])
    told.destination.save()
    row = told.tell(Fact.ORDER_PAID)
    assert (row.state, row.last_failure) == ("queued", "configuration")
    assert service.logins == 0


def test_a_transaction_that_a_person_cancelled_needs_a_person(service: fiskaly.Fiskaly, told: Told) -> None:
    row = told.record(Fact.ORDER_PAID)
    told.deliver(row)
    service.transactions[row.external_ids["transaction"]][-1]["state"] = "CANCELLED"
    again = told.tell(Fact.CAPTURE_UNAPPLIED)
    assert (again.state, again.dead_reason) == ("dead", "permanent")
    assert "cancelled" in again.last_detail


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (400, "E_TSS_NOT_INITIALIZED", "configuration"),
        (400, "E_CLIENT_DEREGISTERED", "configuration"),
        (423, "E_TSS_DEFECTIVE", "configuration"),
        (423, "E_CERTIFICATE_EXPIRED", "configuration"),
        (432, "E_USE_MIDDLEWARE", "configuration"),
        (400, "E_TX_UPSERT", "unavailable"),
        (400, "E_TX_LIMIT_REACHED", "unavailable"),
        (499, "", "unavailable"),
        (503, "E_TSS_LOCKED", "unavailable"),
        (400, "E_FAILED_SCHEMA_VALIDATION", "permanent"),
        (404, "E_TSS_NOT_FOUND", "configuration"),
    ],
)
def test_what_its_errors_mean(
    service: fiskaly.Fiskaly, told: Told, monkeypatch: Any, status: int, code: str, failure: str
) -> None:
    def refuse(*_: Any) -> None:
        raise fiskaly.No(status, code)

    monkeypatch.setattr(service, "_upsert", refuse)
    row = told.tell(Fact.ORDER_PAID)
    assert (row.state, row.last_failure, row.last_http_status) == ("queued", failure, status)
    assert row.outcome_unknown


def test_what_no_german_receipt_can_say_is_given_up_at_once(service: fiskaly.Fiskaly, told: Told) -> None:
    row = told.tell(Fact.ORDER_PAID, currency="USD", capture_currency="USD")
    assert (row.state, row.dead_reason) == ("dead", "permanent")
    assert "EUR" in row.last_detail
    row = told.tell(Fact.ORDER_PAID, capture_currency="USD")
    assert "another currency" in row.last_detail
    assert service.transactions == {}


@pytest.mark.parametrize("gap", ["provider", "account", "capture", "capture_amount_minor", "capture_currency", "token"])
def test_a_payload_with_a_gap_is_given_up_at_once(service: fiskaly.Fiskaly, told: Told, gap: str) -> None:
    row = told.tell(Fact.ORDER_PAID, **{gap: None})
    assert (row.state, row.dead_reason) == ("dead", "permanent")
    assert f"has no {gap}" in row.last_detail


@pytest.mark.parametrize(
    "options", [{}, {"tss_id": fiskaly.TSS}, {**OPTIONS, "tss_id": "tss"}, {**OPTIONS, "vat_rate": "19"}]
)
def test_options_that_cannot_be_right_are_refused(told: Told, options: dict[str, Any]) -> None:
    told.destination.options = options
    with pytest.raises(ValidationError, match="option"):
        told.destination.clean()


def test_the_id_is_a_uuid_of_version_4_and_always_the_same(told: Told) -> None:
    rows = [told.record(Fact.ORDER_PAID), told.record(Fact.CAPTURE_UNAPPLIED), told.record(Fact.REFUND_SUCCEEDED)]
    ids = []
    for row, kind in zip(rows, ("capture", "capture", "refund"), strict=True):
        claimed = delivery.Claim(delivery=row, fence=1, number=1, look_first=False)
        ids.append(connector.transaction_id(delivery._message(claimed), kind))
    assert ids[0] == ids[1] != ids[2]
    assert all(one.version == 4 and one.variant == uuid.RFC_4122 for one in ids)


def test_the_receiver_refuses_what_fiskaly_refuses(service: fiskaly.Fiskaly) -> None:
    """The stand-in is strict, or none of the above means anything."""
    token = service._authenticate({"api_key": fiskaly.KEY, "api_secret": fiskaly.SECRET})["access_token"]
    tx = str(uuid.uuid4())
    start = {"state": "ACTIVE", "client_id": fiskaly.CLIENT}
    schema = {"standard_v1": {"receipt": receipt("1.00")}}
    finish = {**start, "state": "FINISHED", "schema": schema}

    def put(body: object, revision: object = 1, *, tss: str = fiskaly.TSS, one: str = tx) -> tuple[int, str]:
        answer = service.answer(
            Asked(
                method="PUT",
                path=f"/api/v2/tss/{tss}/tx/{one}",
                query={"tx_revision": str(revision)},
                headers={"authorization": f"Bearer {token}"},
                body=json.dumps(body).encode(),
            )
        )
        return answer.status, answer.body.get("code", "")

    invalid = (400, "E_FAILED_SCHEMA_VALIDATION")
    assert put(start, one=str(uuid.uuid1())) == invalid
    assert put(start, revision="") == invalid
    assert put({**start, "schema": schema}) == invalid, "a start has no data"
    assert put({**start, "more": 1}) == invalid
    assert put({**start, "client_id": str(uuid.uuid4())}) == (400, "E_CLIENT_NOT_FOUND")
    assert put(start, tss=str(uuid.uuid4())) == (404, "E_TSS_NOT_FOUND")
    assert put(finish, 2) == (400, "E_TX_UPSERT"), "not started"
    assert put(start) == (200, "")
    assert put(start) == (200, ""), "the same request again"
    assert put({**finish, "schema": {"standard_v1": {"receipt": receipt("1,00")}}}, 2) == invalid
    assert put({**finish, "schema": {"standard_v1": {"receipt": receipt("1")}}}, 2) == invalid
    assert put(finish, 2) == (200, "")
    assert put(finish, 3) == (400, "E_TX_UPSERT"), "nothing follows a finished one"
    assert put({**finish, "metadata": {"a": "b"}}, 2) == (400, "E_TX_UPSERT"), "nor replaces it"
    assert service.signatures == 2
