"""The API for programs of staff: one live token opens it, nothing else does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from structlog.testing import capture_logs

from payments.models import StaffToken
from payments.people import accounts as people
from payments.people import tokens as staff_tokens
from payments.people.tokens import Scope
from payments.roles import Role
from payments.shop.staff_authentication import StaffApiView
from tests.payments.api_client import code_of, told
from tests.staff import make_staff, sign_in

pytestmark = pytest.mark.django_db

ME = "/api/v1/staff/me/"


@pytest.fixture
def owner() -> Any:
    return make_staff(Role.SUPPORT, name="ann")


@pytest.fixture
def token(owner: Any) -> StaffToken:
    scopes, admin = [Scope.REFUNDS_REQUEST], make_staff(Role.ADMIN)
    return staff_tokens.issue(user=owner, name="x", scopes=scopes, days=30, by=admin, at=timezone.now())


@pytest.fixture
def secret(token: StaffToken, owner: Any) -> str:
    return staff_tokens.collect(token_id=token.pk, user=owner, at=timezone.now())


def ask(secret: str, client: Client | None = None) -> Any:
    return (client or Client()).get(ME, headers={"Authorization": f"Bearer {secret}"})


def test_it_tells_who_asks_and_what_they_may(secret: str, token: StaffToken, owner: Any) -> None:
    answer = ask(secret)
    assert answer.status_code == 200
    body = told(answer)
    assert body == {
        "user": "ann",
        "roles": ["Support"],
        "scopes": ["refunds:request"],
        "may": ["refunds:request"],
        "expires_at": body["expires_at"],
    }
    owner.groups.clear()
    assert told(ask(secret))["may"] == []
    token.refresh_from_db()
    assert token.last_used_at is not None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer spt_" + "A" * 43,
        "Bearer spt_" + "A" * 5000,
        "Bearer spt_\x00" + "A" * 42,
        "Bearer {secret} ",
        "Bearer {secret}x",
        "Bearer {SECRET}",
        "Basic {secret}",
        "Token {secret}",
        "{secret}",
    ],
)
def test_what_is_no_live_token_is_401(secret: str, header: str) -> None:
    said = header.format(secret=secret, SECRET=secret.swapcase())
    answer: Any = Client().get(ME, headers={"Authorization": said} if said else {})
    assert code_of(answer)[0] == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="staff"'


def test_a_session_opens_nothing(owner: Any) -> None:
    assert sign_in(Client(), owner).get(ME).status_code == 401


def test_revoked_expired_deactivated_are_401_at_once(secret: str, token: StaffToken, owner: Any) -> None:
    assert ask(secret).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=30, seconds=1)):
        assert ask(secret).status_code == 401
    people.deactivate(user=owner, by=None, at=timezone.now())
    assert ask(secret).status_code == 401
    people.reactivate(user=owner)
    assert ask(secret).status_code == 401, "a deactivation revokes"


def test_only_reading(secret: str) -> None:
    for method in ("post", "put", "patch", "delete"):
        answer = getattr(Client(), method)(ME, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 405


def test_the_secret_is_in_no_log_line(secret: str) -> None:
    with capture_logs() as lines:
        ask(secret)
        ask(secret[:-1] + "!")
    assert secret[4:20] not in str(lines)


class NeedsRefunds(StaffApiView):
    """An address as those of refunds will be."""

    scope = Scope.REFUNDS_REQUEST

    def get(self, request: Request) -> Response:
        return Response({"done": True})


class NeedsOrders(StaffApiView):
    scope = Scope.ORDERS_READ

    def get(self, request: Request) -> Response:
        return Response({"done": True})


def test_an_address_with_a_scope_asks_for_it_and_for_the_role_behind_it(secret: str, owner: Any) -> None:
    def status(view: type[StaffApiView]) -> int:
        request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {secret}"})
        return view.as_view()(request).status_code

    assert status(NeedsRefunds) == 200
    assert status(NeedsOrders) == 403
    owner.groups.clear()
    assert status(NeedsRefunds) == 403
