"""`make bench`: the ledger with 1,000,000 entries of 24 months: verifying it, closing a month, its trial balance."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from orders.models import Order
from payments.ledger import check as ledger_check
from payments.ledger import periods as accounting_periods
from payments.ledger import trial_balance
from payments.models import Capture, LedgerEntry, LedgerTransaction, PaymentAttempt
from payments.roles import Role
from tests.benchmarks.figures import Figure, figure, missed, print_table
from tests.benchmarks.filling import MILLION, _without_triggers, first_key, insert
from tests.staff import make_staff, sign_in

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

CAPTURES = MILLION // 4
"""Each has a posting and its fee's, of two entries each."""
MONTHS = 24
ROUNDS = 5
PAGE_MS = 300


def fill_ledger() -> None:
    """Write captures of the last 24 months with what they post, as the application would have."""
    at = f"now() - (interval '{MONTHS * 30} days') * ({CAPTURES} - n) / {CAPTURES}"
    for model, count, columns in (
        (Order, 1, {"token": "'order'", "total_minor": "1", "currency": "'EUR'", "placed_at": "now()",
                    "expires_at": "now()", "state": "'placed'", "email": "'a@example.com'"}),
        (PaymentAttempt, 1, {"reference": "'pa'", "order_id": "(SELECT min(id) FROM orders_order)",
                             "provider": "'stripe'", "state": "'paid'", "amount_minor": "1", "currency": "'EUR'",
                             "created_at": "now()", "mode": "'test'", "account": "'acct'"}),
    ):  # fmt: skip
        with _without_triggers(model):
            insert(model, count, **columns)
    with _without_triggers(Capture):
        insert(
            Capture, CAPTURES, attempt_id=str(first_key(PaymentAttempt)), order_id=str(first_key(Order)),
            provider="'stripe'", account="'acct'", capture_id="'ch_' || n", amount_minor="1000 + n % 9000",
            currency="CASE WHEN n % 7 = 0 THEN 'JPY' ELSE 'EUR' END", disposition="'unapplied'", captured_at=at,
            created_at=at, fee_minor="25 + n % 90",
        )  # fmt: skip
    with _without_triggers(LedgerTransaction), _without_triggers(LedgerEntry), connections["owner"].cursor() as cursor:
        for kind in ("capture", "fee"):
            cursor.execute(
                "INSERT INTO payments_ledgertransaction (cause_kind, cause_id, currency, at, note)"
                " SELECT %s, id, currency, created_at, 'Capture ' || capture_id FROM payments_capture ORDER BY id",
                [kind],
            )
        for account, amount in (
            ("CASE t.cause_kind WHEN 'fee' THEN 'fees' ELSE 'clearing:stripe' END", ""),
            ("CASE t.cause_kind WHEN 'fee' THEN 'clearing:stripe' ELSE 'unapplied' END", "-"),
        ):
            cursor.execute(
                f"INSERT INTO payments_ledgerentry (transaction_id, account, amount_minor) SELECT t.id, {account},"
                f" {amount}CASE t.cause_kind WHEN 'fee' THEN c.fee_minor ELSE c.amount_minor END"
                " FROM payments_ledgertransaction t JOIN payments_capture c ON c.id = t.cause_id ORDER BY t.id"
            )
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def test_a_million_entries(client: Client) -> None:
    before = os.getloadavg()
    fill_ledger()
    assert LedgerEntry.objects.count() == MILLION
    sign_in(client, make_staff(Role.FINANCE))
    whole = _seconds("trial balance, no month closed", trial_balance.balance)
    months: list[float] = []
    while (turn := accounting_periods.next_to_close()) and accounting_periods.bounds(turn)[1] <= timezone.now():
        months.append(_close(turn))
    verified = _seconds("verify_ledger", _verify)
    page = [_page(client, "") for _ in range(ROUNDS)]
    past = (datetime.now(tz=UTC) - timedelta(days=400)).date()
    figures = [
        verified,
        whole,
        figure(f"closing a month ({len(months)} in a row)", months, " s"),
        figure("trial balance page, now", page, " ms", at_most=PAGE_MS),
        figure(
            "trial balance page, 400 days ago", [_page(client, f"?until={past}") for _ in range(ROUNDS)], " ms",
            at_most=PAGE_MS,
        ),
        figure(
            "transactions of an account", [_page(client, "?account=fees", lists=True) for _ in range(ROUNDS)], " ms",
            at_most=PAGE_MS,
        ),
    ]  # fmt: skip
    print_table(figures, before=before)
    assert not missed(figures), f"missed: {'; '.join(missed(figures))}"


def _verify() -> None:
    done = ledger_check.check()
    assert (done.findings, done.transactions) == ([], 2 * CAPTURES)


def _close(month: date) -> float:
    began = time.perf_counter()
    accounting_periods.close(month=month, actor="bench", at=timezone.now())
    return time.perf_counter() - began


def _seconds(name: str, work: Callable[[], Any]) -> Figure:
    began = time.perf_counter()
    work()
    return figure(name, [time.perf_counter() - began], " s")


def _page(client: Client, query: str, *, lists: bool = False) -> float:
    began = time.perf_counter()
    answer = client.get(f"/admin/{'payments/ledgertransaction' if lists else 'ledger'}/{query}")
    assert answer.status_code == 200
    return (time.perf_counter() - began) * 1000
