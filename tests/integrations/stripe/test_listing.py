"""Stripe's lists through the official SDK against the stand-in: charges, refunds and events over a stretch of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypedDict

import pytest

from integrations.contract import ListedStatus, Mode, Provider, UnknownObject
from integrations.guard import GuardedProvider
from integrations.providers.stripe import client as stripe_client
from integrations.providers.stripe.adapter import StripeProvider
from integrations.sandbox.control import SandboxControl
from tests.sandbox.process import API_KEY, WEBHOOK_SECRET, SandboxProcess
from tests.sandbox.shop import new_session

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("stripe"), webhook_url="http://127.0.0.1:9/none").start()
    yield process
    process.stop()


@pytest.fixture
def control(process: SandboxProcess) -> SandboxControl:
    process.control.reset()
    return process.control


@pytest.fixture
def provider(process: SandboxProcess) -> Provider:
    adapter = StripeProvider(
        environment="test", api_key=API_KEY, webhook_secrets=[WEBHOOK_SECRET], api_base=process.url
    )
    return GuardedProvider(adapter)


def _paid(process: SandboxProcess, reference: str = "pa_1") -> str:
    """Pay a page that carries our reference; return the intent."""
    import stripe

    client = stripe.StripeClient(API_KEY, base_addresses={"api": process.url})
    session = new_session(
        client,
        metadata={"attempt": reference},
        payment_intent_data={"metadata": {"attempt": reference}},
    )
    return process.control.pay(session.id).payment_intent


class Window(TypedDict):
    since: datetime
    until: datetime


def _window() -> Window:
    now = datetime.now(UTC)
    return {"since": now - timedelta(hours=1), "until": now + timedelta(minutes=1)}


def test_a_charge_is_told_with_our_reference_and_its_fee(
    process: SandboxProcess, control: SandboxControl, provider: Provider
) -> None:
    intent = _paid(process)
    page = provider.list_captures(**_window())
    [listed] = page.items
    assert (listed.reference, listed.ids.intent_id, listed.status) == ("pa_1", intent, ListedStatus.CAPTURED)
    assert (listed.mode, listed.account) == (Mode.TEST, provider.account())
    assert (listed.fee_minor, page.cursor) == ((listed.amount_minor * 29 + 500) // 1000 + 30, "")
    assert provider.find_capture(listed.capture_id) == listed


def test_pages_are_newest_first_without_gaps(
    process: SandboxProcess, control: SandboxControl, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_client, "PAGE_SIZE", 2)
    intents = [_paid(process, f"pa_{number}") for number in range(5)]
    seen, cursor = [], ""
    for _ in range(3):
        page = provider.list_captures(**_window(), cursor=cursor)
        seen += [listed.ids.intent_id for listed in page.items]
        cursor = page.cursor
    assert (seen, cursor) == (intents[::-1], "")


def test_the_window_counts(process: SandboxProcess, control: SandboxControl, provider: Provider) -> None:
    _paid(process)
    before = datetime.now(UTC) - timedelta(hours=1)
    assert provider.list_captures(since=before - timedelta(hours=1), until=before).items == ()


def test_a_list_may_lag_while_the_id_is_found(
    process: SandboxProcess, control: SandboxControl, provider: Provider
) -> None:
    _paid(process)
    [listed] = provider.list_captures(**_window()).items
    control.configure(list_lag_seconds=60)
    assert provider.list_captures(**_window()).items == ()
    assert provider.find_capture(listed.capture_id).capture_id == listed.capture_id
    control.forget(listed.capture_id)
    with pytest.raises(UnknownObject):
        provider.find_capture(listed.capture_id)


def test_a_refused_try_is_listed_as_failed(
    process: SandboxProcess, control: SandboxControl, provider: Provider
) -> None:
    import stripe

    client = stripe.StripeClient(API_KEY, base_addresses={"api": process.url})
    control.pay(new_session(client).id, card="4000000000009995")
    [listed] = provider.list_captures(**_window()).items
    assert listed.status is ListedStatus.FAILED and listed.reference == ""


def test_refunds_of_the_dashboard_are_listed(
    process: SandboxProcess, control: SandboxControl, provider: Provider
) -> None:
    intent = _paid(process)
    made = control.refund(payment_intent=intent, amount=100)
    [refund] = provider.list_refunds(**_window()).items
    assert (refund.refund_id, refund.amount_minor, refund.status) == (made["id"], 100, "succeeded")
    [listed] = provider.list_captures(**_window()).items
    assert listed.refunded_minor == 100


def test_events_are_read_as_at_our_door(process: SandboxProcess, control: SandboxControl, provider: Provider) -> None:
    intent = _paid(process)
    since = datetime.now(UTC) - timedelta(hours=1)
    found = provider.list_events(since=since, types=("payment_intent.succeeded",)).items
    [event] = found
    assert (event.notification.ids.intent_id, event.notification.reference) == (intent, "pa_1")
    assert event.notification.relevant and b'"payment_intent.succeeded"' in event.body
    assert len(provider.list_events(since=since).items) > 1
