"""Who gets into the back office, how, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from structlog.testing import capture_logs

from payments.backoffice.site import BackofficeSite
from payments.models import TotpDevice
from payments.people import accounts as people
from payments.people import mfa
from payments.roles import Role
from tests.staff import PASSWORD, enrol, make_staff, sign_in

pytestmark = pytest.mark.django_db

HOME = "/admin/"


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(datetime(2026, 11, 21, 12, tzinfo=timezone.get_default_timezone()), tick=False) as moved:
        yield moved


@pytest.fixture
def person() -> Any:
    return make_staff(Role.SUPPORT, name="sue")


@pytest.fixture
def key(person: Any, clock: Any) -> bytes:
    return enrol(person, at=timezone.now())


def give(client: Client, *, name: str = "sue", password: str = PASSWORD, code: str, **extra: Any) -> HttpResponse:
    said = {"username": name, "password": password, "code": code, "next": HOME}
    return client.post("/admin/login/", said, **extra)  # type: ignore[return-value]


def code(key: bytes) -> str:
    return mfa.code_at(key, timezone.now())


def is_in(client: Client) -> bool:
    return client.get(HOME).status_code == 200


def signed_in(person: Any) -> Client:
    client = sign_in(Client(), person)
    assert is_in(client)
    return client


class TestTheForm:
    def test_name_password_and_code_open_the_home(self, client: Client, key: bytes) -> None:
        assert not is_in(client)
        answer = give(client, code=code(key))
        assert (answer.status_code, answer.headers["Location"]) == (302, HOME)
        assert is_in(client)

    def test_a_backup_code_does_too_once(self, client: Client, person: Any, key: bytes) -> None:
        backup, *_ = mfa.new_backup_codes(user=person, at=timezone.now())
        assert give(client, code=backup).status_code == 302
        assert is_in(client)
        assert give(Client(), code=backup).status_code == 200

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": "nobody"},
            {"password": "wrong"},
            {"code": "000000"},
            {"code": "aaaa-bbbb-cccc-dddd"},
        ],
    )
    def test_whatever_is_wrong_the_answer_is_the_same(self, client: Client, key: bytes, wrong: dict[str, str]) -> None:
        answer = give(client, **{"code": code(key), **wrong})
        assert answer.status_code == 200
        assert b"Name, password and code do not go together" in answer.content
        assert AccessAttempt.objects.get().failures_since_start == 1
        assert not is_in(client)

    @pytest.mark.parametrize("field", ["name", "password", "code"])
    def test_a_nul_is_no_crash(self, client: Client, key: bytes, field: str) -> None:
        assert give(client, **{"code": code(key), field: "sue\x00"}).status_code == 200

    def test_without_a_code_the_password_is_not_even_checked(self, client: Client, key: bytes) -> None:
        for password in (PASSWORD, "wrong"):
            answer = give(client, password=password, code="")
            assert b"do not go together" not in answer.content
        assert not AccessAttempt.objects.exists()

    @pytest.mark.parametrize("off", ["is_active", "is_staff"])
    def test_who_is_no_staff_hears_the_same(self, client: Client, person: Any, key: bytes, off: str) -> None:
        setattr(person, off, False)
        person.save()
        assert b"do not go together" in give(client, code=code(key)).content

    def test_who_is_not_enrolled_gets_nowhere(self, client: Client, person: Any) -> None:
        assert b"do not go together" in give(client, code="000000").content

    def test_a_code_seen_over_the_shoulder_is_worthless(self, client: Client, key: bytes) -> None:
        seen = code(key)
        give(client, code=seen)
        assert b"do not go together" in give(Client(), code=seen).content

    @pytest.mark.parametrize("superuser", [False, True])
    def test_without_a_role_there_is_no_way_in(self, client: Client, superuser: bool) -> None:
        user: Any = get_user_model().objects.create_user(
            "boss", password=PASSWORD, is_staff=True, is_superuser=superuser
        )
        key = enrol(user, at=timezone.now())
        answer = give(client, name="boss", code=code(key))
        assert b"You have no role" in answer.content
        assert not is_in(client)

    def test_what_was_typed_is_kept_nowhere(self, client: Client, key: bytes) -> None:
        with capture_logs() as lines:
            give(client, password="my-secret-word", code="123456")
            give(client, code="654321")
        kept = AccessAttempt.objects.get()
        assert (kept.post_data, kept.get_data) == ("", "")
        assert "mfa_failed" in {line["event"] for line in lines}
        for secret in ("my-secret-word", "123456", "654321", PASSWORD):
            assert secret not in str(lines)


class TestLockout:
    def test_five_wrong_codes_lock_like_five_wrong_passwords(self, client: Client, key: bytes, clock: Any) -> None:
        answers = [give(client, code="000000").status_code for _ in range(5)]
        assert answers == [200, 200, 200, 200, 429]
        clock.shift(60)
        assert give(client, code=code(key)).status_code == 429
        clock.shift(timedelta(minutes=15))
        assert give(client, code=code(key)).status_code == 302

    def test_guesses_from_many_addresses_make_the_code_wait(self, key: bytes, clock: Any) -> None:
        for last in range(8):
            give(Client(), code="000000", REMOTE_ADDR=f"203.0.113.{last}")
            clock.shift(2**last)
        other = {"REMOTE_ADDR": "203.0.113.200"}
        give(Client(), code="000000", **other)
        assert give(Client(), code=code(key), **other).status_code == 200
        clock.shift(260)
        assert give(Client(), code=code(key), **other).status_code == 302


class TestSession:
    def test_it_ends_after_eight_hours(self, person: Any, clock: Any) -> None:
        client = signed_in(person)
        for _ in range(16):
            clock.shift(timedelta(minutes=29, seconds=59))
            assert is_in(client)
        clock.shift(20)
        assert not is_in(client)
        assert b"signed out after 8 hours" in client.get("/admin/login/").content

    def test_it_ends_after_thirty_minutes_without_a_click(self, person: Any, clock: Any) -> None:
        client = signed_in(person)
        clock.shift(timedelta(minutes=30, seconds=1))
        answer = client.get(HOME)
        assert answer.status_code == 302
        assert b"30 minutes without a click" in client.get("/admin/login/").content

    def test_the_id_is_new_at_every_sign_in(self, client: Client, key: bytes, clock: Any) -> None:
        client.get("/admin/login/")
        session = client.session
        session["basket"] = "1"
        session.save()
        ids = [session.session_key]
        for _ in range(2):
            clock.shift(60)
            give(client, code=code(key))
            ids.append(client.session.session_key)
        assert len(set(ids)) == 3
        assert not Session.objects.filter(pk__in=ids[:2]).exists()

    def test_all_sessions_can_be_ended_at_once(self, person: Any) -> None:
        first, second = signed_in(person), signed_in(person)
        people.end_sessions(user=person, at=timezone.now() + timedelta(seconds=1))
        assert not is_in(first)
        assert not is_in(second)
        assert b"Your account was changed" in first.get("/admin/login/").content

    def test_a_password_changed_elsewhere_ends_it(self, person: Any) -> None:
        client = signed_in(person)
        person.set_password("another long password")
        person.save()
        assert not is_in(client)

    @pytest.mark.parametrize("off", ["is_active", "is_staff"])
    def test_deactivation_ends_it(self, person: Any, off: str) -> None:
        client = signed_in(person)
        setattr(person, off, False)
        person.save()
        assert not is_in(client)

    def test_losing_the_last_role_ends_it(self, person: Any) -> None:
        client = signed_in(person)
        person.groups.clear()
        assert not is_in(client)

    def test_losing_the_second_factor_ends_it(self, person: Any) -> None:
        client = signed_in(person)
        mfa.remove(user=person)
        assert not is_in(client)

    def test_a_session_without_a_second_factor_opens_nothing(self, client: Client, person: Any) -> None:
        enrol(person, at=timezone.now())
        client.force_login(person)
        assert not is_in(client)

    def test_somebody_elses_device_in_the_session_opens_nothing(self, client: Client, person: Any) -> None:
        other = make_staff(Role.ADMIN)
        enrol(other, at=timezone.now())
        client.force_login(person)
        session = client.session
        session["otp_device_id"] = TotpDevice.objects.get(user=other).persistent_id
        session.save()
        assert not is_in(client)

    def test_the_shop_does_not_ask_who_it_is(self, person: Any, clock: Any) -> None:
        client = signed_in(person)
        clock.shift(timedelta(hours=1))
        assert client.get("/basket/").status_code == 200


def test_screens_without_an_area_are_left_out() -> None:
    from django.contrib import admin
    from django.contrib.auth.models import Group
    from django.core.exceptions import ImproperlyConfigured

    site = BackofficeSite()
    site.register(Group, admin.ModelAdmin)
    assert not site.is_registered(Group)
    ours = type("OurAdmin", (admin.ModelAdmin,), {"__module__": "payments.backoffice.x"})
    with pytest.raises(ImproperlyConfigured, match="must be an AreaAdmin"):
        site.register(Group, ours)
