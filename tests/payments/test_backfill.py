"""Events that never came: fetched by the same door, down to the watermark, which never jumps over a gap."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations import providers
from integrations.contract import ListedEvent, ProviderIds, Unavailable
from orders.models import Order
from payments import backfill, event_watermarks, inbox
from payments.models import EventWatermark, KeeperRound, ProviderEvent
from payments.models.case import CaseKind
from payments.monitoring import alerts
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(fake: FakeProvider, order: Order, now: datetime, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(providers, "enabled", lambda: ("stripe",))
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    return world


def listed(shop: World, number: int, *, at: datetime, **changes: Any) -> ListedEvent:
    """Let the provider list an event of the order's payment."""
    payment = shop.provider.the_payment()
    notification = shop.provider.notification(
        f"evt_{number}",
        created_at=at,
        reference=payment.request.reference,
        ids=ProviderIds(page_id=payment.page_id),
        **changes,
    )
    event = ListedEvent(notification=notification, body=json.dumps({"id": f"evt_{number}"}).encode())
    shop.provider.events.append(event)
    return event


def fetch(shop: World, **changes: Any) -> backfill.Fetched:
    asked: dict[str, Any] = {"since": None, "dry_run": False, "clock": shop.clock}
    return backfill.fetch("stripe", **{**asked, **changes})


def mark() -> EventWatermark:
    return EventWatermark.objects.get()


def test_a_missed_event_is_taken_in_and_pays_the_order(shop: World) -> None:
    shop.provider.pay(shop.provider.the_payment())
    listed(shop, 1, at=shop.now)
    done = fetch(shop)
    assert (done.listed, done.missed, done.whole) == (1, 1, True)
    event = ProviderEvent.objects.get()
    assert (event.source, event.state) == ("backfill", "received")
    shop.work()
    assert shop.order.state == "paid"


def test_what_came_by_its_webhook_is_known_and_keeps_its_source(shop: World) -> None:
    event = listed(shop, 1, at=shop.now)
    inbox.receive(event.notification, body=b"{}", at=shop.now)
    assert fetch(shop).missed == 0
    assert ProviderEvent.objects.get().source == "webhook"


def test_what_is_of_no_use_is_left_out(shop: World) -> None:
    listed(shop, 1, at=shop.now, relevant=False)
    assert fetch(shop).irrelevant == 1
    assert not ProviderEvent.objects.exists()


def test_the_watermark_moves_up_and_the_next_reading_stops_there(shop: World) -> None:
    fetch(shop)
    assert mark().complete_until == shop.now - event_watermarks.LAG
    before = shop.now
    shop.wait(hours=3)
    listed(shop, 1, at=before - timedelta(hours=1))
    listed(shop, 2, at=before + timedelta(hours=1))
    done = fetch(shop, since=before - timedelta(days=2))
    assert (done.listed, done.stopped_at_watermark) == (1, True)
    assert mark().complete_until == shop.now - event_watermarks.LAG


def test_a_gap_below_is_not_jumped_over(shop: World) -> None:
    fetch(shop)
    was = mark().complete_until
    shop.wait(hours=3)
    fetch(shop, since=shop.now - timedelta(hours=1))
    assert mark().complete_until == was


def test_a_reading_that_is_broken_off_is_resumed_where_it_was(shop: World) -> None:
    shop.provider.page_size = 2
    for number in range(7):
        listed(shop, number, at=shop.now - timedelta(seconds=number))
    shop.wait(seconds=1)
    pages = iter([True, True, False])
    assert not fetch(shop, goes_on=lambda: next(pages)).whole
    assert ProviderEvent.objects.count() == 4 and mark().checked_at is None
    asked = len(shop.provider.calls)
    done = fetch(shop)
    assert (done.pages, done.missed, done.whole) == (2, 7, True)
    assert ProviderEvent.objects.count() == 7 and mark().cursor == ""
    assert len(shop.provider.calls) - asked == 2
    assert mark().missed == 7


def test_a_provider_that_is_away_leaves_the_watermark(shop: World) -> None:
    shop.provider.fail_next = [Unavailable("503")]
    with pytest.raises(Unavailable):
        fetch(shop)
    assert mark().checked_at is None


def test_a_dry_run_counts_only(shop: World) -> None:
    listed(shop, 1, at=shop.now)
    assert fetch(shop, dry_run=True).missed == 1
    assert not ProviderEvent.objects.exists() and not EventWatermark.objects.exists()


def test_the_alarm_comes_at_two_thirds_of_the_window(shop: World) -> None:
    fetch(shop)
    from_then = mark().complete_until

    def raised(after: timedelta) -> list[str]:
        found = alerts.raised(from_then + after)
        return [each.finding.theirs for each in found if each.rule.kind == CaseKind.EVENTS_UNCHECKED]

    assert raised(timedelta(days=20) - timedelta(seconds=1)) == []
    [said] = raised(timedelta(days=20))
    assert "30 days only" in said and f"{from_then + timedelta(days=30):%Y-%m-%d}" in said


def test_events_that_had_to_be_fetched_are_a_providers_silence(shop: World, settings: Any) -> None:
    listed(shop, 1, at=shop.now)
    fetch(shop)
    found = [each for each in alerts.raised(shop.now) if each.rule.kind == CaseKind.PROVIDER_SILENT]
    assert len(found) == 1 and "fetched from its list" in found[0].finding.ours


def test_the_providers_notice_hastens_both_readings(shop: World) -> None:
    fetch(shop)
    event_watermarks.leave(mark(), next_at=shop.now + timedelta(hours=1))
    KeeperRound.objects.create(name="reconcile:stripe", first_at=shop.now, begun_at=shop.now)
    notice = shop.provider.notification("evt_lost", relevant=False, events_lost=True)
    inbox.receive(notification=notice, body=b"{}", at=shop.now)
    assert mark().next_at == shop.now
    assert KeeperRound.objects.get(name="reconcile:stripe").begun_at < shop.now - timedelta(days=1)


def run(*args: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("fetch_events", *args, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_the_command(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.utils import timezone

    listed(shop, 1, at=timezone.now() - timedelta(minutes=1))
    code, text = run("--since", "48h", "--json")
    told = json.loads(text)
    assert (code, told["missed"], told["providers"][0]["provider"]) == (0, 1, "stripe")
    assert run("--since", "48h")[1].strip().endswith("0 providers not read to the end")
    shop.provider.fail_next = [Unavailable("503")]
    assert run()[0] == 4
    assert run("--provider", "nobody")[0] == 2
