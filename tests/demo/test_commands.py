"""reconcile, replay_inbox and trigger from the command line: what they print, and what their exit codes say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from integrations.contract import Unavailable
from orders.models import Order, Transition
from payments.management.demo.faults import EVENTS
from payments.models import ProviderEvent
from payments.states import EventState
from tests.fake_provider import FakeProvider
from tests.world import World

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run() -> Run:
    """Run a command; return its exit code and what it printed, or the sentence with which it refused."""

    def run(*line: str) -> tuple[int, str]:
        out = io.StringIO()
        try:
            call_command(*line, stdout=out, stderr=io.StringIO())
        except SystemExit as ended:
            return int(ended.code or 0), out.getvalue()
        except CommandError as error:
            return error.returncode, str(error)
        return 0, out.getvalue()

    return run


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


def report(printed: str) -> dict[str, Any]:
    """Read the one JSON line that was printed."""
    (line,) = printed.splitlines()
    told: dict[str, Any] = json.loads(line)
    return told


class TestReconcile:
    def test_a_payment_nobody_told_of_is_found(self, world: World, run: Run) -> None:
        world.press_pay()
        world.provider.pay(world.provider.the_payment())
        code, printed = run("reconcile", "--order", str(world.order_id))
        assert code == 0
        assert printed.splitlines() == [
            f"attempt {world.attempt.pk} at stripe: pending → paid, 1 new capture",
            f"Order {world.order_id}: placed → paid; 1 attempt asked about, 0 open cases",
        ]
        assert Transition.objects.get(to_state="paid", subject_kind="order").actor == "command:reconcile"

    def test_a_second_time_nothing_changes(self, world: World, run: Run) -> None:
        world.press_pay()
        world.provider.pay(world.provider.the_payment())
        run("reconcile", "--order", world.order.token)
        code, printed = run("reconcile", "--order", world.order.token, "--json")
        told = report(printed)
        assert (code, told["changed"], told["state"]) == (0, False, "paid")
        assert told["attempts"][0]["outcome"] == "settled"

    def test_a_provider_that_is_away_is_4(self, world: World, run: Run) -> None:
        world.press_pay()
        world.provider.fail_next = [Unavailable("no answer")]
        code, printed = run("reconcile", "--order", str(world.order_id))
        assert code == 4
        assert "cannot be asked now" in printed

    def test_an_open_case_is_3(self, world: World, run: Run) -> None:
        world.press_pay()
        world.provider.pay(world.provider.the_payment(), amount_minor=1999)
        code, printed = run("reconcile", "--order", str(world.order_id), "--json")
        told = report(printed)
        assert code == 3
        assert [case["kind"] for case in told["cases"]] == ["amount_mismatch"]
        assert told["cases"][0]["suggested_fix"]

    def test_without_an_attempt_there_is_nothing_to_ask(self, order: Order, run: Run) -> None:
        assert run("reconcile", "--order", str(order.number)) == (
            0,
            f"Order {order.number}: placed; 0 attempts asked about, 0 open cases\n",
        )

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "line",
        [
            ["--order", "999999"],
            ["--order", "no-such-token"],
            ["--order", "1", "--dry-run"],
            ["--order", "1", "--since", "2d"],
        ],
        ids=" ".join,
    )
    def test_what_it_cannot_do_is_usage(self, run: Run, line: list[str]) -> None:
        code, said = run("reconcile", *line)
        assert code == 2
        assert "order" in said


class TestReplayInbox:
    @pytest.fixture
    def dead(self, world: World) -> ProviderEvent:
        """An event whose payment is made, given up on."""
        world.press_pay()
        world.tell(world.provider.the_payment(), event_id="evt_dead")
        world.provider.pay(world.provider.the_payment())
        ProviderEvent.objects.update(state=EventState.DEAD, next_try_at=None, tries=12, error="was broken")
        return ProviderEvent.objects.get()

    @pytest.mark.parametrize("named", ["pk", "event_id"])
    def test_a_dead_event_is_worked_again(self, world: World, dead: ProviderEvent, run: Run, named: str) -> None:
        assert run("replay_inbox", str(getattr(dead, named))) == (0, "1 replayed, 0 not replayable, 0 unknown\n")
        dead.refresh_from_db()
        assert (dead.state, dead.tries) == ("received", 0)

    def test_all_in_a_state(self, dead: ProviderEvent, run: Run) -> None:
        assert report(run("replay_inbox", "--state", "parked", "--json")[1])["replayed"] == []
        assert report(run("replay_inbox", "--state", "dead", "--json")[1])["replayed"] == [dead.pk]

    def test_a_dry_run_changes_nothing(self, dead: ProviderEvent, run: Run) -> None:
        code, printed = run("replay_inbox", "--state", "dead", "--dry-run")
        assert (code, printed) == (0, "1 would be replayed, 0 not replayable, 0 unknown\n")
        dead.refresh_from_db()
        assert dead.state == "dead"

    @pytest.mark.parametrize("state", [EventState.RECEIVED, EventState.IGNORED, EventState.REJECTED])
    def test_what_waits_or_is_no_hint_stays_as_it_is(self, dead: ProviderEvent, run: Run, state: str) -> None:
        ProviderEvent.objects.update(state=state)
        code, printed = run("replay_inbox", str(dead.pk), "evt_unknown", "--json")
        told = report(printed)
        assert (code, told["replayed"], told["not_replayable"]) == (4, [], [dead.pk])
        assert told["unknown"] == ["evt_unknown"]
        dead.refresh_from_db()
        assert dead.state == state

    @pytest.mark.django_db
    @pytest.mark.parametrize("line", [[], ["--state", "received"], ["--state", "nonsense"]], ids=" ".join)
    def test_without_anything_named_it_is_usage(self, run: Run, line: list[str]) -> None:
        assert run("replay_inbox", *line)[0] in (1, 2)  # argparse's own refusal is 2 on the command line


@pytest.mark.django_db
class TestTrigger:
    @pytest.fixture(autouse=True)
    def elsewhere(self, settings: Settings, tmp_path: Path) -> None:
        """No demo runs here, whatever runs in the checkout."""
        settings.BASE_DIR = tmp_path

    def test_without_an_event_it_lists_them(self, run: Run) -> None:
        code, printed = run("trigger")
        assert code == 0
        assert len(printed.splitlines()) == len(EVENTS) + 1
        assert report(run("trigger", "--json")[1])["events"]["lost"] == EVENTS["lost"].says

    def test_those_of_the_public_surface_are_there(self) -> None:
        promised = "paid declined action async async_succeeded async_failed duplicate lost late reorder wrong_amount"
        assert set(promised.split()) | {"double_capture"} <= EVENTS.keys()

    @pytest.mark.parametrize("line", [["nonsense", "--order", "1"], ["paid"]], ids=" ".join)
    def test_what_cannot_be_meant_is_usage(self, run: Run, line: list[str]) -> None:
        assert run("trigger", *line)[0] == 2

    def test_without_a_running_demo_it_is_refused(self, run: Run) -> None:
        code, said = run("trigger", "paid", "--order", "1001")
        assert code == 5
        assert "make demo" in said

    @pytest.mark.parametrize("environment", ["staging", "production"])
    @pytest.mark.parametrize(
        "line", [["trigger", "paid", "--order", "1001"], ["demo"], ["demo", "--once"]], ids=" ".join
    )
    def test_where_people_pay_it_is_refused(
        self, run: Run, settings: Settings, environment: str, line: list[str]
    ) -> None:
        settings.ENVIRONMENT = environment
        code, said = run(*line)
        assert code == 5
        assert environment in said
