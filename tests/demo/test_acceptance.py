"""The demo as its users start it: a copy of the checkout, the real processes, an embedded database of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import postgres
from integrations.sandbox.loopback import ReceiverControl, status_of
from integrations.sandbox.shopper import Shopper
from payments.management.demo.place import Place
from payments.management.demo.stand_ins import STAND_INS
from payments.models.case import CaseKind
from tests.demo.running import Running, copy_checkout, manage, processes_of, told, wait_until_none_runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the checkout, with nothing in var/ yet."""
    # A short path: it becomes part of a socket's address.
    copy = tmp_path_factory.mktemp("demo")
    copy_checkout(copy)
    yield copy
    postgres.remove(copy)


@pytest.fixture(scope="module")
def demos(checkout: Path) -> Iterator[list[Running]]:
    """The demos that were started; the last one, if it runs, is stopped by Ctrl-C, which must leave nothing."""
    started: list[Running] = []
    yield started
    if started and started[-1].process.poll() is None:
        assert started[-1].end(signal.SIGINT) == 0, started[-1].said()
    wait_until_none_runs(checkout, PATIENCE_SECONDS)


@pytest.fixture
def running(checkout: Path, demos: list[Running]) -> Running:
    """The demo, running: the same one for all tests, until one of them ends it."""
    if not demos or demos[-1].process.poll() is not None:
        demos.append(Running(checkout))
    return demos[-1]


def state_of(checkout: Path, order: int) -> tuple[str, list[str]]:
    """Return an order's state and the kinds of its open cases, after a look.

    All shoppers here have one address: whoever comes after many cards is told of as well.
    """
    _, printed, _ = manage(checkout, "reconcile", "--order", str(order), "--json")
    report = json.loads(printed)
    return report["state"], [case["kind"] for case in report["cases"] if case["kind"] != CaseKind.MANY_CARDS]


def test_it_tells_how_to_sign_in_and_what_to_try(running: Running) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "A TOUR" not in running.said() and time.monotonic() < deadline:
        time.sleep(0.1)
    for words in (running.addresses.shop, running.addresses.receiver, "demo_code NAME", "trigger lost", "redeliver"):
        assert words in running.said()
    assert status_of(f"{running.addresses.shop}/readyz") == 200
    assert Place(running.checkout).secret("admin_password", str) in running.said()


def test_the_first_orders_show_what_can_become_of_one(running: Running) -> None:
    for number, state in ((1001, "paid"), (1003, "placed"), (1005, "expired")):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := state_of(running.checkout, number)) != (state, []):
            assert time.monotonic() < deadline, (number, found)
            time.sleep(1)


def test_one_order_goes_through_the_running_demo(running: Running) -> None:
    report = told(running.checkout, "demo", "--once", "--provider", "stripe")
    assert report["ok"] is True
    assert (report["state"], report["provider"], report["started_processes"]) == ("paid", "stripe", False)
    assert report["event"].startswith("evt_")
    assert (report["delivered"], report["copies_at_receiver"], report["mailed"]) == (True, 1, True)
    assert report["seconds"] < 60


def test_once_says_so_when_the_provider_is_away(running: Running) -> None:
    told(running.checkout, "trigger", "provider_down", "--json")
    try:
        code, printed, _ = manage(running.checkout, "demo", "--once")
    finally:
        told(running.checkout, "trigger", "provider_up", "--json")
    report = json.loads(printed)
    assert (code, report["ok"]) == (4, False)
    assert report["problem"]


def test_a_second_one_is_refused_with_a_clear_sentence(running: Running) -> None:
    code, _, said = manage(running.checkout, "demo")
    assert code == 5
    assert f"running already at {running.addresses.shop}/ (process {running.process.pid})" in said


def test_a_lost_webhook_is_made_good_by_reconcile(running: Running) -> None:
    order = told(running.checkout, "trigger", "lost", "--order", "new", "--json")["order"]
    assert told(running.checkout, "reconcile", "--order", str(order), "--json")["state"] == "paid"


@pytest.mark.parametrize(
    ("event", "state", "cases"),
    [
        ("reorder", "paid", []),
        ("action_done", "paid", []),
        ("async_failed", "placed", []),
        ("late", "expired", ["late_money"]),
        ("double_capture", "paid", ["double_payment"]),
        ("wrong_amount", "placed", ["amount_mismatch"]),
    ],
)
def test_what_is_triggered_ends_as_it_should(running: Running, event: str, state: str, cases: list[str]) -> None:
    order = told(running.checkout, "trigger", event, "--order", "new", "--json")["order"]
    assert state_of(running.checkout, order) == (state, cases)


@pytest.mark.parametrize("provider", [name for name in STAND_INS if name != "stripe"])
@pytest.mark.parametrize(
    ("event", "state", "cases"),
    [
        ("paid", "paid", []),
        pytest.param("late", "expired", ["late_money"], marks=pytest.mark.faults),
        pytest.param("double_capture", "paid", ["double_payment"], marks=pytest.mark.faults),
    ],
)
def test_at_the_other_providers_too(running: Running, provider: str, event: str, state: str, cases: list[str]) -> None:
    report = told(running.checkout, "trigger", event, "--order", "new", "--provider", provider, "--json")
    assert report["provider"] == provider
    assert state_of(running.checkout, report["order"]) == (state, cases)


def test_what_a_provider_does_not_do_is_told(running: Running) -> None:
    code, _, said = manage(running.checkout, "trigger", "payout", "--provider", "nmi")
    assert code == 2
    assert "NMI tells no payouts" in said


def test_what_does_not_fit_the_order_is_told(running: Running) -> None:
    code, _, said = manage(running.checkout, "trigger", "paid", "--order", "1001")
    assert code == 2
    assert "Order 1001 is paid" in said or "has a payment already" in said


def test_dead_letters_are_redelivered_under_their_old_key(running: Running) -> None:
    shopper, receiver = Shopper(running.addresses.shop), ReceiverControl(running.addresses.receiver)
    told(running.checkout, "trigger", "receiver_gone", "--json")
    shopper.place_order(email="dead@example.com")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (queued := told(running.checkout, "redeliver", "--all", "--dry-run", "--json")["queued"]):
        assert time.monotonic() < deadline
        time.sleep(1)
    told(running.checkout, "trigger", "receiver_up", "--json")
    messages = len(receiver.report()["messages"])
    assert set(queued) <= set(told(running.checkout, "redeliver", "--all", "--json")["queued"])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(receiver.report()["messages"]) < messages + 1:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_program_that_is_killed_is_started_again(running: Running) -> None:
    (web,) = {line for line in processes_of(running.checkout) if "gunicorn" in line}
    pids = subprocess.run(["pgrep", "-fo", web.strip()], capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(pids[0]), signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "web runs again" not in running.said() or status_of(f"{running.addresses.shop}/readyz") != 200:
        assert time.monotonic() < deadline, running.said()
        time.sleep(0.2)
    assert "web ended (killed by SIGKILL)" in running.said()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_killed_it_leaves_no_process_and_its_data_stay(running: Running) -> None:
    """And then one more order goes through processes that are started for it, which stop afterwards."""
    before = told(running.checkout, "demo", "--once")["order"]
    assert running.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until_none_runs(running.checkout)
    report = told(running.checkout, "demo", "--once")
    assert (report["ok"], report["started_processes"]) == (True, True)
    assert report["order"] == before + 1, "the orders from before are still there"
    assert report["seconds"] < 60
    wait_until_none_runs(running.checkout)
