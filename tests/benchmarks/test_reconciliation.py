"""`make bench`: 100,000 clean payments reconciled, and the memory it takes beside 10,000 (docs/benchmarks.md)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from integrations import providers
from integrations.contract import (
    Capabilities,
    ListedCapture,
    ListedRefund,
    ListedStatus,
    Mode,
    Page,
    ProviderIds,
)
from orders.models import Order
from payments.models import Capture, PaymentAttempt, ReconciliationFinding
from payments.reconciliation import lists
from tests.benchmarks.figures import Figure, missed, print_table
from tests.benchmarks.filling import first_key, insert

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

SMALL, LARGE, PAGE = 10_000, 100_000, 100
GOAL_SECONDS, GOAL_MEMORY = 60, 1.1
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
STEP = timedelta(seconds=10)


class Lister:
    """A provider that lists so many payments, each made when its page is asked for. `seconds`: spent in here."""

    name = "stripe"
    mode = Mode.TEST
    capabilities = Capabilities(
        key_lifetime_seconds=1,
        key_max_length=255,
        lookup_settles_after_seconds=0,
        page_lifetime_min_seconds=1,
        page_lifetime_max_seconds=1,
        currencies=frozenset({"EUR"}),
        lists_payments=True,
    )

    def __init__(self, count: int) -> None:
        self.count = count
        self.seconds = 0.0

    def account(self) -> str:
        return "acct_1"

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        begun = time.perf_counter()
        newest = int(cursor or self.count)
        oldest = max(newest - PAGE, 0)
        page = Page(
            items=tuple(_listed(number) for number in range(newest, oldest, -1)), cursor=str(oldest) if oldest else ""
        )
        self.seconds += time.perf_counter() - begun
        return page

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        return Page()


def _listed(number: int) -> ListedCapture:
    at = BEGIN + STEP * number
    return ListedCapture(
        capture_id=f"ch_{number}",
        reference=f"pa_{number}",
        ids=ProviderIds(intent_id=f"pi_{number}"),
        account="acct_1",
        mode=Mode.TEST,
        status=ListedStatus.CAPTURED,
        amount_minor=2000,
        currency="EUR",
        listed_at=at,
        captured_at=at,
        fee_minor=88,
        status_words="succeeded",
    )


@pytest.fixture
def books(db: None) -> Iterator[None]:
    """As many payments of ours, written as they end up."""
    tables = (Order, PaymentAttempt, Capture)
    at = f"timestamptz '{BEGIN.isoformat()}' + interval '10 seconds' * n"
    with connections["owner"].cursor() as cursor:
        for model in tables:
            cursor.execute(f'ALTER TABLE "{model._meta.db_table}" DISABLE TRIGGER USER')
        insert(
            Order, LARGE, token="'order-' || n", state="'paid'", currency="'EUR'", total_minor="2000",
            email="'shopper@example.com'", placed_at=at, expires_at=at, paid_at=at,
        )  # fmt: skip
        order = first_key(Order)
        insert(
            PaymentAttempt, LARGE, reference="'pa_' || n", order_id=f"{order} + n - 1", provider="'stripe'",
            state="'paid'", amount_minor="2000", currency="'EUR'", created_at=at, mode="'test'", account="'acct_1'",
            page_id="'cs_' || n", intent_id="'pi_' || n", looked_at=at,
        )  # fmt: skip
        attempt = first_key(PaymentAttempt)
        insert(
            Capture, LARGE, attempt_id=f"{attempt} + n - 1", order_id=f"{order} + n - 1", provider="'stripe'",
            account="'acct_1'", capture_id="'ch_' || n", amount_minor="2000", currency="'EUR'",
            disposition="'applied'", captured_at=at, created_at=at, fee_minor="88",
        )  # fmt: skip
        for model in tables:
            cursor.execute(f'ALTER TABLE "{model._meta.db_table}" ENABLE TRIGGER USER')
        cursor.execute("VACUUM ANALYZE")
    yield


def test_a_hundred_thousand_clean_payments(
    books: None, monkeypatch: pytest.MonkeyPatch, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = os.getloadavg()
    settings.DEBUG = False
    caplog.set_level(logging.WARNING)
    _reconcile(PAGE, monkeypatch)  # what is loaded once counts for neither
    small, _ = _measured(SMALL, monkeypatch)
    large, outside = _measured(LARGE, monkeypatch)
    assert not ReconciliationFinding.objects.exists(), "they are clean"
    figures = [
        Figure("100,000 clean payments, outside HTTP calls", outside, " s", at_most=GOAL_SECONDS),
        Figure("peak memory at 100,000 ÷ at 10,000", large / small, "", at_most=GOAL_MEMORY),
        Figure("peak memory at 100,000", large / 1024, " MiB"),
        Figure("peak memory at 10,000", small / 1024, " MiB"),
    ]
    print_table(figures, before=before)
    assert missed(figures) == []


def _measured(count: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, float]:
    """Return the most memory that this process held meanwhile, in KiB, and the seconds outside the provider."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    begun = time.perf_counter()
    provider = _reconcile(count, monkeypatch)
    seconds = time.perf_counter() - begun - provider.seconds
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak), seconds


def _reconcile(count: int, monkeypatch: pytest.MonkeyPatch) -> Lister:
    provider = Lister(count)
    monkeypatch.setattr(providers, "get", lambda _: provider)
    until = BEGIN + STEP * count + STEP / 2
    [run] = lists.reconcile(
        "stripe", since=BEGIN, dry_run=False, actor="bench", clock=lambda: until, pause=lambda _: None
    )
    assert (run.listed, run.compared) == (count, count)
    return provider
