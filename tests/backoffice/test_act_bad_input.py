"""Acts with what no form of ours sends: subjects that are none, parameters of another kind. Never a 5xx, no act."""

from __future__ import annotations

import uuid
from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from payments import staff_operations
from payments.models import StaffAction
from payments.roles import Role
from tests.backoffice.filled import fill
from tests.backoffice.people import signed_in
from tests.fake_provider import FakeProvider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recent_step_up"), pytest.mark.slow]

GARBAGE = ("", "\x00", "9" * 400, "-1", "NaN", "1e999", "٣", "[]", "' OR 1=1", "\u202e=cmd|", "2026-02-30")


def test_no_subject_and_no_parameter_breaks_an_act(fake: FakeProvider, now: datetime) -> None:
    filled = fill(fake, now=now)
    before = StaffAction.objects.count()
    client = signed_in(*Role)
    client.raise_request_exception = False
    broken = []
    for kind in staff_operations.all_operations():
        names = list(kind.form_class.base_fields) if kind.form_class else []
        for subject in (filled.subject_of(kind), 10**30):
            url = reverse("backoffice:act", args=[kind.name, subject])
            for text in GARBAGE:
                sent = dict.fromkeys(names, text) | {"stage": "confirm", "uid": text, "fingerprint": text}
                answer = client.post(url, {**sent, "reason_code": text, "reason": text * 20})
                if answer.status_code >= 500:
                    broken.append((kind.name, subject, text, answer.status_code))
                if not names:
                    break
            if client.get(url, dict.fromkeys(names, "9" * 400)).status_code >= 500:
                broken.append((kind.name, subject, "GET", 500))
    assert broken == []
    assert StaffAction.objects.count() == before


def test_no_number_breaks_a_page(fake: FakeProvider, now: datetime) -> None:
    fill(fake, now=now)
    client: Client = signed_in(*Role)
    client.raise_request_exception = False
    broken: list[tuple[str, object]] = []
    for name in ("decide", "withdraw"):
        assert client.post(reverse(f"backoffice:{name}", args=[10**30]), {"decision": "approve"}).status_code == 404
    for text in ("9" * 400, "\x00", "0x1", "٣", str(uuid.uuid4())):
        for model in ("orders_order", "payments_case", "payments_providerevent", "integrations_delivery"):
            url = reverse(f"admin:{model}_changelist")
            queries = ({"q": text}, {"p": f"older-{text}"}, {"state__exact": text}, {"placed_at__gte": text})
            broken += [(url, query) for query in queries if client.get(url, query).status_code >= 500]
            if client.get(f"{url}{text.encode().hex()}/change/").status_code >= 500:
                broken.append((url, text))
    assert broken == []
