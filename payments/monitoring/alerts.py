"""Alerts are cases and facts like any other: what a rule finds opens a case, which is told to the receivers.

A case is closed by a person, who has proved that it is over (its runbook says how). When the rule finds it no more, the
case notes since when; found again while the case is open, it is the same case, and the note is taken back.

The rules are evaluated once a minute by a worker. That nobody works at all can be told by an outside watcher only:
/metrics has the same figures (docs/monitoring.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from payments.cases import runbooks
from payments.cases.opening import open_case
from payments.models import Case
from payments.models.case import CaseKind
from payments.monitoring import alert_rules, event_rules
from payments.monitoring.alert_rules import Finding, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition and the kind of case it opens. `setting`: its threshold. `fix`: what a person does first."""

    kind: CaseKind
    setting: str
    find: Callable[[Seen], Iterable[Finding]]
    fix: str


RULES = (
    Rule(
        kind=CaseKind.STALE_EVENTS,
        setting="ALERT_EVENT_SECONDS",
        find=alert_rules.stale_events,
        fix="See whether the cluster `look` works and the provider answers.",
    ),
    Rule(
        kind=CaseKind.STALE_DELIVERIES,
        setting="ALERT_DELIVERY_SECONDS",
        find=alert_rules.stale_deliveries,
        fix="See the receiver's last answers; pause it if its owner needs time.",
    ),
    Rule(
        kind=CaseKind.STALE_CALLS,
        setting="ALERT_CALL_SECONDS",
        find=alert_rules.stale_calls,
        fix="See whether the provider answers. Never send the same again by hand: our key makes it once.",
    ),
    Rule(
        kind=CaseKind.LATE_LOOKS,
        setting="ALERT_LOOK_SECONDS",
        find=alert_rules.late_looks,
        fix="See whether `tick` and the cluster `look` work.",
    ),
    Rule(
        kind=CaseKind.WORKER_SILENT,
        setting="ALERT_HEARTBEAT_SECONDS",
        find=alert_rules.worker_silent,
        fix="Start the process; nothing is lost meanwhile.",
    ),
    Rule(
        kind=CaseKind.PROVIDER_SILENT,
        setting="ALERT_SILENCE_MINUTES",
        find=alert_rules.provider_silent,
        fix="See the webhook endpoint at the provider. Payments are found by looking, later than usual.",
    ),
    Rule(
        kind=CaseKind.BAD_SIGNATURES,
        setting="ALERT_SIGNATURE_SECONDS",
        find=alert_rules.bad_signatures,
        fix="Compare the endpoint's signing secret at the provider with ours.",
    ),
    Rule(
        kind=CaseKind.EXPECTED_MISSED,
        setting="EXPECT_MONEY_SECONDS",
        find=event_rules.expected_missed,
        fix="See whether the provider answers; looks go on. Never send the same again by hand.",
    ),
    Rule(
        kind=CaseKind.EVENTS_UNCHECKED,
        setting="EVENTS_GAP_MINUTES",
        find=event_rules.events_unchecked,
        fix="Run `manage.py fetch_events`, and see why the workers do not.",
    ),
)


@dataclass(frozen=True, slots=True)
class Raised:
    """A rule and what it found."""

    rule: Rule
    finding: Finding


def raised(at: datetime) -> Iterator[Raised]:
    """Evaluate the rules: what is wrong at `at`. Reads only, bounded by indexes; home shows it as it is now."""
    seen = Seen(at)
    for rule in RULES:
        for finding in rule.find(seen):
            yield Raised(rule, finding)


def watch(at: datetime) -> int:
    """Open or see again the case of each thing that is wrong, and note what is over; return how many are wrong."""
    wrong = list(raised(at))
    for each in wrong:
        _tell(each, at=at)
    _note_recovered({_subject(each) for each in wrong}, at=at)
    return len(wrong)


def _tell(each: Raised, *, at: datetime) -> None:
    with transaction.atomic(durable=True):
        case = open_case(
            each.rule.kind,
            subject_kind=each.finding.subject_kind,
            subject_id=each.finding.subject_id,
            ours=each.finding.ours,
            theirs=each.finding.theirs,
            suggested_fix=f"{each.rule.fix} Runbook: {runbooks.url_of(each.rule.kind)}",
            at=at,
        )
        if case.recovered_at is not None:
            case.recovered_at = None
            case.save(update_fields=["recovered_at"])


def _note_recovered(wrong: set[tuple[str, str, int]], *, at: datetime) -> None:
    told = Case.objects.filter(closed_at=None, recovered_at=None, kind__in=[rule.kind for rule in RULES])
    for case in told:
        if (case.kind, case.subject_kind, case.subject_id) in wrong:
            continue
        with transaction.atomic(durable=True):
            held = Case.objects.select_for_update(of=("self",)).get(pk=case.pk)
            if held.closed_at is None and held.last_seen_at < at:
                held.recovered_at = at
                held.save(update_fields=["recovered_at"])


def _subject(each: Raised) -> tuple[str, str, int]:
    return each.rule.kind, each.finding.subject_kind, each.finding.subject_id
