"""`manage.py status`: red for what is wrong, with the same figures as the screens."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from integrations.heartbeat import beat
from integrations.models import Delivery, Destination
from payments import health_figures
from tests.payments.test_edge_acts import dead_letters

pytestmark = pytest.mark.django_db(transaction=True)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = 0
    try:
        call_command("status", *arguments)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, capsys.readouterr().out


@pytest.fixture
def working() -> None:
    for name in health_figures.PROCESSES:
        beat(name, now=timezone.now())


@pytest.mark.usefixtures("working")
def test_a_quiet_shop_is_green(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run(capsys)
    assert code == 0, told
    assert told.rstrip().endswith("GREEN: 0 red, 0 amber")


@pytest.mark.usefixtures("working")
def test_a_dead_letter_is_red_with_its_age(capsys: pytest.CaptureFixture[str]) -> None:
    now = timezone.now() - timedelta(hours=3)
    receiver = Destination.objects.create(
        name="[red]ERP[/red]", kind="webhook", address="https://erp.example/in", idempotent=True, created_at=now,
        facts=["case.opened"],
    )  # fmt: skip
    dead_letters(receiver, 2, now=now)
    code, told = run(capsys, "--json")
    assert code == 3
    report: dict[str, Any] = json.loads(told)
    [dead] = [line for line in report["lines"] if line["what"].endswith("dead letters")]
    assert (dead["light"], dead["count"]) == ("red", Delivery.objects.filter(state="dead").count())
    code, told = run(capsys)
    assert "3 h 0 min" in told
    assert "[red]ERP[/red]" in told.replace("\n", ""), "a name is text, not markup"


def test_silent_processes_are_red(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run(capsys, "--json")
    assert code == 3
    silent = [
        line["what"] for line in json.loads(told)["lines"] if line["area"] == "process" and line["light"] == "red"
    ]
    assert sorted(silent) == sorted(health_figures.PROCESSES)
