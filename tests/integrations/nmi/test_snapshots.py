"""NMI's reports as payments: each condition, refunds of every kind, and what is kept of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.contract import DeclineReason, Mode, PaymentSnapshot, PaymentStatus, ProviderIds, Unavailable
from integrations.providers.nmi import reports, snapshots
from tests.integrations.nmi.reports import action, report, transaction


def told(*transactions: str) -> PaymentSnapshot:
    return snapshots.snapshot(
        reports.read(report(*transactions)), account="1", mode=Mode.TEST, fingerprint_key="k", page_id="pa_1234567890"
    )


@pytest.mark.parametrize(
    ("condition", "actions", "status", "captures"),
    [
        ("pendingsettlement", [action()], PaymentStatus.PAID, 1),
        ("complete", [action(), action("settle", date="20261122000000")], PaymentStatus.PAID, 1),
        ("complete", [action("auth"), action("capture", date="20261121130000")], PaymentStatus.PAID, 1),
        ("pending", [action("auth")], PaymentStatus.AUTHORIZED, 0),
        ("pending", [action()], PaymentStatus.PENDING, 0),
        ("in_progress", [action()], PaymentStatus.PENDING, 0),
        ("unknown", [action(success="0")], PaymentStatus.PENDING, 0),
        ("failed", [action(success="0", response_code="223")], PaymentStatus.FAILED, 0),
        ("canceled", [action("auth"), action("void", date="20261121130000")], PaymentStatus.CANCELLED, 0),
        ("abandoned", [action(success="0")], PaymentStatus.CANCELLED, 0),
        ("failed", [action(), action("settle", success="0")], PaymentStatus.FAILED, 0),
    ],
)
def test_each_condition(condition: str, actions: list[str], status: PaymentStatus, captures: int) -> None:
    snapshot = told(transaction(*actions, condition=condition))
    assert (snapshot.status, len(snapshot.captures)) == (status, captures)
    assert not snapshot.page_open
    assert snapshot.reference == "pa_1234567890"
    assert snapshot.ids == ProviderIds(page_id="pa_1234567890", intent_id="12030573544")
    assert (snapshot.amount_minor, snapshot.currency) == (4990, "EUR")


@pytest.mark.parametrize(
    ("condition", "status", "captures"),
    [("pendingsettlement", "pending", 0), ("pending", "pending", 0), ("complete", "paid", 1), ("failed", "failed", 0)],
)
def test_a_bank_account_has_paid_only_once_it_is_settled(condition: str, status: str, captures: int) -> None:
    snapshot = told(transaction(condition=condition, transaction_type="ck"))
    assert (snapshot.status, len(snapshot.captures)) == (status, captures)


def test_what_the_bank_returned_later_is_money_back_and_no_failure() -> None:
    late = action("check_late_return", date="20261130120000")
    snapshot = told(transaction(action(), late, condition="complete", transaction_type="ck"))
    assert snapshot.status is PaymentStatus.PAID
    assert [(refund.amount_minor, refund.status) for refund in snapshot.refunds] == [(4990, "succeeded")]


def test_a_void_gives_all_of_it_back() -> None:
    snapshot = told(transaction(action(), action("void", date="20261121130000"), condition="canceled"))
    assert snapshot.status is PaymentStatus.PAID
    [capture], [refund] = snapshot.captures, snapshot.refunds
    assert (refund.refund_id, refund.capture_id) == ("12030573544:void", capture.capture_id)
    assert (refund.amount_minor, refund.status) == (4990, "succeeded")


@pytest.mark.parametrize(
    ("condition", "status"),
    [("pendingsettlement", "pending"), ("complete", "succeeded"), ("failed", "failed"), ("canceled", "failed")],
)
@pytest.mark.parametrize("amount", ["10.00", "-10.00"], ids=["positive", "negative"])
def test_a_refund_is_a_transaction_of_its_own(condition: str, status: str, amount: str) -> None:
    given = transaction(
        action("refund", amount=amount), transaction_id="2", condition=condition, order_description="rf_1234567890",
        original_transaction_id="12030573544",
    )  # fmt: skip
    [refund] = told(transaction(condition="complete"), given).refunds
    assert (refund.refund_id, refund.capture_id, refund.amount_minor) == ("2", "12030573544", 1000)
    assert (refund.status, refund.reference) == (status, "rf_1234567890")


def test_a_refund_that_names_no_original_belongs_to_the_one_sale_there_is() -> None:
    given = transaction(action("refund", amount="10.00"), transaction_id="2", order_description="Order 7")
    [refund] = told(transaction(), given).refunds
    assert (refund.capture_id, refund.reference) == ("12030573544", "")
    two = told(transaction(), transaction(transaction_id="3"), given)
    assert [each.capture_id for each in two.refunds] == [""], "of two sales nobody knows which"


def test_two_sales_of_one_order_id_are_two_captures() -> None:
    snapshot = told(transaction(), transaction(transaction_id="2"))
    assert [capture.capture_id for capture in snapshot.captures] == ["12030573544", "2"]


def test_a_declined_sale_beside_one_that_paid_is_a_try_and_no_decline() -> None:
    refused = transaction(action(success="0", response_code="202"), transaction_id="2", condition="failed")
    snapshot = told(refused, transaction())
    assert (snapshot.status, snapshot.decline) == (PaymentStatus.PAID, None)
    assert [(one.try_id, one.succeeded) for one in snapshot.tries] == [("2", False), ("12030573544", True)]
    assert snapshot.tries[0].decline is not None
    assert snapshot.tries[0].decline.reason is DeclineReason.INSUFFICIENT_FUNDS
    alone = told(refused)
    assert alone.decline == snapshot.tries[0].decline


def test_the_gateways_hash_of_a_card_is_not_kept() -> None:
    """Whoever has it could try out all numbers; a keyed one of ours is the same each time and says nothing."""
    [one] = told(transaction()).tries
    assert one.fingerprint
    assert "f6c609e1" not in repr(told(transaction()))
    other = snapshots.snapshot(
        reports.read(report(transaction())), account="1", mode=Mode.TEST, fingerprint_key="other", page_id=""
    )
    assert other.tries[0].fingerprint != one.fingerprint


def test_nothing_of_the_shopper_or_the_card_is_kept() -> None:
    kept = repr(told(transaction()))
    for secret in ("Ann", "ann@", "1111", "4xxx"):
        assert secret not in kept


def test_when_the_money_moved_is_told_in_utc() -> None:
    [capture] = told(transaction()).captures
    assert capture.captured_at == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "broken",
    [
        b"", b"not xml", b"<html/>", b"<nm_response><transaction/></nm_response>",
        report(transaction(action(amount="49,90"))), report(transaction(action(amount="NaN"))),
        report(transaction(action(date="yesterday"))), report(transaction(condition="")),
        report(transaction(transaction_id="../1")),
        report("<transaction><transaction_id>1</transaction_id></transaction>"),
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_read_says_nothing(broken: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        reports.read(broken)
    assert caught.value.outcome_unknown


@pytest.mark.parametrize(
    "attack",
    [
        b'<!DOCTYPE nm_response [<!ENTITY a "x">]><nm_response>&a;</nm_response>',
        b'<!DOCTYPE nm_response SYSTEM "http://127.0.0.1:9/x.dtd"><nm_response/>',
        b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]><nm_response>&a;</nm_response>',
    ],
)
def test_a_document_type_is_refused_before_anything_is_expanded(attack: bytes) -> None:
    with pytest.raises(Unavailable, match="document type"):
        reports.read(attack)


@pytest.mark.parametrize(("word", "on"), [("true", True), ("false", False), ("True", True), ("0", False)])
def test_whether_the_account_is_in_test_mode(word: str, on: bool) -> None:
    assert reports.read_test_mode(report(f"<test_mode_enabled>{word}</test_mode_enabled>")) is on


@pytest.mark.parametrize("body", [report(), report("<test_mode_enabled>maybe</test_mode_enabled>")])
def test_a_test_mode_that_is_not_told_is_no_live_mode(body: bytes) -> None:
    with pytest.raises(Unavailable):
        reports.read_test_mode(body)


def test_an_unknown_condition_is_not_guessed() -> None:
    with pytest.raises(Unavailable, match="condition"):
        told(transaction(condition="refunded_in_full_tomorrow"))
