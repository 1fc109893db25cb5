"""Refunds of both books: made at the provider, gone from it, of another amount or state; a look for each difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from integrations.contract import ListedRefund, ProviderIds
from orders.models import Order
from payments.models import Case, PaymentAttempt, ReconciliationRun, Refund
from payments.settlement import look
from tests.fake_provider import MOMENT, Payment
from tests.reconciliation.books import Books

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """In the place of SIGKILL: nothing catches it."""


def refund(books: Books, payment: Payment, amount_minor: int = 500, *, status: str = "succeeded") -> str:
    """Let a refund be made in the provider's dashboard; return its id."""
    made = books.provider.refund_at_provider(payment, amount_minor=amount_minor, status=status)
    payment.refunds[-1] = replace(made, created_at=MOMENT - timedelta(minutes=5))
    return made.refund_id


def found(books: Books, run: ReconciliationRun | None = None) -> list[tuple[str, str]]:
    return books.found(run)


def test_a_refund_of_the_dashboard_is_recorded_by_a_look(books: Books) -> None:
    _, payment, _ = books.paid()
    refund(books, payment)
    books.reconcile()
    assert found(books) == [("missing_here", "settled")]
    assert Refund.objects.get().state == "succeeded"
    assert Order.objects.get().state == "partially_refunded"
    assert found(books, books.reconcile()) == []


def test_both_know_it(books: Books) -> None:
    attempt, payment, _ = books.paid()
    refund(books, payment)
    look(attempt.pk, clock=books.clock, actor="test")
    asked = len(books.provider.calls)
    run = books.reconcile()
    assert found(books) == [] and (run.listed, run.compared) == (2, 2)
    assert "fetch" not in {verb for verb, _ in books.provider.calls[asked:]}


def test_its_state_has_moved_on_and_a_look_follows(books: Books) -> None:
    attempt, payment, _ = books.paid()
    refund_id = refund(books, payment, status="pending")
    look(attempt.pk, clock=books.clock, actor="test")
    books.provider.decide_refund(refund_id, "succeeded")
    books.reconcile()
    assert found(books) == [("state", "settled")]
    assert Refund.objects.get().state == "succeeded"


def test_another_amount_is_told(books: Books) -> None:
    attempt, payment, _ = books.paid()
    refund(books, payment)
    look(attempt.pk, clock=books.clock, actor="test")
    payment.refunds[-1] = replace(payment.refunds[-1], amount_minor=400)
    books.reconcile()
    assert found(books) == [("amount", "case")]
    case = Case.objects.get(kind="reconcile_state")
    assert (case.subject_kind, case.subject_id) == ("refund", Refund.objects.get().pk)
    assert found(books, books.reconcile()) == [("amount", "known")]


def test_one_that_they_no_longer_know(books: Books) -> None:
    attempt, payment, _ = books.paid()
    refund(books, payment)
    look(attempt.pk, clock=books.clock, actor="test")
    payment.refunds.clear()
    books.reconcile()
    assert found(books) == [("missing_there", "case")]
    assert Case.objects.filter(kind="reconcile_missing_there", subject_kind="refund").exists()


def test_a_list_that_lags_is_no_difference(books: Books) -> None:
    attempt, payment, _ = books.paid()
    refund_id = refund(books, payment)
    look(attempt.pk, clock=books.clock, actor="test")
    books.provider.unlisted = {refund_id}
    books.reconcile()
    assert found(books) == []


def test_a_refund_of_no_payment_of_ours(books: Books) -> None:
    books.provider.extra_refunds = [
        ListedRefund(
            refund_id="re_strange",
            capture_id="ch_strange",
            reference="",
            ids=ProviderIds(intent_id="pi_strange"),
            account="acct_shop",
            status="succeeded",
            amount_minor=100,
            currency="EUR",
            listed_at=MOMENT - timedelta(minutes=1),
        )
    ]
    books.reconcile()
    assert found(books) == [("unknown_capture", "case")] and books.cases() == ["reconcile_unknown_capture"]
    assert found(books, books.reconcile()) == [("unknown_capture", "known")]


def test_a_dry_run_only_suspects(books: Books) -> None:
    _, payment, _ = books.paid()
    refund(books, payment)
    books.reconcile(dry_run=True)
    assert found(books) == [("missing_here", "suspected")]
    assert not Refund.objects.exists() and PaymentAttempt.objects.get().state == "paid"


@pytest.mark.parametrize("known", [False, True])
def test_killed_between_the_look_and_the_finding_the_next_tells_it(
    books: Books, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """What the look has put right is no difference any more; the run still tells that it was one."""
    attempt, payment, _ = books.paid()
    refund_id = refund(books, payment, status="pending" if known else "succeeded")
    if known:
        look(attempt.pk, clock=books.clock, actor="test")
        books.provider.decide_refund(refund_id, "succeeded")

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("payments.reconciliation.refund_lists._left_of", die)
        with pytest.raises(Killed):
            books.reconcile()
    assert found(books) == [] and Refund.objects.get().state == "succeeded"
    run = books.reconcile()
    assert found(books) == [("state" if known else "missing_here", "settled")]
    assert "succeeded" in run.findings.get().theirs


def test_killed_before_the_look_it_is_judged_anew(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    _, payment, _ = books.paid()
    refund(books, payment)

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("payments.reconciliation.refund_lists.look", die)
        with pytest.raises(Killed):
            books.reconcile()
    books.reconcile()
    assert found(books) == [("missing_here", "settled")]
