"""`rotate_keys`: what it says, its exit codes, and that a kill at any batch costs nothing."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from integrations import encryption, resealing
from integrations.models.keys import EncryptionKey
from payments.models import ProviderEvent
from tests.integrations.test_resealing import NEW, OLD, body, event
from tests.processes import ROOT, environment


@pytest.fixture(autouse=True)
def ring(settings: Any) -> Any:
    settings.ENCRYPTION_KEYS = {"k1": OLD}
    return settings


def run(*options: str) -> tuple[int, dict[str, Any]]:
    out = StringIO()
    code = 0
    try:
        call_command("rotate_keys", *options, "--json", stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    report: dict[str, Any] = json.loads(out.getvalue())
    return code, report


@pytest.mark.django_db
class TestRotating:
    def test_says_which_key_may_be_dropped(self, ring: Any, now: datetime) -> None:
        event(1, now=now)
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        code, before = run("--dry-run")
        assert (code, before["to_reseal"], before["droppable"]) == (0, 1, [])
        assert encryption.key_id_of(bytes(ProviderEvent.objects.get().body_sealed)) == "k1"
        code, report = run()
        assert (code, report["resealed"], report["to_reseal"], report["droppable"]) == (0, 1, 0, ["k1"])
        assert set(EncryptionKey.objects.values_list("key_id", flat=True)) == {"k1", "k2"}
        [bodies] = [each for each in report["columns"] if each["column"] == "payments_providerevent.body_sealed"]
        assert (bodies["before"], bodies["now"]) == ({"k1": 1}, {"k2": 1})

    def test_a_key_that_is_missing_is_named(self, ring: Any, now: datetime) -> None:
        event(1, now=now)
        ring.ENCRYPTION_KEYS = {"k2": NEW}
        code, report = run("--dry-run")
        assert (code, report["missing"], report["to_reseal"]) == (3, ["k1"], 1)
        code, report = run()
        assert (code, report["unreadable"], report["missing"]) == (4, 1, ["k1"])

    def test_a_key_changed_under_its_id_is_named(self, ring: Any) -> None:
        run("--dry-run")
        ring.ENCRYPTION_KEYS = {"k1": NEW}
        code, report = run("--dry-run")
        assert (code, report["changed"]) == (3, ["k1"])

    def test_speaks_to_a_person(self, ring: Any, now: datetime, capsys: pytest.CaptureFixture[str]) -> None:
        event(1, now=now)
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        call_command("rotate_keys")
        lines = capsys.readouterr().out.strip().splitlines()
        assert "payments_providerevent.body_sealed: 1 under k2" in lines
        assert "nothing stands under k1 any more" in lines[-2]
        assert lines[-1] == "1 values sealed anew with k2, 0 do not open, 0 changed meanwhile"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("failpoint", ["reseal.before_commit:2", "reseal.after_batch:2"])
def test_a_kill_costs_nothing_and_the_next_run_goes_on(ring: Any, now: datetime, failpoint: str) -> None:
    events = [event(number, now=now) for number in range(resealing.BATCH_VALUES * 2 + 50)]
    both = f"k2:{base64.b64encode(NEW).decode()},k1:{base64.b64encode(OLD).decode()}"

    def start(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "rotate_keys", "--json"],
            cwd=ROOT,
            env=environment(ENCRYPTION_KEYS=both, **more),
            capture_output=True,
            text=True,
            check=False,
        )

    killed = start(FAILPOINT=failpoint)
    assert killed.returncode == -9, killed.stderr
    half = [
        encryption.key_id_of(bytes(sealed)) for sealed in ProviderEvent.objects.values_list("body_sealed", flat=True)
    ]
    assert set(half) == {"k1", "k2"}
    again = start()
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["droppable"] == ["k1"]
    ring.ENCRYPTION_KEYS = {"k2": NEW}
    assert [body(each) for each in events] == [f"body {number}".encode() for number in range(len(events))]
