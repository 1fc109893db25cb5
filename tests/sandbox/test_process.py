"""The process: how it starts, what it refuses, what survives a kill, how much it carries."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import stripe

from tests.sandbox.process import ROOT, Receiver, SandboxProcess
from tests.sandbox.shop import DECLINED, checkout_params, new_session


def refused(process: SandboxProcess, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and stderr of a start that must fail."""
    done = subprocess.run(
        [*process.command(), *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture
def not_started(tmp_path: Path) -> SandboxProcess:
    """A command line to try."""
    return SandboxProcess(tmp_path / "state")


@pytest.mark.parametrize("environment", ["production", " Production "])
def test_production_is_refused(not_started: SandboxProcess, environment: str) -> None:
    code, sentence = refused(not_started, environment={"ENVIRONMENT": environment})
    assert code == 2
    assert "ENVIRONMENT is production" in sentence
    assert not not_started.state_dir.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "listens on 127.0.0.1 only"),
        (["--webhook-url", "https://shop.example/webhooks/stripe/"], "not http on loopback"),
        (["--port", "99999"], "invalid choice"),
        (["--provider", "piggybank"], "invalid choice"),
    ],
)
def test_starts_that_are_refused(not_started: SandboxProcess, arguments: list[str], sentence: str) -> None:
    code, errors = refused(not_started, *arguments)
    assert code == 2
    assert sentence in errors
    assert "Traceback" not in errors


def test_a_port_that_is_taken(own_process: SandboxProcess, tmp_path: Path) -> None:
    code, errors = refused(SandboxProcess(tmp_path / "other", port=own_process.port))
    assert (code, "Traceback" in errors) == (2, False)


def test_a_state_directory_belongs_to_one_process(own_process: SandboxProcess) -> None:
    code, errors = refused(SandboxProcess(own_process.state_dir))
    assert code == 5
    assert "another process uses its state" in errors


def test_it_listens_on_loopback_only(own_process: SandboxProcess) -> None:
    assert own_process.url.startswith("http://127.0.0.1:")
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    port = f"{own_process.port:04X}"
    assert {line.split()[1].split(":")[0] for line in listening if line.split()[1].endswith(f":{port}")} == {"0100007F"}


def test_it_stops_quietly_on_sigterm(own_process: SandboxProcess) -> None:
    own_process.client().v1.payment_intents.create({"amount": 100, "currency": "eur"})
    assert own_process.stop() == ""
    assert own_process.exit_code == 0


def test_it_ends_with_its_parent(own_process: SandboxProcess) -> None:
    assert own_process.leave() == ""
    assert own_process.exit_code == 0


def test_it_knows_its_account_and_clock_from_the_command_line(tmp_path: Path) -> None:
    process = SandboxProcess(tmp_path, arguments=("--account", "acct_mine", "--clock-offset", "86400")).start()
    try:
        client = process.client()
        assert client.v1.accounts.retrieve_current().id == "acct_mine"
        assert new_session(client).created > time.time() + 86000
    finally:
        process.stop()


def test_state_survives_sigkill(own_process: SandboxProcess) -> None:
    client = own_process.client()
    paid, declined, fresh = (new_session(client) for _ in range(3))
    own_process.control.pay(paid.id)
    own_process.control.pay(declined.id, card=DECLINED)
    key: stripe.RequestOptions = {"idempotency_key": "key-1"}
    made = client.v1.payment_intents.create({"amount": 100, "currency": "eur"}, key)
    effects, account = own_process.control.effects(), client.v1.accounts.retrieve_current().id
    own_process.control.fault("rate_limit", times=1)
    own_process.kill()
    own_process.start()
    client = own_process.client()
    with pytest.raises(stripe.RateLimitError):
        client.v1.charges.list()
    assert own_process.control.effects() == effects
    assert client.v1.checkout.sessions.retrieve(paid.id).payment_status == "paid"
    assert client.v1.checkout.sessions.retrieve(fresh.id).url == fresh.url
    again = client.v1.payment_intents.create({"amount": 100, "currency": "eur"}, key)
    assert again.id == made.id
    assert client.v1.accounts.retrieve_current().id == account


@pytest.mark.slow
def test_unsent_webhooks_survive_sigkill(own_process: SandboxProcess, receiver: Receiver) -> None:
    own_process.control.webhook_rule("delay", seconds=1.5)
    own_process.control.pay(new_session(own_process.client()).id)
    own_process.kill()
    assert receiver.received == []
    own_process.start()
    receiver.wait_for(lambda: len(receiver.received) == 5)


def test_what_was_being_sent_at_the_kill_is_sent_again(own_process: SandboxProcess, receiver: Receiver) -> None:
    receiver.pause_seconds = 1.0
    own_process.client().v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: len(receiver.received) == 1)
    own_process.kill()
    receiver.pause_seconds = 0.0
    own_process.start()
    receiver.wait_for(lambda: len(receiver.received) == 2)
    assert receiver.received[0].body == receiver.received[1].body
    receiver.wait_for(lambda: own_process.control.deliveries()[0].state == "delivered")


def test_whatever_was_answered_was_committed(own_process: SandboxProcess) -> None:
    """Killed in the middle of a burst: every intent that a client got is there afterwards."""
    answered: list[str] = []

    def create(number: int) -> None:
        headers = {"Authorization": "Bearer sk_test_x", "Idempotency-Key": f"key-{number}"}
        body = {"amount": 100, "currency": "eur"}
        try:
            answer = requests.post(f"{own_process.url}/v1/payment_intents", data=body, headers=headers, timeout=10)
        except requests.RequestException:
            return
        answered.append(answer.json()["id"])

    with ThreadPoolExecutor(16) as pool:
        burst = [pool.submit(create, number) for number in range(400)]
        while len(answered) < 100:
            time.sleep(0.005)
        own_process.kill()
        for request in burst:
            request.result()
    own_process.start()
    kept = {effect.payment_intent for effect in own_process.control.effects()}
    assert len(answered) >= 100
    assert set(answered) <= kept


@pytest.mark.slow
def test_32_clients_at_once(own_process: SandboxProcess) -> None:
    def shopper(number: int) -> None:
        client = own_process.client()
        for step in range(5):
            session = client.v1.checkout.sessions.create(
                checkout_params(),
                {"idempotency_key": f"key-{number}-{step}"},
            )
            own_process.control.pay(session.id)
            assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(shopper, range(32)))
    effects = own_process.control.effects()
    assert len(effects) == 160
    assert {effect.captured_minor for effect in effects} == {4990}
