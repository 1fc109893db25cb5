"""Exactly one receipt a capture and one a refund, with real workers, wherever they are killed. The TSS is the judge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from integrations.facts import Fact
from integrations.models import Delivery, DeliveryState
from tests.conformance.connectors import CAPTURE, REFUND
from tests.conformance.fault_proxy import SILENT_AFTER, FaultProxy, before
from tests.integrations.connectors.test_fiskaly import OPTIONS, receipt
from tests.integrations.deliveries import make_destination, tell
from tests.processes import Processes, eventually, running
from tests.receivers import fiskaly
from tests.receivers.server import serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

STEPS = 4
"""Of the first receipt: sign in, look, start, finish."""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def service() -> fiskaly.Fiskaly:
    return fiskaly.Fiskaly()


@pytest.fixture
def proxy(service: fiskaly.Fiskaly) -> Iterator[FaultProxy]:
    with serving(service) as url, before(url) as standing:
        make_destination(
            now=timezone.now(),
            kind="fiskaly",
            address=f"{standing.url}/api/v2",
            secrets=(f"{fiskaly.KEY}:{fiskaly.SECRET}",),
            options=OPTIONS,
            idempotent=False,
            facts=[Fact.ORDER_PAID.value, Fact.REFUND_SUCCEEDED.value],
        )
        yield standing


@pytest.fixture
def rows(proxy: FaultProxy) -> list[Delivery]:
    """A sale and its refund, both to be told."""
    now = timezone.now()
    return [
        *tell(now=now, fact=Fact.ORDER_PAID, **CAPTURE),
        *tell(now=now + timedelta(milliseconds=1), fact=Fact.REFUND_SUCCEEDED, **REFUND),
    ]


def finish(processes: Processes, rows: list[Delivery]) -> None:
    """Let the leases of the dead be over, and other workers do the rest."""
    Delivery.objects.filter(state=DeliveryState.SENDING).update(not_before=timezone.now() - timedelta(seconds=1))
    processes.cluster("deliver")
    processes.manage("tick")
    eventually(lambda: are_delivered(rows))


def are_delivered(rows: list[Delivery]) -> bool:
    keys = [row.pk for row in rows]
    return Delivery.objects.filter(pk__in=keys, state=DeliveryState.DELIVERED).count() == len(keys)


def assert_one_receipt_each(service: fiskaly.Fiskaly) -> None:
    assert sorted(service.receipts, key=str) == sorted([receipt("1234.50"), receipt("-234.50")], key=str)
    assert len(service.transactions) == 2
    assert service.signatures == 4, "started and finished once each"


@pytest.mark.parametrize(
    "failpoint",
    ["delivery.before_send", "delivery.after_send", "delivery.before_mark", "delivery.after_mark"],
)
@pytest.mark.parametrize("passes", [1, 2])
def test_a_worker_killed_at_a_failpoint(
    processes: Processes, service: fiskaly.Fiskaly, rows: list[Delivery], failpoint: str, passes: int
) -> None:
    doomed = processes.cluster("deliver", FAILPOINT=f"{failpoint}:{passes}")
    # Both may be marked together: then a mark's second pass never comes, and nobody is killed.
    eventually(lambda: "cluster_renewed" in doomed.said() or (passes == 2 and are_delivered(rows)))
    doomed.kill()

    finish(processes, rows)

    assert_one_receipt_each(service)


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_worker_killed_after_the_service_took_a_step(
    processes: Processes, service: fiskaly.Fiskaly, proxy: FaultProxy, rows: list[Delivery], step: int
) -> None:
    """The service has acted, its answer is on the way, and the worker is gone."""
    Delivery.objects.filter(pk=rows[1].pk).update(not_before=timezone.now() + timedelta(hours=1))
    proxy.spoil(SILENT_AFTER, which=step)
    doomed = processes.cluster("deliver")
    eventually(lambda: len(proxy.lines) >= step)
    eventually(lambda: service.signatures >= step - 2)
    doomed.kill()
    proxy.heal()

    Delivery.objects.filter(pk=rows[1].pk).update(not_before=timezone.now())
    finish(processes, rows)

    assert_one_receipt_each(service)
