"""Step-up: password and code once more before a dangerous act, and no way round it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory
from structlog.testing import capture_logs

from payments.backoffice import step_up
from payments.backoffice.step_up import StepUpForm, StepUpRefused
from payments.people import mfa
from payments.roles import Role
from tests.staff import enrol, make_staff

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


@pytest.fixture
def person() -> Any:
    return make_staff(Role.LEAD)


@pytest.fixture
def key(person: Any, now: datetime) -> bytes:
    return enrol(person, at=now)


def post(user: Any, *, method: str = "post") -> HttpRequest:
    request: HttpRequest = getattr(RequestFactory(), method)("/admin/act/")
    request.session = SessionStore()
    request.user = user
    return request


def test_password_and_code_open_five_minutes(person: Any, key: bytes, now: datetime) -> None:
    request = post(person)
    assert step_up.fields_needed(request, now)
    with capture_logs() as lines:
        step_up.check(request, password=PASSWORD, code=mfa.code_at(key, now), now=now)
    assert [(line["event"], line["user_id"]) for line in lines] == [("stepped_up", person.pk)]
    assert PASSWORD not in str(lines)
    assert step_up.is_recent(request, now=now)
    assert step_up.is_recent(request, now=now + timedelta(minutes=5))
    assert not step_up.is_recent(request, now=now + timedelta(minutes=5, seconds=1))
    assert not step_up.is_recent(request, now=now - timedelta(seconds=1))


@pytest.mark.parametrize(("password", "ahead"), [("wrong", 0), (PASSWORD, 10), ("", 0)])
def test_a_wrong_password_or_code_counts_and_opens_nothing(
    person: Any, key: bytes, now: datetime, password: str, ahead: int
) -> None:
    request = post(person)
    code = mfa.code_at(key, now + timedelta(minutes=ahead))
    with pytest.raises(StepUpRefused, match="do not go together"):
        step_up.check(request, password=password, code=code, now=now)
    assert step_up.fields_needed(request, now)
    assert AccessAttempt.objects.get().failures_since_start == 1


def test_a_code_is_taken_once(person: Any, key: bytes, now: datetime) -> None:
    code = mfa.code_at(key, now)
    step_up.check(post(person), password=PASSWORD, code=code, now=now)
    with pytest.raises(StepUpRefused):
        step_up.check(post(person), password=PASSWORD, code=code, now=now)


def test_five_wrong_tries_end_the_session(person: Any, key: bytes, now: datetime) -> None:
    request = post(person)
    for _ in range(5):
        request = post(person)
        request.session["something"] = "of the session"
        with pytest.raises(StepUpRefused):
            step_up.check(request, password="wrong", code="000000", now=now)
    assert isinstance(request.user, AnonymousUser)
    assert request.session.is_empty()
    assert getattr(request, "axes_locked_out", False)  # AxesMiddleware answers 429
    with pytest.raises(StepUpRefused):  # and the right ones do not help now
        step_up.check(post(person), password=PASSWORD, code=mfa.code_at(key, now), now=now)


def test_success_forgives_earlier_slips(person: Any, key: bytes, now: datetime) -> None:
    with pytest.raises(StepUpRefused):
        step_up.check(post(person), password="wrong", code="000000", now=now)
    step_up.check(post(person), password=PASSWORD, code=mfa.code_at(key, now), now=now)
    assert not AccessAttempt.objects.exists()


def test_it_belongs_to_one_person(person: Any, key: bytes, now: datetime) -> None:
    request = post(person)
    step_up.check(request, password=PASSWORD, code=mfa.code_at(key, now), now=now)
    request.user = make_staff(Role.ADMIN)
    assert step_up.fields_needed(request, now)
    request.user = AnonymousUser()
    assert step_up.fields_needed(request, now)


def test_somebody_elses_code_does_not_do(person: Any, key: bytes, now: datetime) -> None:
    other = enrol(make_staff(Role.LEAD), at=now)
    with pytest.raises(StepUpRefused):
        step_up.check(post(person), password=PASSWORD, code=mfa.code_at(other, now), now=now)


def test_without_an_authenticator_nothing_opens(person: Any, now: datetime) -> None:
    with pytest.raises(StepUpRefused):
        step_up.check(post(person), password=PASSWORD, code="000000", now=now)


def test_get_opens_nothing(person: Any, key: bytes, now: datetime) -> None:
    with pytest.raises(StepUpRefused, match="send the form again"):
        step_up.check(post(person, method="get"), password=PASSWORD, code=mfa.code_at(key, now), now=now)


def test_a_form_is_asked_only_while_it_is_needed(person: Any, key: bytes, now: datetime) -> None:
    request = post(person)
    wrong = StepUpForm({"password": PASSWORD, "code": "123"})
    assert not step_up.confirm(request, wrong, now=now)
    assert "do not go together" in str(wrong.errors)
    assert not step_up.confirm(request, StepUpForm({}), now=now)
    right = StepUpForm({"password": PASSWORD, "code": mfa.code_at(key, now)})
    assert step_up.confirm(request, right, now=now)
    assert step_up.confirm(request, StepUpForm({}), now=now)
