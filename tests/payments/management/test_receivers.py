"""`manage.py receivers`: what is set up can be sent to, secrets come unseen, refusals say what to give instead."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command

from integrations.models import Destination
from tests.integrations.connectors.test_sealing import RSA, as_pem
from tests.integrations.deliveries import OLD_SECRET, SECRET

pytestmark = pytest.mark.django_db

WHY = ("--reason", "a new ERP")
TRYTON = (
    *("add", "ERP", "--kind", "tryton", "--address", "https://erp.example/shop", "--owner", "Ida"),
    *("--facts", "order.paid,refund.succeeded", "--option", "account=4.1.1", "--option", "payment_method=Online"),
    *WHY,
)
WEBHOOK = (
    *("add", "CRM", "--kind", "webhook", "--address", "https://crm.example/in", "--owner", "Ida"),
    *("--facts", "order.paid", "--idempotent", "yes", *WHY),
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*words: str, secret: str = "") -> dict[str, Any]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(secret + "\n"))
        out = io.StringIO()
        call_command("receivers", "--json", *words, stdout=out)
        assert not secret or secret not in out.getvalue()
        report: dict[str, Any] = json.loads(out.getvalue())
        return report

    return run


def kept(name: str) -> Destination:
    return Destination.objects.get(name=name)


def secrets_of(name: str) -> tuple[str, ...]:
    return kept(name).signing_secrets(now=datetime.now(tz=UTC))


def test_a_receiver_of_another_kind_is_added_and_listed(run: Any) -> None:
    run(*TRYTON, secret="shop:a password with: colons")

    found = kept("ERP")
    assert (found.kind, found.address, found.owner) == ("tryton", "https://erp.example/shop", "Ida")
    assert found.facts == ["order.paid", "refund.succeeded"]
    assert found.options == {"account": "4.1.1", "payment_method": "Online"}
    assert secrets_of("ERP") == ("shop:a password with: colons",)
    (listed,) = run("list")["receivers"]
    assert (listed["name"], listed["has_secret"], listed["active"]) == ("ERP", True, True)


def test_a_secret_is_rotated_with_an_overlap(run: Any) -> None:
    run(*WEBHOOK, secret=OLD_SECRET)
    run("rotate", "CRM", "--overlap-hours", "2", *WHY, secret=SECRET)
    assert secrets_of("CRM") == (SECRET, OLD_SECRET)
    run("rotate", "CRM", "--overlap-hours", "0", *WHY, secret=OLD_SECRET)
    assert secrets_of("CRM") == (OLD_SECRET,)


def test_only_what_is_given_changes(run: Any, tmp_path: Path) -> None:
    run(*WEBHOOK, secret=SECRET)
    key = tmp_path / "key.pem"
    key.write_text(as_pem(RSA))
    run("change", "CRM", "--public-key-file", str(key), *WHY)
    found = kept("CRM")
    assert found.public_key.startswith("-----BEGIN PUBLIC KEY")
    assert (found.facts, found.idempotent, secrets_of("CRM")) == (["order.paid"], True, (SECRET,))


def test_it_is_disabled_and_enabled(run: Any) -> None:
    run(*WEBHOOK, secret=SECRET)
    (told,) = run("disable", "CRM", "--reason", "it moves house")["receivers"]
    assert (told["active"], kept("CRM").disabled_reason) == (False, "it moves house")
    with pytest.raises(CommandError, match="disabled already") as caught:
        run("disable", "CRM", *WHY)
    assert caught.value.returncode == 5
    (told,) = run("enable", "CRM", "--catch-up", *WHY)["receivers"]
    assert told["active"]


def test_each_change_stands_in_the_audit_log_with_its_reason_and_no_secret(run: Any) -> None:
    run(*WEBHOOK, secret=SECRET)
    run("change", "CRM", "--owner", "Bob", "--reason", "Ida has left")
    entry = LogEntry.objects.get_for_object(kept("CRM")).first()
    assert entry is not None
    assert entry.additional_data["reason"] == "Ida has left"
    assert "owner" in entry.changes_dict
    assert SECRET not in json.dumps([str(one.changes) for one in LogEntry.objects.all()])


@pytest.mark.parametrize(
    ("words", "secret", "says"),
    [
        (TRYTON, "", "needs a secret"),
        (TRYTON, "no colon", "name:secret"),
        (WEBHOOK, "whsec_=not-base64", "not base64"),
        ((*TRYTON[:5], "http://erp.example/shop", *TRYTON[6:]), "shop:secret", "https://"),
        ((*TRYTON, "--facts", "case.opened"), "shop:secret", "cannot be told of case.opened"),
        ((*TRYTON, "--facts", "order.payed"), "shop:secret", "No such fact"),
        ((*TRYTON, "--option", "colour=red"), "shop:secret", "No such option: colour"),
        ((*WEBHOOK, "--idempotent", "no"), SECRET, "declares idempotency or has a lookup address"),
        (("change", "nobody", *WHY), "", "no receiver 'nobody'"),
        (("rotate", "nobody", *WHY), SECRET, "no receiver 'nobody'"),
    ],
)
def test_what_nothing_could_be_sent_with_is_refused(run: Any, words: tuple[str, ...], secret: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        run(*words, secret=secret)
    assert caught.value.returncode == 5
    assert not Destination.objects.exists()


def test_a_second_one_of_the_name_is_refused(run: Any) -> None:
    run(*WEBHOOK, secret=SECRET)
    with pytest.raises(CommandError, match="already"):
        run(*WEBHOOK, secret=SECRET)


def test_mail_is_added_without_a_secret(run: Any) -> None:
    run("add", "Mail", "--kind", "mail", "--facts", "order.paid", "--owner", "Ida", *WHY)
    assert kept("Mail").secrets_sealed is None


@pytest.mark.parametrize(
    "words", [("change", "ERP", "--option", "colour", *WHY), ("change", "ERP", "--public-key-file", "/nowhere", *WHY)]
)
def test_a_command_line_that_says_nothing_is_a_usage_error(run: Any, words: tuple[str, ...]) -> None:
    run(*TRYTON, secret="shop:secret")
    with pytest.raises(CommandError) as caught:
        run(*words)
    assert caught.value.returncode == 2
