"""Claim, try, mark: one delivery's life, with a connector that says what it is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from integrations import breaker, dead_letters, delivery, delivery_schedule
from integrations.connectors.contract import Misconfigured, Verdict
from integrations.facts import Fact
from integrations.models import (
    AttemptOutcome,
    Breaker,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Destination,
    Failure,
)
from tests.integrations.deliveries import ScriptedConnector, connecting, make_destination, make_mailbox, tell

pytestmark = pytest.mark.django_db

AWAY = Verdict(failure=Failure.UNAVAILABLE, http_status=503)
SILENT = Verdict(failure=Failure.TIMEOUT, outcome_unknown=True)
REFUSED = Verdict(failure=Failure.CONFIGURATION, http_status=404)
HOUR = timedelta(hours=1)


@pytest.fixture
def connector() -> Iterator[ScriptedConnector]:
    with connecting(ScriptedConnector()) as scripted:
        yield scripted


def drain(now: datetime) -> delivery.Drained:
    return delivery.drain(clock=lambda: now)


def one(now: datetime, **fields: Any) -> Delivery:
    make_destination(now=now, **fields)
    return tell(now=now)[0]


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def next_try(row: Delivery) -> datetime:
    """Return when a worker may try it next: by its own schedule, and by its receiver's breaker."""
    allowed = Breaker.objects.filter(destination=row.destination_id).values_list("next_probe_at", flat=True).first()
    own = fresh(row).not_before
    return max(own, allowed) if allowed else own


def outcomes(row: Delivery) -> list[str]:
    return list(DeliveryAttempt.objects.filter(delivery=row).order_by("number").values_list("outcome", flat=True))


# --- the ordinary way ----------------------------------------------------------------------------------------


def test_a_confirmed_delivery_is_done(now: datetime, connector: ScriptedConnector) -> None:
    row = one(now)
    assert delivery.has_due(now)

    assert drain(now) == delivery.Drained(delivered=1)

    row = fresh(row)
    assert (row.state, row.delivered_at, row.last_http_status) == (DeliveryState.DELIVERED, now, 200)
    assert connector.sent == [row.key]
    assert outcomes(row) == [AttemptOutcome.DELIVERED]
    assert not delivery.has_due(now + 1000 * HOUR)


def test_a_failed_one_waits_and_is_sent_again_under_the_same_key(now: datetime, connector: ScriptedConnector) -> None:
    connector.verdicts = [AWAY]
    row = one(now)

    assert drain(now) == delivery.Drained(failed=1)

    row = fresh(row)
    assert (row.state, row.last_failure, row.last_http_status) == (DeliveryState.QUEUED, Failure.UNAVAILABLE, 503)
    assert now + timedelta(seconds=1) <= row.not_before <= now + timedelta(seconds=5)
    assert not delivery.has_due(now)

    assert drain(row.not_before) == delivery.Drained(delivered=1)
    assert connector.sent == [row.key, row.key]
    assert outcomes(row) == [AttemptOutcome.FAILED, AttemptOutcome.DELIVERED]


def test_each_try_is_a_row_before_anything_is_sent(now: datetime) -> None:
    row = one(now)

    delivery.claim(now=now, limit=1)

    (begun,) = DeliveryAttempt.objects.filter(delivery=row)
    assert (begun.number, begun.started_at, begun.finished_at, begun.outcome) == (1, now, None, "")


def test_a_paused_or_inactive_destination_gets_nothing_until_it_is_back(
    now: datetime, connector: ScriptedConnector
) -> None:
    row = one(now)
    whose = breaker.Subject(destination_id=row.destination_id)
    breaker.pause(whose, actor="user:7", reason="maintenance", now=now)
    assert not delivery.has_due(now + 1000 * HOUR)
    assert drain(now + 1000 * HOUR) == delivery.Drained()

    breaker.resume(whose, actor="user:7", reason="done", now=now)
    Destination.objects.update(active=False)
    assert not delivery.has_due(now)
    assert drain(now) == delivery.Drained()

    Destination.objects.update(active=True)
    assert delivery.has_due(now)
    assert drain(now) == delivery.Drained(delivered=1)


def test_a_defect_of_ours_stops_nobody_else(now: datetime, connector: ScriptedConnector) -> None:
    connector.verdicts = [KeyError("a defect")]
    one(now)
    tell(now=now)

    assert drain(now) == delivery.Drained(delivered=1, failed=1)
    assert Delivery.objects.get(state=DeliveryState.QUEUED).last_failure == Failure.INTERNAL


def test_one_receiver_is_never_given_all_threads(now: datetime) -> None:
    slow, quick = make_destination(now=now), make_destination(now=now)
    for _ in range(settings.DELIVERY_THREADS):
        tell(now=now)

    claims = delivery.claim(now=now, limit=settings.DELIVERY_THREADS)
    taken = [claimed.delivery.destination_id for claimed in claims]
    assert taken.count(slow.pk) == taken.count(quick.pk) == settings.DELIVERY_THREADS_A_RECEIVER

    claims = delivery.claim(now=now, limit=settings.DELIVERY_THREADS, room={slow.pk: 0})
    assert {claimed.delivery.destination_id for claimed in claims} == {quick.pk}


# --- leases --------------------------------------------------------------------------------------------------


def test_a_claimed_row_is_nobody_elses_until_its_lease_ends(now: datetime) -> None:
    one(now)
    assert len(delivery.claim(now=now, limit=9)) == 1
    assert delivery.claim(now=now + timedelta(seconds=44), limit=9) == []
    assert not delivery.has_due(now + timedelta(seconds=44))

    assert delivery.has_due(now + timedelta(seconds=45))
    assert len(delivery.claim(now=now + timedelta(seconds=45), limit=9)) == 1


def test_an_answer_that_comes_after_the_lease_changes_nothing(now: datetime) -> None:
    row = one(now)
    (stalled,) = delivery.claim(now=now, limit=1)
    later = now + timedelta(seconds=45)
    (second,) = delivery.claim(now=later, limit=1)
    before = Delivery.objects.filter(pk=row.pk).values().get()

    assert delivery.mark_all([(stalled, AWAY)], now=later) == ["stale"]
    assert delivery.mark_all([(stalled, Verdict(delivered=True))], now=later) == ["stale"]

    assert Delivery.objects.filter(pk=row.pk).values().get() == before
    assert delivery.mark_all([(second, Verdict(delivered=True))], now=later) == ["delivered"]
    assert delivery.mark_all([(stalled, AWAY)], now=later) == ["stale"]
    assert outcomes(row) == [AttemptOutcome.UNFINISHED, AttemptOutcome.DELIVERED]


def test_a_delivery_that_kills_its_workers_waits_apart_and_dies(now: datetime) -> None:
    row = one(now)
    seen = []
    for _ in range(40):
        seen += [len(delivery.claim(now=now, limit=9))]
        if fresh(row).state == DeliveryState.DEAD:
            break
        now = max(now, fresh(row).not_before)

    row = fresh(row)
    assert (row.state, row.dead_reason) == (DeliveryState.DEAD, Failure.TIMEOUT)
    assert row.tries == settings.DELIVERY_UNFINISHED_TRIES
    # Taken over at once the first time; after that, each time only after it had waited on its own.
    assert seen == [1, 1, 0, 1, 0, 1, 0, 1, 0]
    assert outcomes(row) == [AttemptOutcome.UNFINISHED] * settings.DELIVERY_UNFINISHED_TRIES


def test_an_answer_ends_the_count_of_unfinished_tries(now: datetime) -> None:
    row = one(now)
    delivery.claim(now=now, limit=1)
    now += timedelta(seconds=45)
    (claimed,) = delivery.claim(now=now, limit=1)
    assert fresh(row).unfinished_tries == 1
    delivery.mark_all([(claimed, AWAY)], now=now)
    assert fresh(row).unfinished_tries == 0


# --- look first ----------------------------------------------------------------------------------------------


def test_after_an_unfinished_try_the_receiver_is_asked_first(now: datetime, connector: ScriptedConnector) -> None:
    row = one(now, idempotent=False, lookup_address="http://127.0.0.1:9/received")
    delivery.claim(now=now, limit=1)
    connector.has.add(row.key)

    assert drain(now + timedelta(seconds=45)) == delivery.Drained(delivered=1)

    assert connector.looked_up == [row.key]
    assert connector.sent == []
    assert outcomes(row) == [AttemptOutcome.UNFINISHED, AttemptOutcome.FOUND]


def test_what_the_receiver_does_not_have_is_sent_again(now: datetime, connector: ScriptedConnector) -> None:
    row = one(now, idempotent=False, lookup_address="http://127.0.0.1:9/received")
    connector.verdicts = [SILENT]
    drain(now)
    assert fresh(row).outcome_unknown

    assert drain(now + HOUR) == delivery.Drained(delivered=1)
    assert connector.looked_up == [row.key]
    assert connector.sent == [row.key, row.key]


def test_while_the_receiver_cannot_be_asked_nothing_is_sent(
    now: datetime, connector: ScriptedConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = one(now, idempotent=False, lookup_address="http://127.0.0.1:9/received")
    connector.verdicts = [SILENT]
    drain(now)

    def refuse(*_: Any, **__: Any) -> bool:
        raise Misconfigured("the look-up address is a private one")

    with monkeypatch.context() as broken:
        broken.setattr(connector, "find", refuse)
        assert drain(now + HOUR) == delivery.Drained(failed=1)
    assert fresh(row).outcome_unknown

    connector.has.add(row.key)
    assert drain(now + 2 * HOUR) == delivery.Drained(delivered=1)
    assert connector.sent == [row.key]


def test_a_definite_refusal_needs_no_looking(now: datetime, connector: ScriptedConnector) -> None:
    one(now, idempotent=False, lookup_address="http://127.0.0.1:9/received")
    connector.verdicts = [REFUSED]
    drain(now)
    drain(now + HOUR)
    assert connector.looked_up == []


def test_a_receiver_that_declares_idempotency_is_never_asked(now: datetime, connector: ScriptedConnector) -> None:
    row = one(now)
    connector.verdicts = [SILENT]
    drain(now)
    assert drain(now + HOUR) == delivery.Drained(delivered=1)
    assert connector.looked_up == []
    assert connector.sent == [row.key, row.key]


# --- giving up -----------------------------------------------------------------------------------------------


def test_the_hopeless_die_at_once(now: datetime, connector: ScriptedConnector) -> None:
    row = one(now)
    connector.verdicts = [Verdict(failure=Failure.PERMANENT, http_status=410, hopeless=True)]

    assert drain(now) == delivery.Drained(dead=1)

    row = fresh(row)
    assert (row.state, row.died_at, row.dead_reason) == (DeliveryState.DEAD, now, Failure.PERMANENT)
    assert list(dead_letters.dead_without_case()) == [row]
    Delivery.objects.update(case_opened_at=now)
    assert not dead_letters.dead_without_case().exists()


@pytest.mark.parametrize("failure", [Failure.PERMANENT, Failure.CONFIGURATION, Failure.INTERNAL])
def test_a_refusal_is_tried_for_an_hour_or_two_only(
    now: datetime, connector: ScriptedConnector, failure: Failure
) -> None:
    row = one(now)
    connector.verdicts = [Verdict(failure=failure)] * 99
    while not drain(now).dead:
        now = next_try(row)
    assert fresh(row).tries == settings.DELIVERY_REFUSED_TRIES
    assert fresh(row).dead_reason == failure


def test_a_receiver_that_is_away_for_76_hours_still_gets_it(now: datetime, connector: ScriptedConnector) -> None:
    row = one(now)
    began = now
    connector.verdicts = [AWAY] * 10_000
    while drain(now).failed:
        now = next_try(row)
    assert now - began >= 80 * HOUR
    assert fresh(row).dead_reason == Failure.EXCEEDED

    row = one(now)
    connector.verdicts = [AWAY] * 10_000
    began = now
    while now - began < 76 * HOUR:
        drain(now)
        now = next_try(row)
    connector.verdicts = []
    drain(now)
    assert fresh(row).state == DeliveryState.DELIVERED


@given(tries=st.integers(1, 100_000), age_seconds=st.integers(0, 76 * 3600))
def test_no_draw_of_the_waits_ends_it_before_76_hours(tries: int, age_seconds: int) -> None:
    queued_at = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
    row = Delivery(queued_at=queued_at, destination=Destination())
    for verdict in (AWAY, SILENT):
        now = queued_at + timedelta(seconds=age_seconds)
        assert delivery_schedule.reason_to_give_up(row, verdict, number=tries, now=now) is None


@given(tries=st.integers(1, 60), retry_after=st.none() | st.integers(0, 10**9))
def test_a_wait_keeps_within_the_schedule_and_honours_retry_after(tries: int, retry_after: int | None) -> None:
    schedule = [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800]
    seconds = delivery_schedule.wait_seconds(tries, retry_after=retry_after)
    longest = schedule[min(tries, len(schedule)) - 1]
    asked = min(retry_after or 0, 6 * 3600)
    assert max(1, asked) <= seconds <= max(longest, asked)


# --- replay --------------------------------------------------------------------------------------------------


def test_a_dead_one_is_queued_again_under_its_old_key_with_the_schedule_anew(
    now: datetime, connector: ScriptedConnector
) -> None:
    row = one(now)
    connector.verdicts = [Verdict(failure=Failure.PERMANENT, hopeless=True), AWAY]
    drain(now)
    Delivery.objects.update(case_opened_at=now)

    ids = dead_letters.redeliver(Delivery.objects.all(), actor="user:7", reason="receiver mended", now=now + HOUR)

    assert ids == [row.pk]
    replay = row.replays.get()
    assert (replay.actor, replay.reason, replay.dead_reason, replay.tries) == (
        "user:7",
        "receiver mended",
        Failure.PERMANENT,
        1,
    )
    drain(now + HOUR)
    assert fresh(row).not_before <= now + HOUR + timedelta(seconds=5)
    assert drain(now + 2 * HOUR) == delivery.Drained(delivered=1)
    assert connector.sent == [row.key] * 3
    assert fresh(row).case_opened_at is None


def test_only_the_dead_are_queued_again(now: datetime) -> None:
    one(now)
    assert dead_letters.redeliver(Delivery.objects.all(), actor="user:7", reason="x", now=now) == []


# --- the database holds the same ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (source, target)
        for source, target in itertools.permutations(DeliveryState, 2)
        if (source, target)
        not in [
            ("queued", "sending"),
            ("sending", "delivered"),
            ("sending", "dead"),
            ("sending", "queued"),
            ("dead", "queued"),
        ]
    ],
)
def test_the_database_refuses_every_other_edge(now: datetime, source: str, target: str) -> None:
    row = one(now)
    path: dict[str, list[str]] = {
        "queued": [],
        "sending": ["sending"],
        "delivered": ["sending", "delivered"],
        "dead": ["sending", "dead"],
    }
    fields: dict[str, dict[str, Any]] = {
        "queued": {"died_at": None, "dead_reason": "", "delivered_at": None},
        "sending": {"died_at": None, "dead_reason": "", "delivered_at": None},
        "delivered": {"delivered_at": now, "died_at": None, "dead_reason": ""},
        "dead": {"died_at": now, "dead_reason": Failure.EXCEEDED, "delivered_at": None},
    }
    for state in path[source]:
        Delivery.objects.filter(pk=row.pk).update(state=state, **fields[state])
    with pytest.raises(IntegrityError, match="no edge"), transaction.atomic():
        Delivery.objects.filter(pk=row.pk).update(state=target, **fields[target])


def test_the_database_refuses_another_key(now: datetime) -> None:
    row = one(now)
    with pytest.raises(IntegrityError, match="never change"), transaction.atomic():
        Delivery.objects.filter(pk=row.pk).update(key="msg_other")


def test_a_webhook_can_be_repeated_or_asked(now: datetime) -> None:
    with pytest.raises(IntegrityError, match="can_be_repeated"), transaction.atomic():
        make_destination(now=now, idempotent=False)


def test_a_mailbox_wants_only_what_there_is_a_mail_for(now: datetime) -> None:
    with pytest.raises(IntegrityError, match="has_templates"), transaction.atomic():
        make_mailbox(now=now, facts=[Fact.DISPUTE_OPENED.value])


def test_a_destination_keeps_its_secrets_sealed_and_signs_with_the_old_one_for_a_while(now: datetime) -> None:
    destination = make_destination(now=now, secrets=("whsec_b25l",))
    assert b"whsec" not in bytes(destination.secrets_sealed or b"")

    destination.rotate_signing_secret("whsec_dHdv", now=now, overlap_seconds=3600, actor="user:7")
    destination.save()
    destination.refresh_from_db()

    assert destination.signing_secrets(now=now) == ("whsec_dHdv", "whsec_b25l")
    assert destination.signing_secrets(now=now + HOUR) == ("whsec_dHdv",)


@pytest.mark.parametrize(
    ("address", "loopback", "allowed"),
    [
        ("https://crm.example/in", False, True),
        ("http://crm.example/in", False, False),
        ("http://crm.example/in", True, False),
        ("http://127.0.0.1:9000/", True, True),
        ("http://127.0.0.1:9000/", False, False),
        ("ftp://crm.example/", False, False),
        ("crm.example", False, False),
    ],
)
def test_a_form_takes_https_only_but_for_this_machine(
    now: datetime, address: str, loopback: bool, allowed: bool
) -> None:
    destination = make_destination(now=now)
    destination.address, destination.allow_loopback = address, loopback
    if allowed:
        destination.full_clean()
    else:
        with pytest.raises(ValidationError, match="https"):
            destination.full_clean()


def test_a_form_names_the_fact_that_does_not_exist(now: datetime) -> None:
    destination = make_destination(now=now)
    destination.facts = ["order.paid", "order.shipped"]
    with pytest.raises(ValidationError, match="order\\.shipped"):
        destination.full_clean()


@pytest.mark.parametrize("text", ["nul \x00 here", "half \ud800 of a pair", "line\nbreak"])
def test_what_a_receiver_answers_cannot_break_the_marks_of_others(
    connector: ScriptedConnector, now: datetime, text: str
) -> None:
    """PostgreSQL stores neither NUL nor lone surrogates; a batch of marks is one statement."""
    make_destination(now=now, name="hostile")
    first, second, third = tell(now=now)[0], tell(now=now)[0], tell(now=now)[0]
    connector.verdicts = [
        Verdict(delivered=True, http_status=200, external_ids={"deal": text * 500, text: "1"}),
        Verdict(failure=Failure.PERMANENT, http_status=422, detail=text),
        Verdict(delivered=True, http_status=200),
    ]
    done = drain(now)
    assert (done.delivered, done.stale) == (2, 0)
    assert {fresh(row).state for row in (first, second, third)} <= {
        DeliveryState.DELIVERED,
        DeliveryState.DEAD,
        DeliveryState.QUEUED,
    }
    stored = "".join(map(str, Delivery.objects.values_list("external_ids", "last_detail")))
    assert len(stored) < 5000
    assert not any(character in stored for character in "\x00\ud800\n")
