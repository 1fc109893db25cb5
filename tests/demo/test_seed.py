"""First data can be made again and again, and --once counts nothing as done that is not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.test import Client

from integrations import breaker
from integrations.models import Destination
from orders.models import Order, Product
from payments.management.demo import once, people, seed
from payments.management.demo.parts import Secrets
from payments.management.demo.people import PEOPLE, SignIn
from payments.management.demo.place import Addresses
from payments.people import mfa
from payments.roles import roles_of
from tests.fake_provider import FakeProvider
from tests.world import World

ADDRESSES = Addresses(shop="http://127.0.0.1:8000", receiver="http://127.0.0.1:4020", sandboxes={})
MOVED = Addresses(shop="http://127.0.0.1:8000", receiver="http://127.0.0.1:5020", sandboxes={})
KNOWN = Secrets(
    of_providers={},
    receiver_secret="whsec_" + "eA" * 22,
    staff={name: SignIn("abcde-fghjk-mnpqr-stuvw", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP") for name in PEOPLE},
)


@pytest.mark.django_db
class TestRows:
    def test_twice_is_once(self, now: datetime) -> None:
        for _ in range(2):
            seed.rows(ADDRESSES, KNOWN, now=now)
        assert sorted(Destination.objects.values_list("name", flat=True)) == [seed.RECEIVER, seed.MAIL]
        assert Product.objects.filter(active=True).count() >= 10
        assert get_user_model().objects.count() == len(PEOPLE)
        assert seed.is_empty()

    def test_a_receiver_that_listens_elsewhere_now_is_found(self, now: datetime) -> None:
        seed.rows(ADDRESSES, KNOWN, now=now)
        seed.rows(MOVED, KNOWN, now=now)
        receiver = Destination.objects.get(name=seed.RECEIVER)
        assert receiver.address == "http://127.0.0.1:5020/"
        assert receiver.signing_secrets(now=now) == (KNOWN.receiver_secret,)

    def test_a_paused_receiver_stays_paused(self, now: datetime) -> None:
        seed.rows(ADDRESSES, KNOWN, now=now)
        receiver = breaker.Subject(destination_id=Destination.objects.get(name=seed.RECEIVER).pk)
        breaker.pause(receiver, actor="user:7", reason="being tried out", now=now)
        seed.rows(ADDRESSES, KNOWN, now=now)
        assert Destination.objects.get(name=seed.RECEIVER).breaker.state == "paused"

    def test_what_is_printed_signs_in_with_its_role(self, client: Client, now: datetime) -> None:
        seed.rows(ADDRESSES, KNOWN, now=now)
        admin: Any = get_user_model().objects.get(username="admin")
        admin.set_password("changed by somebody")
        admin.is_active = False
        admin.is_superuser = True
        admin.save()
        mfa.begin(user=admin, at=now)
        admin.groups.clear()
        seed.rows(ADDRESSES, KNOWN, now=now)
        for name, sign_in in KNOWN.staff.items():
            with time_machine.travel(now, tick=False):
                said = {"username": name, "password": sign_in.password, "code": mfa.code_at(sign_in.key, now)}
                assert client.post("/admin/login/", said).status_code == 302
                assert client.get("/admin/").status_code == 200
            user = get_user_model().objects.get(username=name)
            assert (roles_of(user), user.is_superuser) == ([PEOPLE[name]], False)

    def test_the_code_that_is_told_is_never_a_used_one(self, now: datetime) -> None:
        seed.rows(ADDRESSES, KNOWN, now=now)
        user = get_user_model().objects.get(username="lead")
        told = []
        for _ in range(2):
            code = people.code_of("lead", KNOWN.staff["lead"], at=now)
            assert code is not None
            assert mfa.verify(user=user, code=code, at=now) is not None
            told.append(code)
        assert told[0] != told[1]
        assert people.code_of("lead", KNOWN.staff["lead"], at=now) is None
        assert people.code_of("lead", KNOWN.staff["lead"], at=now + timedelta(seconds=30)) is not None


def test_time_runs_out_for_one_order_alone(fake: FakeProvider, order: Order, now: datetime) -> None:
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    seed.let_time_run_out(order, now=now)
    world.wait(seconds=1)
    world.work()
    assert (world.order.state, world.attempt.state) == ("expired", "cancelled")


DONE: dict[str, Any] = {
    "state": "paid",
    "attempt_state": "paid",
    "event": "evt_1",
    "events_waiting": 0,
    "delivered": True,
    "copies_at_receiver": 1,
    "mailed": True,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "placed"),
        ("attempt_state", "pending"),
        ("event", None),
        ("events_waiting", 1),
        ("delivered", False),
        ("copies_at_receiver", 0),
        ("copies_at_receiver", 2),
        ("mailed", False),
    ],
)
def test_once_is_done_only_when_all_of_it_happened(name: str, value: object) -> None:
    assert once._missing(DONE) == []
    assert len(once._missing({**DONE, name: value})) == 1
