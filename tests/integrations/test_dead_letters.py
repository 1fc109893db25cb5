"""Dead letters: which are alike, what a replay would do, one first, then all that were shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import transaction

from integrations import breaker, dead_letter_lookup, dead_letters, delivery
from integrations.connectors.contract import CannotLookUp, Found, Verdict
from integrations.dead_letters import CannotReplay, DeadFilter, SetChanged
from integrations.delivery_schedule import error_fingerprint
from integrations.facts import Fact
from integrations.http import TransactionOpen
from integrations.models import Delivery, DeliveryReplay, Destination, Failure
from tests.integrations.deliveries import ScriptedConnector, connecting, make_destination, tell

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
ALL = DeadFilter()


def refused(status: int = 422, detail: str = "") -> Verdict:
    detail = detail or f"The receiver answered {status}."
    return Verdict(failure=Failure.PERMANENT, http_status=status, detail=detail, hopeless=True)


@pytest.fixture
def connector() -> Iterator[ScriptedConnector]:
    with connecting(ScriptedConnector()) as scripted:
        yield scripted


def drain(now: datetime) -> delivery.Drained:
    return delivery.drain(clock=lambda: now)


def die(
    connector: ScriptedConnector, *verdicts: Verdict, now: datetime, fact: Fact = Fact.ORDER_PAID
) -> list[Delivery]:
    """Let one fact for each verdict die of it at the only receiver, in this order; return the dead letters."""
    rows = []
    for verdict in verdicts:
        connector.verdicts = [verdict]
        rows += tell(now=now, fact=fact)
        drain(now)
    return [Delivery.objects.get(pk=row.pk) for row in rows]


def replay_all(chosen: DeadFilter, *, now: datetime) -> list[int]:
    expected = dead_letters.preview_replay(chosen).fingerprint_of_the_set
    return dead_letters.replay(chosen, expected=expected, actor="user:7", reason="mended", now=now)


class TestFingerprints:
    def test_errors_that_differ_in_ids_and_numbers_only_are_alike(self) -> None:
        alike = {
            error_fingerprint(refused(detail=detail))
            for detail in (
                "Order 1042 is unknown (request 7f3a9c21be44).",
                "order 7 is UNKNOWN (request 00ff00ff00ff).",
                "Order 1042  is unknown (request 550e8400-e29b-41d4-a716-446655440000).",
            )
        }
        assert len(alike) == 1
        assert all(len(each) == 16 for each in alike)

    @pytest.mark.parametrize(
        "other",
        [
            refused(400, "Order 1 is unknown."),
            refused(422, "Order 1 is closed."),
            replace(refused(422, "Order 1 is unknown."), failure=Failure.CONFIGURATION),
        ],
    )
    def test_another_class_status_or_text_is_another_error(self, other: Verdict) -> None:
        assert error_fingerprint(other) != error_fingerprint(refused(422, "Order 1 is unknown."))

    def test_it_is_gone_once_the_delivery_has_arrived(self, now: datetime, connector: ScriptedConnector) -> None:
        make_destination(now=now)
        connector.verdicts = [Verdict(failure=Failure.UNAVAILABLE, http_status=503)]
        [row] = tell(now=now)
        drain(now)
        assert Delivery.objects.get(pk=row.pk).error_fingerprint
        drain(now + HOUR)
        assert Delivery.objects.get(pk=row.pk).error_fingerprint == ""

    def test_a_letter_whose_workers_died_has_one_too(self, now: datetime) -> None:
        make_destination(now=now)
        tell(now=now)
        while not (dead := Delivery.objects.filter(state="dead").first()):
            delivery.claim(now=now, limit=9)
            now = max(now, Delivery.objects.get().not_before)
        assert dead.error_fingerprint


def test_groups_tell_receiver_error_count_and_an_example(now: datetime, connector: ScriptedConnector) -> None:
    crm = make_destination(now=now, name="CRM", facts=[Fact.ORDER_PAID])
    first = die(connector, refused(422), refused(422), now=now)
    second = die(connector, refused(422), refused(400), now=now + HOUR)
    die(connector, Verdict(delivered=True), now=now)

    most, least = dead_letters.groups_of_dead()

    assert (most.destination, most.count, most.oldest, most.newest) == ("CRM", 3, now, now + HOUR)
    assert (most.example.pk, most.example.last_http_status) == (second[0].pk, 422)
    assert (most.fingerprint, most.destination_id) == (first[0].error_fingerprint, crm.pk)
    assert (least.count, least.example.pk) == (1, second[1].pk)
    assert dead_letters.groups_of_dead(DeadFilter(fingerprint=least.fingerprint)) == [least]


class TestFilters:
    def test_all_that_is_given_must_hold(self, now: datetime, connector: ScriptedConnector) -> None:
        crm = make_destination(now=now, facts=[Fact.ORDER_PAID, Fact.ORDER_PLACED])
        [early, late] = die(connector, refused(422), now=now) + die(connector, refused(400), now=now + HOUR)
        [placed] = die(connector, refused(422), now=now + 2 * HOUR, fact=Fact.ORDER_PLACED)
        for chosen, wanted in (
            (ALL, {early, late, placed}),
            (DeadFilter(ids=(early.pk, placed.pk)), {early, placed}),
            (DeadFilter(destination_id=crm.pk), {early, late, placed}),
            (DeadFilter(destination_id=crm.pk + 1), set()),
            (DeadFilter(fact=Fact.ORDER_PAID), {early, late}),
            (DeadFilter(fingerprint=early.error_fingerprint), {early, placed}),
            (DeadFilter(died_from=now + HOUR), {late, placed}),
            (DeadFilter(died_before=now + HOUR), {early}),
            (DeadFilter(fact=Fact.ORDER_PAID, fingerprint=early.error_fingerprint), {early}),
        ):
            assert set(chosen.rows()) == wanted
            assert DeadFilter.from_json(chosen.as_json()) == chosen

    @pytest.mark.parametrize("forged", [{"state": "delivered"}, {"ids": ["x"]}])
    def test_nothing_else_can_be_asked_for(self, forged: dict[str, object]) -> None:
        with pytest.raises((TypeError, ValueError)):
            DeadFilter.from_json(forged)


class TestPreview:
    def test_it_tells_how_many_since_when_and_what_may_be_there(
        self, now: datetime, connector: ScriptedConnector
    ) -> None:
        make_destination(now=now)
        doubtful = replace(refused(), outcome_unknown=True)
        rows = die(connector, refused(), doubtful, now=now) + die(connector, refused(), now=now + HOUR)
        [gone] = die(connector, Verdict(delivered=True), now=now)

        told = dead_letters.preview_replay(DeadFilter(ids=tuple(row.pk for row in (*rows, gone))))

        assert (told.count, told.oldest, told.newest) == (3, now, now + HOUR)
        assert (told.already_delivered, told.perhaps_there) == (1, 1)
        assert (told.held_back, told.waits_at) == (0, ())

    def test_it_names_the_receivers_that_take_nothing(self, now: datetime, connector: ScriptedConnector) -> None:
        crm = make_destination(now=now, name="CRM")
        die(connector, refused(), refused(), now=now)
        breaker.pause(breaker.Subject(destination_id=crm.pk), actor="user:7", reason="moving", now=now)
        told = dead_letters.preview_replay(ALL)
        assert (told.held_back, told.waits_at) == (2, ("CRM is paused by user:7 (moving); resume it first.",))
        with pytest.raises(CannotReplay, match="CRM is paused by user:7"):
            dead_letters.replay_canary(ALL, actor="user:7", reason="x", now=now)

    def test_the_sets_fingerprint_changes_with_the_set(self, now: datetime, connector: ScriptedConnector) -> None:
        make_destination(now=now)
        empty = dead_letters.preview_replay(ALL).fingerprint_of_the_set
        die(connector, refused(), now=now)
        one = dead_letters.preview_replay(ALL).fingerprint_of_the_set
        assert one == dead_letters.preview_replay(ALL).fingerprint_of_the_set
        die(connector, refused(), now=now)
        two = dead_letters.preview_replay(ALL).fingerprint_of_the_set
        dead_letters.redeliver(Delivery.objects.all(), actor="user:7", reason="x", now=now)
        connector.verdicts = [refused(), refused()]
        drain(now)
        again = dead_letters.preview_replay(ALL).fingerprint_of_the_set
        assert len({empty, one, two, again}) == 4, "the same letters, tried again, are another set"


class TestReplay:
    def test_what_was_shown_is_queued_and_recorded(self, now: datetime, connector: ScriptedConnector) -> None:
        make_destination(now=now)
        rows = die(connector, refused(), refused(), refused(), now=now)
        assert replay_all(ALL, now=now + HOUR) == [row.pk for row in rows]
        kept = DeliveryReplay.objects.order_by("pk").values_list(
            "delivery_id", "actor", "reason", "dead_reason", "tries"
        )
        assert list(kept) == [(row.pk, "user:7", "mended", "permanent", 1) for row in rows]
        assert drain(now + HOUR) == delivery.Drained(delivered=3)
        assert connector.sent == [row.key for row in (*rows, *rows)], "under their old keys"

    def test_another_set_than_the_one_shown_is_left_alone(self, now: datetime, connector: ScriptedConnector) -> None:
        make_destination(now=now)
        die(connector, refused(), now=now)
        seen = dead_letters.preview_replay(ALL).fingerprint_of_the_set
        die(connector, refused(), now=now)
        with pytest.raises(SetChanged, match="Nothing was queued"):
            dead_letters.replay(ALL, expected=seen, actor="user:7", reason="x", now=now)
        assert not DeliveryReplay.objects.exists()
        assert Delivery.objects.filter(state="dead").count() == 2

    def test_the_same_form_sent_twice_queues_once(self, now: datetime, connector: ScriptedConnector) -> None:
        make_destination(now=now)
        die(connector, refused(), now=now)
        seen = dead_letters.preview_replay(ALL).fingerprint_of_the_set
        dead_letters.replay(ALL, expected=seen, actor="user:7", reason="x", now=now)
        with pytest.raises(SetChanged):
            dead_letters.replay(ALL, expected=seen, actor="user:7", reason="x", now=now)
        assert DeliveryReplay.objects.count() == 1


class TestCanary:
    def test_one_goes_first_and_tells_how_it_ended(self, now: datetime, connector: ScriptedConnector) -> None:
        make_destination(now=now)
        rows = die(connector, refused(), refused(), refused(), now=now)
        canary = dead_letters.replay_canary(ALL, actor="user:7", reason="mended", now=now + HOUR)
        assert canary.delivery_id == rows[0].pk
        assert Delivery.objects.filter(state="dead").count() == 2
        waiting = dead_letters.canary_outcome(canary)
        assert (waiting.state, waiting.has_ended) == ("waiting", False)

        (claimed,) = delivery.claim(now=now + HOUR, limit=9)
        assert dead_letters.canary_outcome(canary).state == "sending"
        delivery.mark(claimed, Verdict(delivered=True, http_status=204), now=now + HOUR)

        ended = dead_letters.canary_outcome(canary)
        assert (ended.state, ended.http_status, ended.has_ended) == ("delivered", 204, True)
        assert len(replay_all(ALL, now=now + HOUR)) == 2

    def test_it_tells_of_a_failure_even_if_a_later_try_arrives(
        self, now: datetime, connector: ScriptedConnector
    ) -> None:
        make_destination(now=now)
        die(connector, refused(), now=now)
        canary = dead_letters.replay_canary(ALL, actor="user:7", reason="x", now=now)
        connector.verdicts = [
            Verdict(failure=Failure.UNAVAILABLE, http_status=503, detail="The receiver answered 503.")
        ]
        drain(now)
        drain(now + HOUR)
        assert Delivery.objects.get().state == "delivered"
        ended = dead_letters.canary_outcome(canary)
        assert (ended.state, ended.detail, ended.http_status) == ("failed", "The receiver answered 503.", 503)

    def test_it_goes_before_what_waits_and_finds_out_whether_the_receiver_is_back(
        self, now: datetime, connector: ScriptedConnector
    ) -> None:
        crm = make_destination(now=now)
        whose = breaker.Subject(destination_id=crm.pk)
        [dead] = die(connector, refused(), now=now)
        for _ in range(5):
            breaker.note(whose, breaker.Seen(sign=breaker.Sign.AWAY, retry_after_seconds=3600), now=now)
        for _ in range(3):
            tell(now=now)
        dead_letters.replay_canary(ALL, actor="user:7", reason="x", now=now + timedelta(seconds=1))
        (claimed,) = delivery.claim(now=now + timedelta(seconds=1), limit=9)
        assert (claimed.delivery, claimed.probe) == (dead, True)

    def test_where_nothing_is_dead_there_is_none(self, now: datetime) -> None:
        with pytest.raises(CannotReplay, match="no such dead letter"):
            dead_letters.replay_canary(ALL, actor="user:7", reason="x", now=now)

    def test_a_disabled_receivers_letters_wait_for_its_enabling(
        self, now: datetime, connector: ScriptedConnector
    ) -> None:
        make_destination(now=now, name="CRM")
        die(connector, replace(refused(410, "The receiver is gone (410)."), gone=True), now=now)
        with pytest.raises(CannotReplay, match="CRM is disabled \\(The receiver is gone \\(410\\)\\.\\); enable it"):
            dead_letters.replay_canary(ALL, actor="user:7", reason="x", now=now)


class TestAsking:
    def test_receivers_say_what_they_have(self, now: datetime, connector: ScriptedConnector) -> None:
        make_destination(now=now, idempotent=False, lookup_address="http://127.0.0.1:9/received")
        rows = die(connector, refused(), refused(), now=now)
        connector.has.add(rows[1].key)
        asked = dead_letter_lookup.ask_receivers(ALL, now=now)
        assert (asked.asked, asked.there, asked.failed) == (2, (rows[1].pk,), 0)
        assert Delivery.objects.filter(state="dead").count() == 2, "asking changes nothing"

    def test_one_that_cannot_be_asked_does_not_hide_the_others(
        self, now: datetime, connector: ScriptedConnector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_destination(now=now)
        first, second = die(connector, refused(), refused(), now=now)

        def find(message: object, *_: object, **__: object) -> Found:
            if getattr(message, "key", "") == first.key:
                raise CannotLookUp("it answered 500")
            return Found()

        monkeypatch.setattr(connector, "find", find)
        asked = dead_letter_lookup.ask_receivers(ALL, now=now)
        assert (asked.asked, asked.there, asked.failed) == (2, (second.pk,), 1)

    @pytest.mark.django_db(transaction=True)
    def test_nobody_is_asked_inside_a_transaction(self, now: datetime) -> None:
        with transaction.atomic(), pytest.raises(TransactionOpen):
            dead_letter_lookup.ask_receivers(ALL, now=now)


def test_why_one_waits_is_said_for_pauses_too(now: datetime) -> None:
    crm = make_destination(now=now, name="CRM")
    [row] = tell(now=now)
    assert dead_letters.why_waiting(row) == ""
    breaker.pause(breaker.Subject(destination_id=crm.pk), actor="user:7", reason="moving", now=now)
    assert "paused by user:7 (moving)" in dead_letters.why_waiting(Delivery.objects.get(pk=row.pk))
    Destination.objects.update(active=False)
    assert "CRM is disabled; enable it first." in dead_letters.why_waiting(Delivery.objects.get(pk=row.pk))
