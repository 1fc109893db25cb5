"""`make bench`: webhook intake against a null view, its latency at a fixed rate, and the way from webhook to paid.

Medians of five rounds, all in one run on one machine. What the figures mean and what they were: docs/benchmarks.md.
"""

from __future__ import annotations

import logging
import os
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from payments.management.demo.stand_ins import new_stripe_webhook_secret
from payments.models import ProviderEvent
from tests.benchmarks.figures import Figure, figure, missed, print_table
from tests.benchmarks.load import Outcome
from tests.benchmarks.stand import Stand, Template
from tests.processes import eventually, running
from tests.sandbox.process import API_KEY, SandboxProcess

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

ROUNDS = 5
WEBHOOKS, BEHIND_MIDDLEWARE, BARE = "/webhooks/stripe/", "/null/", "/bare/"

INTAKE_SECONDS = 3.0
INTAKE_CONNECTIONS = 16
INTAKE_MOST = 9_000
"""More than a null view answers in that time; all are signed before the clock starts."""

RATE = 200.0
RATE_SECONDS = 10.0
RATE_CONNECTIONS = 64
"""So many that a request waits for a free one only when the service is far behind."""

PAYMENTS_A_ROUND = 4


@pytest.fixture
def stand(tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture) -> Iterator[Stand]:
    caplog.set_level(logging.WARNING)  # this process's own lines would stand among the figures
    secret = new_stripe_webhook_secret()
    sandbox = SandboxProcess(tmp_path / "sandbox", webhook_url="http://127.0.0.1:9/none", webhook_secret=secret).start()
    settings.STRIPE_API_BASE, settings.STRIPE_API_KEY = sandbox.url, API_KEY
    settings.STRIPE_WEBHOOK_SECRETS, settings.PAYMENTS_PROVIDERS = (secret,), ("stripe",)
    try:
        with running(tmp_path) as processes:
            yield Stand(processes, sandbox)
    finally:
        sandbox.stop()


def test_the_goals_are_met(stand: Stand) -> None:
    _refuse_an_unsafe_database()
    before = os.getloadavg()
    template = stand.template()
    stand.serve()
    with stand.workers():
        figures = [*_webhook_to_paid(stand), *_latency(stand, template)]
    figures += _intake(stand, template)
    print_table(figures, before=before)
    assert not missed(figures), f"missed: {'; '.join(missed(figures))}"


# --- the figures ---------------------------------------------------------------------------------------------


def _webhook_to_paid(stand: Stand) -> list[Figure]:
    """Pay one order at a time on a system that does nothing else, at moments that no poll is in step with."""
    stand.control.set_webhook(url=f"{stand.shop}{WEBHOOKS}", secrets=[stand.webhook_secret])
    ours, theirs = [], []
    for _ in range(ROUNDS):
        whole, provider = [], []
        for _ in range(PAYMENTS_A_ROUND):
            time.sleep(random.uniform(0.2, 0.6))
            paid = stand.pay(stand.open_page())
            whole.append(paid.seconds * 1000)
            provider.append(stand.provider_seconds(paid) * 1000)
        theirs.append(statistics.median(provider))
        ours.append(statistics.median(a - b for a, b in zip(whole, provider, strict=True)))
    return [
        figure("webhook → paid, beyond the provider's time, p50", ours, " ms", at_most=500),
        figure("  the provider's own time of a look", theirs, " ms"),
    ]


def _latency(stand: Stand, template: Template) -> list[Figure]:
    """Send at a fixed rate, whatever is answered, while the workers take up what comes in."""
    p50, p99, worst, late = [], [], [], []
    for _ in range(ROUNDS):
        outcome = stand.load(WEBHOOKS, template, connections=RATE_CONNECTIONS, seconds=RATE_SECONDS, rate=RATE)
        took = statistics.quantiles(outcome.milliseconds, n=100, method="inclusive")
        p50.append(took[49])
        p99.append(took[98])
        worst.append(max(outcome.milliseconds))
        late.append(outcome.late_milliseconds)
        eventually(_inbox_is_quiet, seconds=120)
    return [
        figure("ack at 200 webhooks a second, p99", p99, " ms", at_most=200),
        figure("  p50", p50, " ms"),
        figure("  slowest", worst, " ms"),
        figure("  the load itself late by, at worst", late, " ms"),
    ]


def _intake(stand: Stand, template: Template) -> list[Figure]:
    """Send as much as is answered, to the webhook and to the null views in turn, the workers being stopped."""
    rates: dict[str, list[float]] = {WEBHOOKS: [], BEHIND_MIDDLEWARE: [], BARE: []}
    busy: dict[str, list[float]] = {path: [] for path in rates}
    for path in rates:
        _saturate(stand, template, path)  # both workers have connected and imported all
    before = ProviderEvent.objects.count()
    answered = 0
    for _ in range(ROUNDS):
        for path in (WEBHOOKS, BEHIND_MIDDLEWARE, BARE):
            outcome = _saturate(stand, template, path)
            rates[path].append(outcome.answered / outcome.seconds)
            busy[path].append(outcome.busy)
            answered += outcome.answered if path == WEBHOOKS else 0
    assert ProviderEvent.objects.count() - before == answered, "every answered event is a row"
    ratio = {
        path: [ours / null for ours, null in zip(rates[WEBHOOKS], rates[path], strict=True)]
        for path in (BEHIND_MIDDLEWARE, BARE)
    }
    return [
        figure("webhook intake ÷ null view behind all middleware", ratio[BEHIND_MIDDLEWARE], at_least=0.35),
        figure("webhook intake ÷ null view of bare Django", ratio[BARE]),
        figure("  webhooks", rates[WEBHOOKS], " /s"),
        figure("  null view behind all middleware", rates[BEHIND_MIDDLEWARE], " /s"),
        figure("  null view of bare Django", rates[BARE], " /s"),
        *(figure(f"  load's share of a core, {path}", busy[path]) for path in rates),
    ]


def _saturate(stand: Stand, template: Template, path: str) -> Outcome:
    return stand.load(path, template, connections=INTAKE_CONNECTIONS, seconds=INTAKE_SECONDS, most=INTAKE_MOST)


# --- the circumstances ---------------------------------------------------------------------------------------


def _refuse_an_unsafe_database() -> None:
    """A commit that does not wait for the disk would flatter every figure."""
    with connection.cursor() as cursor:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == ("on",), name


def _inbox_is_quiet() -> bool:
    return not ProviderEvent.objects.filter(state__in=["received", "failed"]).exists()
