"""Breaks of all twelve classes, strewn at random among clean payments, in the stand-in's store and in our tables.

Small here; the whole (600 among 10,000) by RECONCILE_BREAKS=600 RECONCILE_CLEAN=10000. What was measured:
docs/reconciliation.md.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from payments.management.demo.stand_ins import new_stripe_webhook_secret
from payments.models import ReconciliationFinding, ReconciliationRun
from payments.models.reconciliation import Difference
from tests.processes import Process, Processes, eventually, running
from tests.reconciliation.planting import Plan, fill_store, fill_tables, make_template
from tests.sandbox.process import API_KEY, SandboxProcess

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]

BREAKS = int(os.environ.get("RECONCILE_BREAKS", "60"))
CLEAN = int(os.environ.get("RECONCILE_CLEAN", "500"))
SEED = int(os.environ.get("RECONCILE_SEED", "20261125"))


class Shop:
    """The planted books, and the command as a process."""

    def __init__(self, processes: Processes, sandbox: SandboxProcess, plan: Plan) -> None:
        self.processes, self.sandbox, self.plan = processes, sandbox, plan

    def start(self, name: str) -> Process:
        return self.processes.start(
            name,
            [sys.executable, "manage.py", "reconcile", "--since", "3d", "--json"],
            STRIPE_API_BASE=self.sandbox.url,
            STRIPE_API_KEY=API_KEY,
            STRIPE_WEBHOOK_SECRETS=new_stripe_webhook_secret(),
            PAYMENTS_PROVIDERS="stripe",
            RECONCILE_PAGES_A_SECOND="50",
            LOG_LEVEL="ERROR",
        )

    def reconcile(self, name: str) -> tuple[int, dict[str, object], float]:
        begun = time.monotonic()
        process = self.start(name)
        eventually(lambda: process.code is not None, seconds=1500, every=0.2)
        lines = [line for line in process.said().splitlines() if line.startswith("{")]
        assert lines, process.said()[-3000:]
        return process.code or 0, json.loads(lines[-1]), time.monotonic() - begun


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    plan = Plan(clean=CLEAN, breaks=BREAKS, seed=SEED)
    sandbox = SandboxProcess(tmp_path / "stripe", webhook_url="http://127.0.0.1:9/none").start()
    template = make_template(sandbox)
    fill_store(sandbox.state_dir, template, plan)
    fill_tables(template, plan)
    sandbox.start()
    try:
        with running(tmp_path) as processes:
            yield Shop(processes, sandbox, plan)
    finally:
        sandbox.stop()


def found_of(*runs: ReconciliationRun) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in Difference.values}
    for finding in ReconciliationFinding.objects.filter(run__in=runs):
        found[finding.difference].add(finding.object_id)
    return found


def test_every_break_is_found_under_its_class_and_nothing_else(shop: Shop) -> None:
    """Killed in the middle, taken up, and read once more."""
    planted = {name: shop.plan.expected[name] for name in Difference.values}
    assert sum(len(ids) for ids in planted.values()) == BREAKS and min(map(len, planted.values())) >= BREAKS // 12

    first = shop.start("first")
    half = (CLEAN + BREAKS) // 200
    reached = ReconciliationRun.objects.filter(pages__gte=half)
    eventually(lambda: first.code is not None or reached.exists(), seconds=900)
    assert first.code is None, first.said()[-3000:]
    first.kill()
    run = ReconciliationRun.objects.get()
    assert run.finished_at is None, "it was killed before its end"
    in_the_middle = run.findings.count()
    ReconciliationRun.objects.update(lease_until=run.heartbeat_at)  # as if its lease had run out

    code, told, seconds = shop.reconcile("second")
    run.refresh_from_db()
    assert (code, run.ending) == (3, "done"), told["failures"]
    found = found_of(*ReconciliationRun.objects.all())
    assert found == planted
    assert not ReconciliationFinding.objects.filter(upshot="unconfirmed").exists()
    settled = set(ReconciliationFinding.objects.filter(upshot="settled").values_list("difference", flat=True))
    assert settled == {"missing_here"}

    runs_before = list(ReconciliationRun.objects.values_list("pk", flat=True))
    code, told, again = shop.reconcile("third")
    assert (code, told["new"], told["unconfirmed"]) == (3, 0, 0), "nothing new"
    third = ReconciliationRun.objects.exclude(pk__in=runs_before)
    left = {name: set() if name in ("missing_here", "duplicate", "late") else ids for name, ids in planted.items()}
    assert found_of(*third) == left, "what was recorded here is no difference any more"
    print(
        f"\n{BREAKS} breaks among {CLEAN} clean payments: all found under their class, 0 false alarms;"
        f" killed after {in_the_middle} findings, taken up in {seconds:.0f} s, read again in {again:.0f} s: 0 new"
    )
