"""Who may open what: every address below /admin/ and every kind of act, as every role and as whoever has none,
against the roles table (payments/roles.py).

A new screen or page fails here until it says who may open it:

- a screen of a model is an `AreaAdmin` with its `area`; whoever may view the area may open it. `edits = Verb.DO` on it
  lets that verb add and change rows by hand. `by_subject = True`: it decides by row, and has tests of that.
- any other view carries a decorator of payments/backoffice/access.py inside `admin.site.admin_view`:
  `@needs(Area.ORDER, Verb.VIEW)`, `@every_role`, `@by_subject` (it asks further itself, and has tests of that), or
  `@outside` for what is opened without signing in.
- tests/backoffice/everything.py makes a row of each model, and says what a real `case_id` or the like is.

Each request is undone, so that one visitor's POST is not the next one's surprise. The walks are slow: a bare `pytest`
only asks that everything is declared.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from payments import actions, approvals, staff_operations
from payments.audit import log as audit_log
from payments.backoffice.access import Access
from payments.backoffice.base import AreaAdmin
from payments.models import StaffAction
from payments.roles import TABLE, Area, Role, Verb
from payments.staff_operations import Preview, StaffOperation
from tests.backoffice.everything import Everything
from tests.fake_provider import FakeProvider
from tests.staff import PASSWORD, enrol, make_staff, sign_in

pytestmark = pytest.mark.django_db

SITE = {
    # Django's own pages of the site, by name
    "index": Access(),
    "login": Access(outside=True),
    "logout": Access(),
    "password_change": Access(),
    "jsi18n": Access(),
    "app_list": Access(by_subject=True),  # lists what one may see; 404 where that is nothing
    "autocomplete": Access(by_subject=True),  # asks the screen of the model
    "": Access(by_subject=True),  # whatever is no page
}
NOT_THERE = {
    "backoffice:account_picture",
    "backoffice:invitation",
    "backoffice:accept_invitation",
    "backoffice:invitation_picture",
}
"""404 unless something was begun."""


@dataclass(frozen=True)
class Page:
    """One address, and who may read it (GET) and change something by it (POST)."""

    name: str
    arguments: tuple[str, ...] = ()
    model_admin: Any = field(default=None, repr=False)
    reads: Access | None = None
    changes: Access | None = None

    def __str__(self) -> str:
        return self.name


def pages() -> list[Page]:
    """Every address below /admin/."""
    return [_page(pattern, name) for pattern, name, route in _patterns(get_resolver()) if route.startswith("admin/")]


def _patterns(resolver: URLResolver, route: str = "", space: str = "") -> Iterator[tuple[URLPattern, str, str]]:
    for each in resolver.url_patterns:
        whole = route + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _patterns(each, whole, f"{space}{each.namespace}:" if each.namespace else space)
        else:
            yield each, f"{space}{each.name or ''}", whole


def _page(pattern: URLPattern, name: str) -> Page:
    arguments = tuple(pattern.pattern.regex.groupindex) or tuple(getattr(pattern.pattern, "converters", ()))
    view: Any = pattern.callback
    model_admin = getattr(view, "model_admin", None)
    if model_admin is not None and not hasattr(view, "access"):
        return _screen(name, arguments, model_admin)
    own = name.removeprefix("admin:")
    access = getattr(view, "access", None) or (SITE.get(own) if name.startswith("admin:") else None)
    return Page(name, arguments, None, access, access)


def _screen(name: str, arguments: tuple[str, ...], model_admin: AreaAdmin[Any]) -> Page:
    """A ModelAdmin's own page: list, history, row, adding, deleting."""
    if model_admin.by_subject:
        return Page(name, arguments, model_admin, Access(by_subject=True), Access(by_subject=True))
    nobody, views = Access(model_admin.area), Access(model_admin.area, (Verb.VIEW,))
    # A row's history is what the audit log says of it, where it says anything.
    logged = audit_log.kind_of(model_admin.model) in audit_log.kinds()
    log = Access(Area.AUDIT, (Verb.VIEW,)) if logged else nobody
    edits = Access(model_admin.area, (model_admin.edits,)) if model_admin.edits else nobody
    kind = name.rpartition("_")[2] if name != "admin:" else ""
    reads, changes = {
        "changelist": (views, views),
        "history": (log, log),
        "change": (views, edits),
        "add": (edits, edits),
        "delete": (nobody, nobody),
        "": (Access(by_subject=True), Access(by_subject=True)),  # a row's old address, which only leads to the new one
    }[kind]
    return Page(name, arguments, model_admin, reads, changes)


PAGES = pages()


def test_every_address_says_who_may_open_it() -> None:
    assert len(PAGES) > 80
    assert [page.name for page in PAGES if page.reads is None] == []


def test_every_address_can_be_opened_for_something_real(fake: FakeProvider) -> None:
    walk = Walk(_nobody(), fake)
    assert all(walk.url(page).startswith("/admin/") for page in PAGES)


def test_every_screen_is_a_row_of_the_table() -> None:
    for model_admin in admin.site._registry.values():
        assert isinstance(model_admin, AreaAdmin)
        assert isinstance(model_admin.area, Area)


# --- visitors ------------------------------------------------------------------------------------------------


def _nobody() -> tuple[Client, Any]:
    return Client(), AnonymousUser()


def _without_role() -> tuple[Client, Any]:
    user = make_staff()
    return sign_in(Client(), user), user


def _superuser_without_role() -> tuple[Client, Any]:
    user = get_user_model().objects.create_superuser("boss", password=PASSWORD)
    return sign_in(Client(), user), user


def _without_second_factor() -> tuple[Client, Any]:
    user = make_staff(*Role)
    enrol(user, at=timezone.now())
    client = Client()
    client.force_login(user)
    return client, user


def _deactivated() -> tuple[Client, Any]:
    user = make_staff(*Role)
    client = sign_in(Client(), user)
    user.is_active = False
    user.save()
    return client, user


def _no_staff() -> tuple[Client, Any]:
    user = make_staff(*Role)
    client = sign_in(Client(), user)
    user.is_staff = False
    user.save()
    return client, user


OUTSIDERS = [_nobody, _without_role, _superuser_without_role, _without_second_factor, _deactivated, _no_staff]


@contextmanager
def undone() -> Iterator[None]:
    """Undo what happens inside; to the code it looks like no transaction."""
    block: Any = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


class Walk:
    """One visitor who tries every address; gathers what does not fit."""

    def __init__(self, visitor: tuple[Client, Any], fake: FakeProvider) -> None:
        self.client, user = visitor
        self.client.raise_request_exception = False
        self.cookies = copy.deepcopy(self.client.cookies)
        self.everything = Everything(fake, visitor=user, now=timezone.now())
        self.problems: list[str] = []

    def url(self, page: Page) -> str:
        if page.name == "admin:":
            return "/admin/no/such/page/" if page.model_admin is None else self._row_url(page)
        if page.model_admin is not None:
            return self._row_url(page)
        return reverse(page.name, kwargs={name: self.everything.argument(name) for name in page.arguments})

    def _row_url(self, page: Page) -> str:
        model = page.model_admin.model
        meta = model._meta
        if page.name == "admin:":
            return f"/admin/{meta.app_label}/{meta.model_name}/{self.everything.row_of(model).pk}/"
        return reverse(page.name, args=[self.everything.row_of(model).pk] if page.arguments else [])

    def everywhere(self, expect: Any) -> None:
        for page in PAGES:
            url = self.url(page)
            for method, access in (("get", page.reads), ("post", page.changes)):
                self.client.cookies = copy.deepcopy(self.cookies)  # as they were: what a request changed is undone
                with undone():
                    response: HttpResponse = getattr(self.client, method)(url)
                if trouble := expect(page, access, method, response):
                    self.problems.append(f"{method.upper()} {page} ({url}): {response.status_code}, {trouble}")


def _is_login(response: HttpResponse) -> bool:
    return response.status_code == 302 and response.headers["Location"].startswith("/admin/login/")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", OUTSIDERS, ids=lambda make: make.__name__.strip("_"))
def test_whoever_is_not_in_opens_nothing(make: Any, fake: FakeProvider) -> None:
    def expect(page: Page, access: Access, method: str, response: HttpResponse) -> str:
        if access.outside:
            return "" if response.status_code in (200, 302, 404, 405) and not _is_login(response) else "is outside"
        if page.name == "admin:logout":
            return "" if response.status_code == 302 else "leads home"
        return "" if _is_login(response) else "must lead to the sign-in"

    walk = Walk(make(), fake)
    walk.everywhere(expect)
    assert walk.problems == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", list(Role))
def test_each_role_opens_what_the_table_says_and_nothing_else(role: Role, fake: FakeProvider) -> None:
    def may(access: Access) -> bool:
        return access.area is None or any(_gives(access.area, role, verb) for verb in access.verbs)

    def expect(page: Page, access: Access, method: str, response: HttpResponse) -> str:
        status = response.status_code
        if status >= 500 or _is_login(response):
            return "must answer"
        if access.by_subject:
            return ""
        if not may(access):
            return "" if status in (403, 405) else f"must be refused to {role}"
        if method == "get" and status == 404 and page.name not in NOT_THERE:
            return "must be there"
        return f"must open to {role}" if status == 403 else ""

    user = make_staff(role)
    walk = Walk((sign_in(Client(), user), user), fake)
    walk.everywhere(expect)
    assert walk.problems == []


def _gives(area: Area, role: Role, verb: Verb) -> bool:
    given = TABLE[area].get(role)
    return given is not None and verb in (Verb.VIEW, given)


# --- acts ----------------------------------------------------------------------------------------------------

KINDS = staff_operations.all_operations()


def test_every_kind_of_act_names_a_row_of_the_table() -> None:
    assert KINDS
    assert all(kind.area in TABLE and kind.reasons for kind in KINDS)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_asks_for_what_the_table_says(role: Role) -> None:
    person = make_staff(role)
    for kind in KINDS:
        assert _asks(person, kind) is _table_lets_ask(role, kind), kind.name


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", list(Role))
def test_the_pages_of_acts_do_too(role: Role) -> None:
    client = sign_in(Client(), make_staff(role))
    for kind in KINDS:
        url = reverse("backoffice:act", args=[kind.name, 0])
        answers = [client.get(url), *(client.post(url, {"stage": stage}) for stage in ("preview", "confirm"))]
        for response in answers:
            assert (response.status_code != 403) is _table_lets_ask(role, kind), (kind.name, response.status_code)
            assert response.status_code < 500
    assert not StaffAction.objects.exists()


def _table_lets_ask(role: Role, kind: StaffOperation) -> bool:
    return TABLE[kind.area].get(role) in (Verb.DO, Verb.REQUEST)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_decides_about_what_the_table_says(role: Role) -> None:
    person, requester = make_staff(role), make_staff(Role.LEAD)
    for kind in KINDS:
        action = StaffAction(operation=kind.name, requested_by=requester, preview=Preview(summary="x").as_json())
        area = kind.area_for(Preview(summary="x"))
        allowed = TABLE[area].get(role) in (Verb.APPROVE, Verb.DO)
        assert approvals.may_decide(person, action) is allowed, (kind.name, role)
        action.requested_by = person
        assert not approvals.may_decide(person, action), "nobody decides about their own"


@pytest.mark.slow
@pytest.mark.parametrize("make", OUTSIDERS, ids=lambda make: make.__name__.strip("_"))
def test_whoever_is_not_in_asks_for_nothing(make: Any) -> None:
    client, user = make()
    for kind in KINDS:
        if make is not _without_second_factor:  # whom the site stops
            assert not _asks(user, kind)
        assert _is_login(client.post(reverse("backoffice:act", args=[kind.name, 0]), {"stage": "confirm"}))


def _asks(user: Any, kind: StaffOperation) -> bool:
    try:
        actions.check_may_ask(user, kind)
    except PermissionDenied:
        return False
    return True
