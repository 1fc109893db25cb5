"""Which kinds of cases are alerts, and the runbook of each: docs/runbooks/<code>.md, shown at /admin/runbooks/<code>/.

A test holds that each of these has its page, with the same five sections, and that there are no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from payments.models.case import CaseKind

RUNBOOK_OF: Mapping[str, str] = {
    CaseKind.STALE_EVENTS: "stale-events",
    CaseKind.STALE_DELIVERIES: "stale-deliveries",
    CaseKind.STALE_CALLS: "stale-calls",
    CaseKind.LATE_LOOKS: "late-looks",
    CaseKind.WORKER_SILENT: "worker-silent",
    CaseKind.PROVIDER_SILENT: "provider-silent",
    CaseKind.BAD_SIGNATURES: "bad-signatures",
    CaseKind.EXPECTED_MISSED: "expected-missed",
    CaseKind.EVENTS_UNCHECKED: "events-unchecked",
    CaseKind.AWAY: "away",
    CaseKind.DEAD_DELIVERY: "dead-letters",
    CaseKind.DEAD_EVENT: "dead-events",
    CaseKind.PARKED_EVENT: "parked-events",
    CaseKind.CREDENTIAL_EXPIRY: "key-expiry",
    CaseKind.ENCRYPTION_KEY: "encryption-key",
    CaseKind.AUDIT_BROKEN: "audit-broken",
    CaseKind.FAILED_TRIES: "failed-tries",
    CaseKind.MANY_CARDS: "many-cards",
    CaseKind.SMALL_AMOUNTS: "small-amounts",
    CaseKind.REFUND_SPIKE: "refund-spike",
    CaseKind.LEDGER_BROKEN: "ledger-broken",
}
SECTIONS = ("Means", "First look", "Do", "Prove recovery", "Escalate")


def directory() -> Path:
    """Return where the pages stand."""
    return Path(settings.BASE_DIR) / "docs" / "runbooks"


def path_of(kind: str) -> str:
    """Return the address of the runbook of this kind of case on this site; empty where it is no alert."""
    code = RUNBOOK_OF.get(kind)
    return f"/admin/runbooks/{code}/" if code else ""


def url_of(kind: str) -> str:
    """Return the whole address, for whoever is paged."""
    path = path_of(kind)
    return f"{settings.PUBLIC_BASE_URL}{path}" if path else ""


def text_of(code: str) -> str:
    """Return the page as it is written. Raises KeyError for a code that is none, whatever files there are."""
    if code not in RUNBOOK_OF.values():
        raise KeyError(code)
    return (directory() / f"{code}.md").read_text(encoding="utf-8")
