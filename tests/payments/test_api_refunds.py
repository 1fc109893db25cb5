"""Refunds through the API: a staff token asks as its owner may, once; it approves nothing, and bad input is a 4xx."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.throttling import SimpleRateThrottle

from payments import approvals
from payments.models import Capture, IdempotencyRecord, Refund, StaffAction
from payments.models.action import ActionState
from payments.people import tokens as staff_tokens
from payments.people.tokens import Scope
from payments.roles import Role
from payments.settlement import look
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.payments.api_client import NO_LIMITS, ApiClient, code_of, new_key, told
from tests.staff import make_staff
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)

WHY = {"reason_code": "goods_returned", "reason": "One of two mugs came back."}


@pytest.fixture(autouse=True)
def limits(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REFUND_LIMITS = {"EUR": 1000}
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", NO_LIMITS)


@pytest.fixture
def world(fake: FakeProvider, now: datetime) -> World:
    """A paid order of 20.00 EUR."""
    world = World(provider=fake, order=make_order(now=now), now=now)
    world.press_pay()
    fake.pay(fake.the_payment())
    look(world.attempt.pk, clock=world.clock, actor="test")
    return world


class Program:
    """A program of one person, with a token of theirs."""

    def __init__(self, role: Role, world: World, *, scopes: tuple[Scope, ...] = (Scope.REFUNDS_REQUEST,)) -> None:
        self.user, self.api = make_staff(role), ApiClient()
        at = timezone.now()
        token = staff_tokens.issue(user=self.user, name="x", scopes=scopes, days=30, by=make_staff(Role.ADMIN), at=at)
        self.secret = staff_tokens.collect(token_id=token.pk, user=self.user, at=at)
        self.path = f"/api/v1/attempts/{world.attempt.reference}/refunds/"

    def ask(self, body: Any = None, *, key: str | None = "", **more: Any) -> Any:
        wanted = {**WHY, **more} if body is None else body
        return self.api.post(self.path, wanted, key=key, Authorization=f"Bearer {self.secret}")

    def read(self, path: str = "") -> Any:
        return self.api.get(path or self.path, Authorization=f"Bearer {self.secret}")


class TestAsking:
    def test_within_the_limit_it_is_done(self, world: World) -> None:
        program = Program(Role.LEAD, world)
        answer = program.ask(amount_minor=500)
        refund = Refund.objects.get()
        assert answer.status_code == 201
        assert told(answer) == {
            "refund": refund.reference, "state": "succeeded", "amount_minor": 500, "currency": "EUR",
            "attempt": world.attempt.reference, "capture": Capture.objects.get().capture_id, "provider": "stripe",
            "provider_refund": refund.refund_id, "made_by": "ours",
            "requested_at": refund.requested_at.isoformat(), "failed_at": None,
            "succeeded_at": refund.succeeded_at.isoformat(),  # type: ignore[union-attr]
        }  # fmt: skip
        assert world.order.state == "partially_refunded"
        action = StaffAction.objects.get()
        assert (action.via, action.requested_by, action.reason) == ("api", program.user, WHY["reason"])
        assert told(program.read(f"/api/v1/refunds/{refund.reference}/")) == told(answer)
        assert told(program.read()) == {"refunds": [told(answer)]}

    def test_above_the_limit_a_second_person_is_asked_and_the_same_key_hears_of_it(self, world: World) -> None:
        program, key = Program(Role.LEAD, world), new_key()
        answer = program.ask(key=key)
        action = StaffAction.objects.get()
        assert answer.status_code == 202
        assert (told(answer)["approval"], told(answer)["state"]) == (str(action.uid), "requested")
        assert not Refund.objects.exists()
        assert told(program.ask(key=key)) == told(answer)

        approvals.decide(action_id=action.pk, approve=True, note="", user=make_staff(Role.FINANCE), clock=timezone.now)
        done = program.ask(key=key)
        assert (done.status_code, told(done)["amount_minor"]) == (201, 2000)
        assert StaffAction.objects.count() == Refund.objects.count() == 1

    def test_whoever_only_asks_hears_202(self, world: World) -> None:
        assert Program(Role.SUPPORT, world).ask(amount_minor=1).status_code == 202

    def test_refused_by_the_second_person(self, world: World) -> None:
        program, key = Program(Role.SUPPORT, world), new_key()
        program.ask(key=key)
        finance = make_staff(Role.FINANCE)
        approvals.decide(
            action_id=StaffAction.objects.get().pk, approve=False, note="", user=finance, clock=timezone.now
        )
        assert code_of(program.ask(key=key)) == (409, "not_possible")

    def test_the_same_key_is_the_same_refund(self, world: World) -> None:
        program, key = Program(Role.LEAD, world), new_key()
        first = program.ask(key=key, amount_minor=500)
        again = program.ask(key=key, amount_minor=500)
        assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
        assert code_of(program.ask(key=key, amount_minor=501)) == (422, "idempotency_key_reused")
        assert Refund.objects.count() == 1

    def test_keys_are_each_persons_own(self, world: World) -> None:
        key = new_key()
        assert Program(Role.LEAD, world).ask(key=key, amount_minor=100).status_code == 201
        assert Program(Role.LEAD, world).ask(key=key, amount_minor=100).status_code == 201
        assert Refund.objects.count() == 2

    def test_a_request_that_died_before_it_was_done_goes_on(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from payments import actions

        program, key = Program(Role.LEAD, world), new_key()
        with monkeypatch.context() as patch:
            patch.setattr(actions, "_do_at_once", lambda action, *, clock: (_ for _ in ()).throw(SystemError("dies")))
            assert program.ask(key=key, amount_minor=500).status_code == 500
        assert (StaffAction.objects.get().state, Refund.objects.count()) == (ActionState.REQUESTED, 0)
        assert program.ask(key=key, amount_minor=500).status_code == 201
        assert StaffAction.objects.count() == Refund.objects.count() == 1

    def test_of_two_captures_one_must_be_named(self, world: World) -> None:
        extra = world.provider.pay(world.provider.the_payment())
        look(world.attempt.pk, clock=world.clock, actor="test")
        program = Program(Role.LEAD, world)
        assert code_of(program.ask(amount_minor=100)) == (400, "capture_needed")
        assert told(program.ask(amount_minor=100, capture=extra.capture_id))["capture"] == extra.capture_id
        assert world.order.state == "paid"

    def test_more_than_is_left(self, world: World) -> None:
        assert code_of(Program(Role.LEAD, world).ask(amount_minor=2001)) == (409, "not_possible")

    def test_nothing_was_taken(self, world: World, now: datetime) -> None:
        unpaid = World(provider=world.provider, order=make_order(now=now), now=now)
        unpaid.press_pay()
        assert code_of(Program(Role.LEAD, unpaid).ask()) == (409, "not_possible")


class TestWho:
    def test_nobody_without_a_token(self, world: World) -> None:
        path = f"/api/v1/attempts/{world.attempt.reference}/refunds/"
        assert code_of(ApiClient().post(path, WHY))[0] == 401
        assert code_of(ApiClient().get(path))[0] == 401
        assert code_of(ApiClient().get("/api/v1/refunds/rf_1/"))[0] == 401
        assert nothing_asked()

    def test_not_with_another_scope(self, world: World) -> None:
        program = Program(Role.LEAD, world, scopes=(Scope.ORDERS_READ,))
        assert code_of(program.ask(amount_minor=1)) == (403, "permission_denied")
        assert code_of(program.read()) == (403, "permission_denied")
        assert nothing_asked()

    def test_not_once_the_role_is_gone(self, world: World) -> None:
        program = Program(Role.LEAD, world)
        program.user.groups.clear()
        assert code_of(program.ask(amount_minor=1)) == (403, "permission_denied")
        assert nothing_asked()

    def test_finance_approves_and_does_not_ask(self, world: World) -> None:
        assert code_of(Program(Role.FINANCE, world).ask(amount_minor=1)) == (403, "permission_denied")
        assert nothing_asked()

    def test_unknown_attempts_and_refunds_get_one_answer(self, world: World) -> None:
        program = Program(Role.LEAD, world)
        for reference in ("pa_none", str(world.attempt.pk), "0"):
            program.path = f"/api/v1/attempts/{reference}/refunds/"
            assert code_of(program.ask(amount_minor=1)) == (404, "not_found")
        assert code_of(program.read("/api/v1/refunds/1/")) == (404, "not_found")


def nothing_asked() -> bool:
    return not (Refund.objects.exists() or StaffAction.objects.exists() or IdempotencyRecord.objects.exists())


REFUSED: dict[str, tuple[Any, str, str]] = {
    "a list": ([WHY], "invalid", "body"),
    "nothing in it": ({}, "invalid", "reason_code"),
    "another state": ({**WHY, "state": "succeeded"}, "invalid", "state"),
    "another currency": ({**WHY, "currency": "JPY"}, "invalid", "currency"),
    "an approval of one's own": ({**WHY, "approved_by": "ann"}, "invalid", "approved_by"),
    "amount 0": ({**WHY, "amount_minor": 0}, "invalid", "amount_minor"),
    "amount -1": ({**WHY, "amount_minor": -1}, "invalid", "amount_minor"),
    "amount 1.0": ({**WHY, "amount_minor": 1.0}, "invalid", "amount_minor"),
    "amount as text": ({**WHY, "amount_minor": "1"}, "invalid", "amount_minor"),
    "amount true": ({**WHY, "amount_minor": True}, "invalid", "amount_minor"),
    "amount null": ({**WHY, "amount_minor": None}, "invalid", "amount_minor"),
    "amount 10^18": ({**WHY, "amount_minor": 10**18}, "invalid", "amount_minor"),
    "an empty capture": ({**WHY, "capture": ""}, "invalid", "capture"),
    "a capture that is none": ({**WHY, "capture": "ch_none"}, "unknown_capture", ""),
    "a reason of one's own": ({**WHY, "reason_code": "because"}, "invalid", "reason_code"),
    "a reason that says nothing": ({**WHY, "reason": "short"}, "invalid", "reason"),
    "a reason of blanks": ({**WHY, "reason": " " * 20}, "invalid", "reason"),
    "an endless reason": ({**WHY, "reason": "x" * 1001}, "invalid", "reason"),
}


@pytest.mark.parametrize(("body", "code", "field"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_asked_is_400_and_says_where(world: World, body: Any, code: str, field: str) -> None:
    answer = Program(Role.LEAD, world).ask(body)
    assert code_of(answer) == (400, code)
    fields = told(answer)["error"].get("fields", {})
    assert field in fields if field else not fields
    assert nothing_asked()


def test_a_key_is_needed(world: World) -> None:
    assert code_of(Program(Role.LEAD, world).ask(key=None)) == (400, "idempotency_key_missing")


ANY: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just([]) | st.just({})
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "amount_minor": st.integers(min_value=1, max_value=3000) | ANY,
        "capture": st.just("ch_2") | ANY,
        "reason_code": st.just("goodwill") | ANY,
        "reason": st.just("For a good customer.") | ANY,
    },
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(body=NEARLY | ANY)
def test_no_body_is_ever_a_5xx_nor_refunds_too_much(world: World, body: Any) -> None:
    program = getattr(world, "program", None) or Program(Role.LEAD, world)
    world.program = program  # type: ignore[attr-defined]
    answer = program.ask(json.dumps(body).encode())
    assert answer.status_code in (201, 202, 400, 409)
    assert sum(Refund.objects.values_list("amount_minor", flat=True)) <= 1000, "its limit, however often it asks"
