"""The webhook's door: what it answers, what it has for an effect, and which case it opens. One table, then the
floods."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError
from django.test import Client
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orders.models import Order
from payments import inbox
from payments.models import ProviderEvent
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    return world


def body_of(world: World, **changes: Any) -> dict[str, Any]:
    payment = world.provider.the_payment()
    told: dict[str, Any] = {
        "event_id": "evt_1",
        "reference": payment.request.reference,
        "ids": {"page_id": payment.page_id},
        "object_ids": [payment.page_id],
    }
    return {**told, **changes}


def post(body: bytes | dict[str, Any], *, signature: str = "good", provider: str = "stripe", **more: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    more = {"content_type": "application/json", "HTTP_SIGNATURE": signature, **more}
    return Client(raise_request_exception=False).post(f"/webhooks/{provider}/", raw, **more)


@dataclass(frozen=True)
class Fault:
    """`sent` makes the body; then what we answer, how the event and the order stand afterwards, and the open cases."""

    name: str
    sent: Callable[[World], dict[str, Any]]
    answer: int = 200
    event: str | None = "processed"
    order: str = "paid"
    cases: tuple[str, ...] = ()
    signature: str = "good"
    prepare: Callable[[World], Any] | None = None


def _amount(world: World) -> None:
    world.provider.the_payment().overrides["amount_minor"] = 1


def _currency(world: World) -> None:
    world.provider.the_payment().overrides["currency"] = "USD"


def _other_order(world: World) -> None:
    world.provider.the_payment().overrides["reference"] = "pa_of_another_order"


def _other_account(world: World) -> None:
    world.provider.the_payment().overrides["account"] = "acct_other"


def _other_mode(world: World) -> None:
    world.provider.the_payment().overrides["mode"] = "live"


FAULTS = (
    Fault("genuine", body_of),
    Fault("forged", body_of, answer=400, event=None, order="placed", signature="forged"),
    Fault("replayed", body_of, prepare=lambda world: post(body_of(world))),
    Fault(
        "other mode",
        lambda world: body_of(world, mode="live"),
        event="ignored",
        order="placed",
        cases=("wrong_mode",),
    ),
    Fault(
        "other account",
        lambda world: body_of(world, account="acct_other"),
        event="ignored",
        order="placed",
        cases=("wrong_account",),
    ),
    Fault("wrong amount", body_of, order="placed", cases=("amount_mismatch",), prepare=_amount),
    Fault("wrong currency", body_of, order="placed", cases=("currency_mismatch",), prepare=_currency),
    Fault("wrong order", body_of, order="placed", cases=("reference_mismatch",), prepare=_other_order),
    Fault("payment of another account", body_of, order="placed", cases=("wrong_account",), prepare=_other_account),
    Fault("payment in another mode", body_of, order="placed", cases=("wrong_mode",), prepare=_other_mode),
    Fault(
        "unknown type", lambda world: body_of(world, type="moon.rose", relevant=False), event="ignored", order="placed"
    ),
    Fault(
        "unknown object",
        lambda world: body_of(world, reference="", ids={"page_id": "cs_x"}, object_ids=["cs_x"]),
        event="parked",
        order="placed",
    ),
    Fault(
        "our reference on somebody else's object",
        lambda world: body_of(world, ids={"page_id": "cs_x"}, object_ids=["cs_x"]),
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_answer_effect_case(world: World, fault: Fault) -> None:
    if fault.prepare is not None:
        fault.prepare(world)
    response = post(fault.sent(world), signature=fault.signature)
    assert response.status_code == fault.answer
    assert world.order.state == "placed", "nothing moves inside the request"
    for _ in range(2):
        _let_workers_work(world)
    assert list(ProviderEvent.objects.values_list("state", flat=True)) == ([fault.event] if fault.event else [])
    assert world.order.state == fault.order
    assert tuple(world.cases()) == fault.cases
    assert sum(world.balance().values()) == 0


def _let_workers_work(world: World) -> None:
    from django.utils import timezone

    world.now = timezone.now()  # the door reads the real clock
    from payments import inbox, working

    for held in inbox.claim(at=world.now, most=10):
        working.work_event(held, clock=world.clock)


def test_an_unknown_object_becomes_a_case_after_a_day(world: World) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from payments import inbox

    post(body_of(world, reference="", ids={"page_id": "cs_x"}, object_ids=["cs_x"]))
    _let_workers_work(world)
    assert inbox.tell_of_parked(at=timezone.now() + timedelta(hours=23), most=10) == 0
    assert inbox.tell_of_parked(at=timezone.now() + timedelta(hours=25), most=10) == 1
    assert inbox.tell_of_parked(at=timezone.now() + timedelta(hours=26), most=10) == 0
    assert world.cases() == ["parked_event"]


@pytest.mark.parametrize(
    ("answer", "request_of"),
    [
        (404, lambda world: post(body_of(world), provider="nobody")),
        (405, lambda world: Client().get("/webhooks/stripe/")),
        (405, lambda world: Client().put("/webhooks/stripe/", b"{}", content_type="application/json")),
        (413, lambda world: post(b" " * (1024 * 1024 + 1))),
        (415, lambda world: post(body_of(world), content_type="text/plain")),
        (415, lambda world: post(body_of(world), HTTP_CONTENT_ENCODING="gzip")),
        (400, lambda world: post(b"x", signature="bad")),
    ],
)
def test_the_other_answers_of_the_public_surface(world: World, answer: int, request_of: Any) -> None:
    assert request_of(world).status_code == answer
    assert ProviderEvent.objects.count() == 0


def test_a_body_of_exactly_one_mebibyte_is_read(world: World) -> None:
    whole = json.dumps(body_of(world)).encode()
    assert post(whole + b" " * (1024 * 1024 - len(whole))).status_code == 200


def test_a_flood_of_bad_signatures_is_throttled_and_verified_events_never_are(world: World, settings: Any) -> None:
    settings.WEBHOOK_BAD_SIGNATURES_A_MINUTE = 5
    answers = [post(body_of(world), signature="bad").status_code for _ in range(8)]
    assert answers == [400] * 5 + [429] * 3
    assert post(body_of(world)).status_code == 200


def test_the_raw_bytes_are_exact_and_encrypted(world: World) -> None:
    from integrations.decryptions import PROCESS, Purpose
    from payments import inbox

    body = json.dumps(body_of(world)).encode() + b"  \n"
    post(body)
    event = ProviderEvent.objects.get()
    assert inbox.raw_body(event, purpose=Purpose.VERIFY, actor=PROCESS) == body
    assert b"evt_1" not in bytes(event.body_sealed)


@pytest.mark.parametrize(("network", "answer"), [("127.0.0.0/8", 200), ("203.0.113.0/24", 403), ("2001:db8::/32", 403)])
def test_an_allowlist_is_held_where_one_is_set(world: World, settings: Any, network: str, answer: int) -> None:
    settings.WEBHOOK_IP_ALLOWLISTS = {"stripe": (ip_network(network),)}
    assert post(body_of(world)).status_code == answer
    assert ProviderEvent.objects.count() == (1 if answer == 200 else 0)


def test_only_a_known_event_is_answered_as_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the database refuses is no duplicate: a 2xx would lose the event."""
    monkeypatch.setattr(inbox.uuid, "uuid4", lambda: UUID(int=1))
    assert inbox.receive(world.provider.notification("evt_1"), body=b"{}", at=world.now)
    with pytest.raises(IntegrityError):
        inbox.receive(world.provider.notification("evt_2"), body=b"{}", at=world.now)


def test_the_requests_one_line_names_the_event_and_the_next_requests_does_not(world: World) -> None:
    with capture_logs([merge_contextvars]) as said:
        post(body_of(world))
        Client().get("/livez")
    webhook, livez = [line for line in said if line["event"] == "request"]
    assert webhook.items() >= {"route": "webhook", "status": 200, "event_id": "evt_1", "new": True}.items()
    assert "event_id" not in livez
