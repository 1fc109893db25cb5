"""Trouble with signatures: told from a probe, ended by a verified event, cheap whatever arrives."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.cache import cache
from django.test import Client

from payments import inbox, signatures
from payments.models import SignatureTrouble
from tests.fake_provider import FakeProvider

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_gate() -> None:
    cache.clear()


def refuse(now: datetime, *, times: int) -> None:
    for _ in range(times):
        cache.clear()
        signatures.note_refused("stripe", at=now)


def verified(fake: FakeProvider, at: datetime, name: str) -> None:
    inbox.receive(fake.notification(name), body=b"{}", at=at)


def test_three_refusals_without_a_verified_event_are_trouble(now: datetime) -> None:
    refuse(now, times=2)
    assert signatures.trouble_since("stripe", at=now) is None
    refuse(now + timedelta(minutes=1), times=1)
    assert signatures.trouble_since("stripe", at=now + timedelta(minutes=2)) == now
    assert signatures.trouble_since("paypal", at=now) is None


def test_a_verified_event_ends_it_and_the_next_refusal_begins_anew(fake: FakeProvider, now: datetime) -> None:
    verified(fake, now - timedelta(minutes=1), "evt_before")
    refuse(now, times=3)
    assert signatures.trouble_since("stripe", at=now) == now
    verified(fake, now + timedelta(minutes=1), "evt_after")
    assert signatures.trouble_since("stripe", at=now + timedelta(minutes=1)) is None
    later = now + timedelta(minutes=5)
    refuse(later, times=3)
    assert signatures.trouble_since("stripe", at=later) == later


def test_a_day_of_silence_ends_it(now: datetime) -> None:
    refuse(now, times=3)
    assert signatures.trouble_since("stripe", at=now + timedelta(days=1, seconds=1)) is None


def test_a_flood_is_one_note(fake: FakeProvider, client: Client) -> None:
    for _ in range(20):
        answer = client.post("/webhooks/stripe/", b"{}", content_type="application/json", headers={"Signature": "bad"})
        assert answer.status_code == 400
    assert SignatureTrouble.objects.get().times == 1
