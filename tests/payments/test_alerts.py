"""Alerts: each condition raises its case once and notes its end; each has its runbook, and is told to the receivers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations.models import Delivery, Destination, Heartbeat, OutboxEvent
from orders.models import Order
from payments import signatures, working
from payments.cases import opening as cases
from payments.cases import runbooks
from payments.cases.areas import AREA_OF, area_of, kinds_for
from payments.models import Case, PaymentAttempt, ProviderCall, ProviderEvent
from payments.models.case import CaseKind, Resolution
from payments.monitoring import alert_rules, alerts, watch
from payments.monitoring import figures as health_figures
from payments.roles import Area, Role, Verb
from payments.states import CallState, EventState
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.staff import make_staff
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def all_work(now: datetime) -> None:
    """Every process has just beaten, and does so for as long as a test's clock runs."""
    beat(now + timedelta(days=30))


def beat(at: datetime, *, without: str = "") -> None:
    Heartbeat.objects.all().delete()
    for name in health_figures.PROCESSES:
        if name != without:
            Heartbeat.objects.create(name=name, host="a", pid=1, beaten_at=at)


def found(at: datetime) -> list[tuple[str, str, int]]:
    return [(each.rule.kind, each.finding.subject_kind, each.finding.subject_id) for each in alerts.raised(at)]


def event(number: int, *, at: datetime, state: EventState, provider: str = "stripe") -> ProviderEvent:
    return ProviderEvent.objects.create(
        provider=provider,
        event_id=f"evt_{number}",
        type="t",
        mode="test",
        state=state,
        provider_created_at=at,
        received_at=at,
        next_try_at=at + timedelta(days=1),
        body_sealed=b"",
        body_sha256="",
    )


def receiver(name: str, *, at: datetime, **more: Any) -> Destination:
    return Destination.objects.create(
        name=name, kind="webhook", address="https://crm.example/", idempotent=True, created_at=at, **more
    )


def owed(to: Destination, *, at: datetime) -> Delivery:
    fact = OutboxEvent.objects.create(fact="order.paid", subject_kind="order", subject_id=1, payload={}, created_at=at)
    return Delivery.objects.create(event=fact, destination=to, queued_at=at, not_before=at)


class TestRules:
    def test_nothing_is_wrong_in_a_quiet_shop(self, now: datetime) -> None:
        assert found(now) == []

    @pytest.mark.parametrize("state", [EventState.RECEIVED, EventState.FAILED, EventState.UNVERIFIED])
    def test_an_event_that_waits(self, state: EventState, now: datetime, settings: Any) -> None:
        settings.ALERT_EVENT_SECONDS = 300
        event(1, at=now, state=state)
        assert found(now + timedelta(seconds=300)) == []
        assert found(now + timedelta(seconds=301)) == [(CaseKind.STALE_EVENTS, "inbox", 0)]

    @pytest.mark.parametrize("state", [EventState.PROCESSED, EventState.IGNORED, EventState.PARKED, EventState.DEAD])
    def test_not_one_that_waits_for_nobody_or_has_a_case_of_its_own(self, state: EventState, now: datetime) -> None:
        event(1, at=now, state=state)
        assert found(now + timedelta(days=1)) == []

    def test_the_oldest_counts_and_not_the_mean(self, now: datetime) -> None:
        event(0, at=now - timedelta(seconds=301), state=EventState.RECEIVED)
        for number in range(1, 50):
            event(number, at=now, state=EventState.RECEIVED)
        assert found(now) == [(CaseKind.STALE_EVENTS, "inbox", 0)]

    def test_a_receiver_that_is_not_told(self, now: datetime, settings: Any) -> None:
        settings.ALERT_DELIVERY_SECONDS = 900
        slow = receiver("slow", at=now)
        owed(slow, at=now)
        owed(receiver("disabled", at=now, active=False), at=now)
        assert found(now + timedelta(seconds=900)) == []
        assert found(now + timedelta(seconds=901)) == [(CaseKind.STALE_DELIVERIES, "destination", slow.pk)]

    def test_not_one_that_a_person_has_paused(self, now: datetime) -> None:
        from integrations import breaker

        slow = receiver("slow", at=now)
        owed(slow, at=now)
        breaker.pause(breaker.Subject(destination_id=slow.pk), reason="their release", actor="user:1", now=now)
        assert found(now + timedelta(days=1)) == []

    @pytest.mark.parametrize(
        ("state", "raised"), [(CallState.UNKNOWN, True), (CallState.SENT, True), (CallState.PREPARED, False)]
    )
    def test_a_call_without_a_known_outcome(
        self, state: CallState, raised: bool, order: Order, now: datetime, settings: Any
    ) -> None:
        settings.ALERT_CALL_SECONDS = 900
        attempt = PaymentAttempt.objects.create(
            order=order, provider="stripe", amount_minor=1, currency="EUR", created_at=now, mode="test"
        )
        ProviderCall.objects.create(
            attempt=attempt, operation="start", kind="opens_page", request={}, state=state, created_at=now
        )
        assert found(now + timedelta(seconds=900)) == []
        assert found(now + timedelta(seconds=901)) == ([(CaseKind.STALE_CALLS, "calls", 0)] if raised else [])

    def test_a_look_that_is_overdue(self, order: Order, now: datetime, settings: Any) -> None:
        settings.ALERT_LOOK_SECONDS = 600
        PaymentAttempt.objects.create(
            order=order,
            provider="stripe",
            amount_minor=1,
            currency="EUR",
            created_at=now,
            mode="test",
            next_look_at=now,
        )
        assert found(now + timedelta(seconds=600)) == []
        assert found(now + timedelta(seconds=601)) == [(CaseKind.LATE_LOOKS, "looks", 0)]

    @pytest.mark.parametrize("name", health_figures.PROCESSES)
    def test_a_process_that_gives_no_sign(self, name: str, now: datetime, settings: Any) -> None:
        settings.ALERT_HEARTBEAT_SECONDS = 120
        subject = (CaseKind.WORKER_SILENT, "process", alert_rules.number_of(name))
        beat(now + timedelta(days=1), without=name)
        assert found(now) == [], "one that has never worked has its time from the first round on"
        watch.once_a_minute(now)
        assert found(now + timedelta(seconds=120)) == []
        assert found(now + timedelta(seconds=121)) == [subject]
        Heartbeat.objects.create(name=name, host="a", pid=1, beaten_at=now + timedelta(seconds=100))
        Heartbeat.objects.create(name=name, host="b", pid=1, beaten_at=now + timedelta(seconds=10))
        assert found(now + timedelta(seconds=220)) == [], "on any host"
        assert found(now + timedelta(seconds=221)) == [subject]


class TestSilence:
    @pytest.fixture
    def world(self, fake: FakeProvider, order: Order, now: datetime) -> World:
        return World(provider=fake, order=order, now=now)

    @pytest.fixture(autouse=True)
    def limits(self, settings: Any) -> None:
        settings.ALERT_SILENCE_MINUTES, settings.ALERT_SILENCE_ATTEMPTS = 30, 3

    def paid_without_a_webhook(self, world: World) -> None:
        world.press_pay()
        world.provider.pay(world.provider.the_payment())
        world.sweep_until(lambda: world.order.state == "paid")

    def silent(self, at: datetime) -> list[str]:
        return [each.finding.theirs for each in alerts.raised(at) if each.rule.kind == CaseKind.PROVIDER_SILENT]

    def test_money_was_found_and_no_webhook_came(self, world: World) -> None:
        self.paid_without_a_webhook(world)
        assert self.silent(world.now) == [], "its webhook may still be on its way"
        world.wait(minutes=3)
        assert self.silent(world.now) == ["stripe has sent no verified webhook in that time. None has ever come."]
        world.tell(world.provider.the_payment())
        assert self.silent(world.now) == []
        world.wait(minutes=29)
        assert self.silent(world.now) == []

    def test_long_after_the_payment_silence_means_nothing(self, world: World) -> None:
        self.paid_without_a_webhook(world)
        world.wait(minutes=31)
        assert self.silent(world.now) == []

    def test_many_opened_and_no_webhook_came(self, world: World) -> None:
        for _ in range(2):
            PaymentAttempt.objects.create(
                order=make_order(now=world.now), provider="stripe", amount_minor=1, currency="EUR",
                created_at=world.now, mode="test",
            )  # fmt: skip
        assert self.silent(world.now) == []
        world.press_pay()
        assert len(self.silent(world.now)) == 1

    def test_bad_signatures(self, now: datetime, settings: Any, fake: FakeProvider) -> None:
        settings.ALERT_SIGNATURE_SECONDS = 120
        from django.core.cache import cache

        for seconds in (0, 10, 20):
            cache.clear()
            signatures.note_refused("stripe", at=now + timedelta(seconds=seconds))
        subject = (CaseKind.BAD_SIGNATURES, "provider", alert_rules.number_of("stripe"))
        assert found(now + timedelta(seconds=120)) == []
        assert found(now + timedelta(seconds=121)) == [subject]
        event(1, at=now + timedelta(seconds=130), state=EventState.PROCESSED)
        assert found(now + timedelta(seconds=140)) == []


class TestCases:
    def the_case(self) -> Case:
        return Case.objects.get(closed_at=None)

    def test_one_case_seen_again_noted_as_recovered_and_found_again(self, now: datetime) -> None:
        waiting = event(1, at=now, state=EventState.RECEIVED)
        for minutes in (6, 7, 8):
            alerts.watch(now + timedelta(minutes=minutes))
        case = self.the_case()
        assert (case.kind, case.times_seen, case.recovered_at) == (CaseKind.STALE_EVENTS, 3, None)
        assert case.theirs == "The oldest one that is received has waited for 8 minutes."
        ProviderEvent.objects.filter(pk=waiting.pk).update(state=EventState.IGNORED)
        for minutes in (9, 10):
            assert alerts.watch(now + timedelta(minutes=minutes)) == 0
        case.refresh_from_db()
        assert case.recovered_at == now + timedelta(minutes=9)
        assert case.closed_at is None, "a person closes it"
        ProviderEvent.objects.filter(pk=waiting.pk).update(state=EventState.RECEIVED)
        alerts.watch(now + timedelta(minutes=11))
        again = self.the_case()
        assert (again.pk, again.recovered_at, again.times_seen) == (case.pk, None, 4)

    def test_closed_by_a_person_and_still_wrong_is_a_new_case(self, now: datetime) -> None:
        event(1, at=now, state=EventState.RECEIVED)
        alerts.watch(now + timedelta(minutes=6))
        first = self.the_case()
        cases.close_case(first, resolution=Resolution.MENDED, at=now + timedelta(minutes=7))
        alerts.watch(now + timedelta(minutes=8))
        assert self.the_case().pk != first.pk

    def test_two_subjects_are_two_cases(self, now: datetime) -> None:
        for name in ("one", "two"):
            owed(receiver(name, at=now), at=now)
        assert alerts.watch(now + timedelta(hours=1)) == 2
        assert Case.objects.filter(kind=CaseKind.STALE_DELIVERIES).count() == 2

    def test_it_is_a_fact_that_can_page_somebody(self, now: datetime, settings: Any) -> None:
        settings.PUBLIC_BASE_URL = "https://shop.example"
        pager = receiver("pager", at=now, facts=["case.opened"])
        event(1, at=now, state=EventState.RECEIVED)
        alerts.watch(now + timedelta(minutes=6))
        sent = Delivery.objects.get(destination=pager)
        assert sent.event.payload["kind"] == "stale_events"
        assert sent.event.payload["runbook"] == "https://shop.example/admin/runbooks/stale-events/"
        assert "https://shop.example/admin/runbooks/stale-events/" in sent.event.payload["suggested_fix"]

    def test_the_keeper_raises_them_once_a_minute(self, now: datetime) -> None:
        event(1, at=now - timedelta(hours=1), state=EventState.RECEIVED)
        for seconds in (0, 30, 59, 60):
            working.keep_house(clock=lambda seconds=seconds: now + timedelta(seconds=seconds))  # type: ignore[misc]
        assert self.the_case().times_seen == 2

    def test_looking_raises_them_too_where_the_keeper_is_silent(self, now: datetime) -> None:
        beat(now - timedelta(hours=1))
        working.drain_looks(clock=lambda: now)
        kinds = set(Case.objects.values_list("kind", "subject_id"))
        assert (CaseKind.WORKER_SILENT, alert_rules.number_of("keep")) in kinds

    def test_no_query_of_the_rules_reads_a_whole_table(
        self, now: datetime, django_assert_max_num_queries: Callable[[int], Any]
    ) -> None:
        owed(receiver("one", at=now), at=now)
        with django_assert_max_num_queries(45):
            list(alerts.raised(now))


class TestRunbooks:
    def test_every_alert_has_its_page_and_every_page_its_alert(self) -> None:
        pages = {page.stem for page in runbooks.directory().glob("*.md")}
        assert pages == set(runbooks.RUNBOOK_OF.values())
        assert {rule.kind for rule in alerts.RULES} <= set(runbooks.RUNBOOK_OF)

    @pytest.mark.parametrize("code", sorted(runbooks.RUNBOOK_OF.values()))
    def test_each_page_has_the_same_sections(self, code: str) -> None:
        text = runbooks.text_of(code)
        assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == list(runbooks.SECTIONS)
        assert text.startswith("# ")
        bodies = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
        assert all(len(body.strip()) > 40 for body in bodies), "no section is empty"

    @pytest.mark.parametrize("code", sorted(runbooks.RUNBOOK_OF.values()))
    def test_each_setting_and_page_it_names_is_there(self, code: str, settings: Any) -> None:
        text = runbooks.text_of(code)
        named = re.findall(r"`((?:ALERT|PATTERN|BREAKER|DELIVERY)_[A-Z_]+)`", text)
        assert not [name for name in named if not hasattr(settings, name)]
        assert not [
            other for other in re.findall(r"\]\(([a-z-]+)\.md\)", text) if other not in runbooks.RUNBOOK_OF.values()
        ]

    def test_every_rule_names_a_setting_that_is_there(self, settings: Any) -> None:
        assert all(hasattr(settings, rule.setting) for rule in alerts.RULES)

    @pytest.mark.parametrize("code", ["", "no-such", "../architecture", "..%2fdeploy", "stale-events.md"])
    def test_no_other_file_is_read(self, code: str) -> None:
        with pytest.raises(KeyError):
            runbooks.text_of(code)


class TestAreas:
    def test_every_kind_is_somebodys(self) -> None:
        assert set(AREA_OF) == set(CaseKind)

    def test_alerts_are_for_whoever_works_on_messages_money_is_finances(self) -> None:
        assert {area_of(rule.kind) for rule in alerts.RULES} == {Area.MESSAGES}
        assert area_of(CaseKind.DOUBLE_PAYMENT) is Area.FINANCE
        assert area_of("a kind of a former version") is Area.FINANCE

    @pytest.mark.parametrize(
        ("role", "sees", "works_on"),
        [
            (Role.SUPPORT, {Area.MESSAGES}, set()),
            (Role.LEAD, {Area.MESSAGES, Area.FINANCE}, set()),
            (Role.FINANCE, {Area.FINANCE}, {Area.FINANCE}),
            (Role.INTEGRATIONS, {Area.MESSAGES}, {Area.MESSAGES}),
            (Role.AUDITOR, {Area.MESSAGES, Area.FINANCE}, set()),
            (Role.ADMIN, set(), set()),
        ],
    )
    def test_each_role_has_the_kinds_of_its_areas(self, role: Role, sees: set[Area], works_on: set[Area]) -> None:
        person = make_staff(role)
        assert {AREA_OF[kind] for kind in kinds_for(person)} == sees
        assert {AREA_OF[kind] for kind in kinds_for(person, Verb.DO)} == works_on
