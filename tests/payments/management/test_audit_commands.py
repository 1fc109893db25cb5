"""`verify_audit`, `seal_audit`, `export_audit`: what they say, how they end, how an export is checked elsewhere."""

from __future__ import annotations

import csv
import json
import re
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from payments.audit import recording as audit
from payments.audit import sealing
from payments.audit.events import Event
from payments.audit.sealed_tables import SEALED
from payments.models import AuditRecord, AuditSeal, Case
from payments.models.case import CaseKind
from tests.audit_rows import tamper
from tests.payments.test_sealing import ask
from tests.processes import ROOT

pytestmark = pytest.mark.django_db

YESTERDAY = timezone.now() - timedelta(days=1)


@pytest.fixture
def sealed() -> AuditSeal:
    """Two seals, the second with two rows and an act that waits."""
    audit.record(Event.EXPORTED, actor="command:test", at=YESTERDAY)
    sealing.seal_day(now=timezone.now())
    audit.record(Event.EXPORTED, actor="command:test", reason="=1+1", details={"a": "é\r\n"}, at=timezone.now())
    ask(timezone.now())
    seal = sealing.seal_now(now=timezone.now())
    assert seal is not None
    return seal


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """Run a command and return its JSON report, or its lines."""
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command(*arguments)
        assert ended.value.code == code
    else:
        call_command(*arguments)
    out = capsys.readouterr().out
    return json.loads(out) if "--json" in arguments else out.splitlines()


class TestVerify:
    def test_all_well(self, sealed: AuditSeal, capsys: pytest.CaptureFixture[str]) -> None:
        report = run(capsys, "verify_audit", "--json")
        assert report["seals"] == 2
        assert report["rows"] == sum(AuditSeal.objects.values_list("row_count", flat=True))
        assert report["verified_until"] == sealed.sealed_at.isoformat()
        assert report["last_seal"] == {"number": 2, "digest": sealed.digest}
        assert (report["broken"], report["first_broken"], report["unsealed"]) == (0, None, {})
        lines = run(capsys, "verify_audit")
        assert lines[0] == f"anchor: 2:{sealed.digest}"
        assert lines[-1].startswith(
            f"2 seals, {report['rows']} rows, 1 rows not sealed yet, 0 broken links, verified until 20"
        )

    @pytest.mark.django_db(transaction=True)
    def test_a_broken_link(self, sealed: AuditSeal, capsys: pytest.CaptureFixture[str]) -> None:
        row = AuditRecord.objects.earliest("pk")
        tamper("payments_auditrecord", "UPDATE payments_auditrecord SET actor = 'user:1' WHERE id = %s", row.pk)
        report = run(capsys, "verify_audit", "--json", code=3)
        assert report["broken"] == 1
        assert report["first_broken"] == {
            "seal": 1,
            "day": YESTERDAY.date().isoformat(),
            "table": "payments_auditrecord",
            "key": row.pk,
            "what": "the row was changed after it was sealed.",
        }
        lines = run(capsys, "verify_audit", code=3)
        assert lines[0].startswith(
            f"First broken link: seal 1 ({YESTERDAY.date()}), payments_auditrecord {row.pk}: the row"
        )
        assert lines[-1].endswith("1 broken links")
        case = Case.objects.get(kind=CaseKind.AUDIT_BROKEN)
        assert (case.subject_id, case.times_seen) == (1, 2), "each run sees it, one case tells of it"
        assert str(row.pk) in case.theirs

    def test_anchors(self, sealed: AuditSeal, capsys: pytest.CaptureFixture[str]) -> None:
        run(capsys, "verify_audit", "--anchor", f"2:{sealed.digest}")
        assert "written anew" in run(capsys, "verify_audit", "--anchor", f"1:{sealed.digest}", code=3)[0]

    @pytest.mark.parametrize("said", [("--from", "yesterday"), ("--anchor", "1"), ("--anchor", "x:" + "0" * 64)])
    def test_usage(self, said: tuple[str, str]) -> None:
        with pytest.raises(CommandError, match="argument"):
            call_command("verify_audit", *said)


class TestSeal:
    def test_now(self, capsys: pytest.CaptureFixture[str]) -> None:
        report = run(capsys, "seal_audit", "--reason", "before the audit", "--json")
        seal = AuditSeal.objects.get()
        assert report == {"sealed": True, "number": 1, "rows": 1, "digest": seal.digest}
        assert AuditRecord.objects.get().reason == "before the audit"
        assert run(capsys, "verify_audit", "--json")["broken"] == 0

    def test_not_now(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sealing, "seal_now", lambda now: None)
        assert run(capsys, "seal_audit", "--json", code=4) == {"sealed": False}


class TestExport:
    def exported(self, tmp_path: Path, *arguments: str) -> Path:
        path = tmp_path / "audit"
        call_command("export_audit", "--output", str(path), *arguments)
        return path

    def test_it_is_recorded_and_readable_by_its_owner_only(
        self, sealed: AuditSeal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = self.exported(tmp_path, "--reason", "for the auditor", "--json")
        row = AuditRecord.objects.latest("pk")
        assert (row.event, row.actor, row.reason) == (Event.EXPORTED, audit.command_actor(), "for the auditor")
        assert row.details == {"what": "audit log", "format": "jsonl", "since": "", "until": ""}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        report = json.loads(capsys.readouterr().out)
        assert (report["rows"], report["seals"]) == (len(entries) - 2, 2)
        assert report["rows"] == sum(table.model._default_manager.count() for table in SEALED)
        assert entries[-1]["seal"] is None or any(
            entry.get("seal") is None for entry in entries if entry["kind"] == "row"
        )

    def test_days(self, sealed: AuditSeal, tmp_path: Path) -> None:
        day = YESTERDAY.date().isoformat()
        entries = [
            json.loads(line)
            for line in self.exported(tmp_path, "--since", day, "--until", day).read_text().splitlines()
        ]
        assert [entry["number"] for entry in entries if entry["kind"] == "seal"] == [1]
        assert {entry["seal"] for entry in entries if entry["kind"] == "row"} == {1}

    def test_an_act_that_waits_is_there_once(self, sealed: AuditSeal, tmp_path: Path) -> None:
        entries = [json.loads(line) for line in self.exported(tmp_path).read_text().splitlines()]
        acts = [entry for entry in entries if entry.get("table") == "payments_staffaction"]
        assert [(entry["seal"], entry["row"]["state"]) for entry in acts] == [(None, "requested")]

    def test_csv(self, sealed: AuditSeal, tmp_path: Path) -> None:
        path = self.exported(tmp_path, "--format", "csv")
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["seal", "table", "key", "time", "who", "row"]
        records = [row for row in rows if row[1] == "payments_auditrecord"]
        assert len(records) == AuditRecord.objects.count()
        assert records[1][0] == "2"
        assert records[1][4] == "command:test"
        assert json.loads(records[1][5])["reason"] == "=1+1"
        assert not any(cell[:1] in "=+-@" and cell for row in rows for cell in row)

    def test_to_stdout(self, sealed: AuditSeal, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("export_audit")
        captured = capsys.readouterr()
        assert all(json.loads(line)["kind"] in ("row", "seal") for line in captured.out.splitlines())
        assert re.search(r"^[0-9]+ rows, 2 seals$", captured.err, re.MULTILINE)

    def test_no_file_is_written_over(self, tmp_path: Path) -> None:
        (tmp_path / "audit").write_text("mine")
        with pytest.raises(CommandError, match="there already"):
            self.exported(tmp_path)
        assert (tmp_path / "audit").read_text() == "mine"
        assert not AuditRecord.objects.exists()

    def test_the_pages_program_checks_it(self, sealed: AuditSeal, tmp_path: Path) -> None:
        path = self.exported(tmp_path)
        checked = check_with_the_pages_program(path, tmp_path)
        assert (checked.returncode, checked.stdout) == (0, f"0 broken, last digest {sealed.digest}\n")

    @pytest.mark.parametrize(
        ("was", "becomes", "says"),
        [
            ('"reason":"=1+1"', '"reason":"=1+2"', "seal 2: payments_auditrecord differs"),
            ('"closes_day":true', '"closes_day":false', "seal 1: it does not fit"),
            ('"previous_digest":"', '"previous_digest":"0', "it does not fit its content or the seal before it"),
        ],
    )
    def test_the_pages_program_finds(
        self, sealed: AuditSeal, tmp_path: Path, was: str, becomes: str, says: str
    ) -> None:
        path = self.exported(tmp_path)
        text = path.read_text()
        assert was in text
        path.write_text(text.replace(was, becomes))
        checked = check_with_the_pages_program(path, tmp_path)
        assert checked.returncode == 3
        assert says in checked.stdout


def check_with_the_pages_program(path: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the program that docs/audit.md shows, as it stands there, without this project."""
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "audit.md").read_text(), re.DOTALL)
    (tmp_path / "check.py").write_text(program)
    return subprocess.run(
        [sys.executable, "-I", str(tmp_path / "check.py"), str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
