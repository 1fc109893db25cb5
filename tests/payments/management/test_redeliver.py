"""`manage.py redeliver`: which dead deliveries it queues, what it reports, how it exits."""

from __future__ import annotations

import json
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations import delivery
from integrations.connectors.contract import Verdict
from integrations.facts import Fact
from integrations.models import Delivery, DeliveryReplay, DeliveryState, Failure
from tests.integrations.deliveries import make_destination, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def dead(now: datetime) -> list[Delivery]:
    """Three dead deliveries: two facts to `crm`, one of them to `erp` too."""
    make_destination(now=now, name="crm")
    make_destination(now=now, name="erp", facts=[Fact.ORDER_PAID.value])
    tell(now=now, fact=Fact.ORDER_PAID)
    tell(now=now, fact=Fact.ORDER_EXPIRED)
    for claimed in delivery.claim(now=now, limit=9):
        delivery.mark_all([(claimed, Verdict(failure=Failure.PERMANENT, hopeless=True))], now=now)
    return list(Delivery.objects.filter(state=DeliveryState.DEAD).order_by("pk"))


def run(*arguments: str, code: int = 0) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command("redeliver", *arguments, stdout=out, stderr=err)
        assert ended.value.code == code
    else:
        call_command("redeliver", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def report(*arguments: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json", code=code)[0])
    return found


def queued() -> set[int]:
    return set(Delivery.objects.filter(state=DeliveryState.QUEUED).values_list("pk", flat=True))


def test_by_id_and_by_key(dead: list[Delivery]) -> None:
    out, err = run(str(dead[0].pk), dead[1].key, "--reason", "receiver mended")
    assert (out.strip(), err) == ("2 queued, 0 not dead, 0 unknown", "")
    assert queued() == {dead[0].pk, dead[1].pk}
    assert {(replay.reason, replay.actor.partition(":")[0]) for replay in DeliveryReplay.objects.all()} == {
        ("receiver mended", "command")
    }


def test_by_destination_and_fact(dead: list[Delivery]) -> None:
    assert len(report("--destination", "crm")["queued"]) == 2
    assert len(report("--destination", "erp", "--fact", "order.expired")["queued"]) == 0
    assert len(report("--fact", "order.paid")["queued"]) == 1


def test_all(dead: list[Delivery]) -> None:
    assert report("--all") == {
        "queued": [row.pk for row in dead],
        "not_dead": [],
        "unknown": [],
        "dry_run": False,
    }
    assert report("--all")["queued"] == []


def test_a_dry_run_changes_nothing(dead: list[Delivery]) -> None:
    out, _ = run("--all", "--dry-run")
    assert out.strip() == "3 would be queued, 0 not dead, 0 unknown"
    assert queued() == set()


def test_what_is_not_dead_or_not_there_is_a_partial_failure(dead: list[Delivery]) -> None:
    run(str(dead[0].pk))
    found = report(str(dead[0].pk), str(dead[1].pk), "msg_none", "999999", code=4)
    assert found == {
        "queued": [dead[1].pk],
        "not_dead": [dead[0].pk],
        "unknown": ["msg_none", "999999"],
        "dry_run": False,
    }


@pytest.mark.parametrize("arguments", [[], ["--destination", "nobody"]])
def test_usage(arguments: list[str], db: None) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("redeliver", *arguments)
    assert refused.value.returncode == 2
