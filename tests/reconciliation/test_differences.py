"""Each way in which the two books can differ: found under its name, settled or told to a person, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from integrations.contract import (
    ListedCapture,
    ListedStatus,
    Mode,
    PaymentStatus,
    ProviderIds,
    Unavailable,
    UnknownObject,
)
from orders.models import Order
from payments.cases.opening import close_case
from payments.expiry import expire_order
from payments.models import Capture, Case, Dispute, LedgerTransaction, PaymentAttempt, ReconciliationFinding
from payments.models.case import Resolution
from payments.settlement import look
from tests.fake_provider import MOMENT
from tests.reconciliation.books import Books, rewrite

pytestmark = pytest.mark.django_db


def a_strange_capture(**changes: Any) -> ListedCapture:
    told: dict[str, Any] = {
        "capture_id": "ch_strange",
        "reference": "",
        "ids": ProviderIds(intent_id="pi_strange"),
        "account": "acct_shop",
        "mode": Mode.TEST,
        "status": ListedStatus.CAPTURED,
        "amount_minor": 700,
        "currency": "EUR",
        "listed_at": MOMENT - timedelta(hours=1),
        "captured_at": MOMENT - timedelta(hours=1),
        "status_words": "succeeded",
    }
    return ListedCapture(**{**told, **changes})


def test_a_dispute_of_which_no_webhook_told_is_recorded_by_a_look(books: Books) -> None:
    _, payment, capture = books.paid()
    books.provider.dispute(payment)
    run = books.reconcile()
    assert books.found(run) == [("state", "settled")]
    assert "disputed" in run.findings.get().theirs
    assert (Dispute.objects.get().state, Dispute.objects.get().capture.capture_id) == ("open", capture.capture_id)
    assert books.found(books.reconcile()) == []


def test_books_that_agree_are_left_alone(books: Books) -> None:
    for _ in range(5):
        books.paid()
    asked = len(books.provider.calls)
    run = books.reconcile()
    assert (run.listed, run.compared, run.ending) == (5, 5, "done")
    assert books.found() == [] and books.cases() == []
    verbs = {verb for verb, _ in books.provider.calls[asked:]}
    assert "list_captures" in verbs and not verbs & {"fetch", "find_capture"}, "nothing is asked one by one"


def test_money_that_is_missing_here_is_settled_by_a_look(books: Books) -> None:
    _, payment = books.attempt()
    books.pay(payment)
    books.reconcile()
    assert books.found() == [("missing_here", "settled")] and books.cases() == []
    assert Order.objects.get().state == "paid"
    again = books.reconcile()
    assert books.found(again) == []


def test_money_of_another_intent_with_our_reference_is_found(books: Books) -> None:
    _, payment, _ = books.paid()
    books.provider.second_intent(payment)
    books.reconcile()
    assert books.found() == [("duplicate", "case")] and books.cases() == ["double_payment"]


def test_money_missing_here_that_no_look_shows_is_told(books: Books) -> None:
    attempt, _ = books.attempt()
    books.provider.extra_captures = [a_strange_capture(reference=attempt.reference, ids=ProviderIds())]
    books.reconcile()
    assert books.found() == [("missing_here", "case")] and books.cases() == ["reconcile_missing_here"]
    case = Case.objects.get()
    assert (case.amount_minor, case.currency, case.order) == (700, "EUR", attempt.order)
    assert "ch_strange" in case.theirs and case.suggested_fix


def test_money_that_is_missing_there(books: Books) -> None:
    _, payment, capture = books.paid()
    books.paid()
    payment.captures.clear()
    payment.status = PaymentStatus.PENDING
    run = books.reconcile()
    assert books.found() == [("missing_there", "case")]
    assert "reconcile_missing_there" in books.cases()
    [finding] = run.findings.all()
    assert (finding.object_id, finding.amount_minor) == (capture.capture_id, 2000)
    assert Order.objects.filter(state="paid").count() == 2, "nothing moves by itself"
    again = books.reconcile()
    assert books.found(again) == [("missing_there", "known")]


def test_a_list_that_lags_is_no_difference(books: Books) -> None:
    _, _, capture = books.paid()
    books.provider.unlisted = {capture.capture_id}
    books.reconcile()
    assert books.found() == [] and books.cases() == []
    assert ("find_capture", capture.capture_id) in books.provider.calls, "it is asked for by its id first"


def test_a_whole_payment_that_is_gone_has_one_case(books: Books) -> None:
    _, payment, _ = books.paid()
    books.provider.payments.pop(payment.page_id)
    books.reconcile()
    assert books.found() == [("missing_there", "case")] and books.cases() == ["unknown_object"]
    assert books.found(books.reconcile()) == [("missing_there", "known")]


def test_another_amount(books: Books) -> None:
    _, payment, capture = books.paid()
    payment.captures[0] = replace(capture, amount_minor=1900)
    books.reconcile()
    assert books.found() == [("amount", "case")] and books.cases() == ["amount_mismatch"]
    assert books.found(books.reconcile()) == [("amount", "known")]


def test_another_currency(books: Books) -> None:
    _, payment, capture = books.paid()
    payment.captures[0] = replace(capture, currency="USD", fee_minor=None)
    books.reconcile()
    assert books.found() == [("currency", "case")] and books.cases() == ["currency_mismatch"]


@pytest.mark.django_db(transaction=True)
def test_a_state_that_does_not_show_the_money(books: Books) -> None:
    attempt, _, _ = books.paid()
    rewrite("payments_paymentattempt", attempt.pk, state="cancelled")
    books.reconcile()
    assert books.found() == [("state", "case")] and books.cases() == ["reconcile_state"]
    assert PaymentAttempt.objects.get().state == "cancelled", "a person puts it right"


def test_a_list_that_lies_about_the_state_changes_nothing(books: Books) -> None:
    _, _, capture = books.paid()
    books.provider.listed_changes[capture.capture_id] = {"status": ListedStatus.FAILED}
    books.reconcile()
    assert books.found() == [("state", "settled")] and books.cases() == []


def test_a_fee_that_came_late_is_learned_and_posted(books: Books) -> None:
    attempt, payment = books.attempt()
    capture = books.pay(payment)
    payment.captures[-1] = replace(capture, fee_minor=None)
    books.provider.fail_next = []
    look(attempt.pk, clock=books.clock, actor="test")
    payment.captures[-1] = capture
    books.reconcile()
    assert books.found() == [("fee", "settled")]
    assert Capture.objects.get().fee_minor == 59
    assert LedgerTransaction.objects.filter(cause_kind="fee").count() == 1


def test_a_fee_that_differs(books: Books) -> None:
    _, payment, capture = books.paid()
    payment.captures[0] = replace(capture, fee_minor=40)
    books.reconcile()
    assert books.found() == [("fee", "case")] and books.cases() == ["reconcile_fee"]
    assert Case.objects.get().amount_minor == 19, "what is at stake is the difference"


def test_money_of_no_payment_of_ours(books: Books) -> None:
    books.provider.extra_captures = [a_strange_capture()]
    books.reconcile()
    assert books.found() == [("unknown_capture", "case")] and books.cases() == ["reconcile_unknown_capture"]
    assert books.found(books.reconcile()) == [("unknown_capture", "known")]


def test_an_accepted_difference_opens_no_case_again(books: Books) -> None:
    books.provider.extra_captures = [a_strange_capture()]
    books.reconcile()
    close_case(Case.objects.get(), resolution=Resolution.ACCEPTED, at=books.now)
    assert books.found(books.reconcile()) == [("unknown_capture", "known")]
    assert Case.objects.count() == 1


def test_tries_that_were_refused_are_no_money(books: Books) -> None:
    books.provider.extra_captures = [a_strange_capture(status=ListedStatus.FAILED)]
    books.reconcile()
    assert books.found() == []


def test_another_mode(books: Books) -> None:
    _, payment, _ = books.paid()
    payment.overrides["mode"] = Mode.LIVE
    books.reconcile()
    assert books.found() == [("wrong_mode", "case")] and books.cases() == ["wrong_mode"]


def test_another_mode_of_money_without_a_payment_here(books: Books) -> None:
    books.provider.extra_captures = [a_strange_capture(mode=Mode.LIVE)]
    books.reconcile()
    assert books.found() == [("wrong_mode", "case")] and books.cases() == ["wrong_mode"]


def test_another_account(books: Books) -> None:
    _, payment, _ = books.paid()
    payment.overrides["account"] = "acct_other"
    books.reconcile()
    assert books.found() == [("wrong_account", "case")] and books.cases() == ["wrong_account"]


def test_late_money(books: Books) -> None:
    attempt, payment = books.attempt()
    books.provider.expire(payment)
    look(attempt.pk, clock=books.clock, actor="test")
    assert PaymentAttempt.objects.get().state == "cancelled"
    books.now += timedelta(hours=2)
    expire_order(attempt.order_id, clock=books.clock, actor="test")
    books.pay(payment)
    books.reconcile()
    assert books.found() == [("late", "case")] and books.cases() == ["late_money"]


def test_a_provider_that_cannot_be_asked_confirms_nothing(books: Books) -> None:
    _, payment = books.attempt()
    books.pay(payment)
    books.provider.fail_next = [None, Unavailable("503")]
    books.reconcile()
    assert books.found() == [("missing_here", "unconfirmed")] and books.cases() == []
    assert books.found(books.reconcile()) == [("missing_here", "settled")]


def test_an_unknown_payment_that_is_gone_again_is_nothing(books: Books) -> None:
    books.provider.extra_captures = [a_strange_capture()]
    books.provider.fail_next = [None, UnknownObject("gone")]
    books.reconcile()
    assert books.found() == []


def test_a_dry_run_asks_and_changes_nothing(books: Books) -> None:
    _, payment = books.attempt()
    books.pay(payment)
    books.provider.extra_captures = [a_strange_capture()]
    asked = len(books.provider.calls)
    books.reconcile(dry_run=True)
    assert books.found() == [("missing_here", "suspected"), ("unknown_capture", "suspected")]
    assert (books.cases(), Order.objects.get().state) == ([], "placed")
    assert {verb for verb, _ in books.provider.calls[asked:]} == {"list_captures", "list_refunds"}


def test_findings_are_never_rewritten(books: Books) -> None:
    books.provider.extra_captures = [a_strange_capture()]
    books.reconcile()
    with transaction.atomic(), pytest.raises(DatabaseError, match="permission denied|append-only"):
        ReconciliationFinding.objects.update(upshot="settled")
