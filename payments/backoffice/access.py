"""How a page of the back office that is no ModelAdmin says, and asks, who may open it.

Every view below /admin/ carries one of these decorators, the outermost one of its own, inside `admin.site.admin_view`,
which asks for sign-in, second factor and a role first. tests/backoffice/test_access.py opens each as everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from payments.roles import Area, Verb, check_may, may_any

View = Callable[..., HttpResponseBase]
AnyView = TypeVar("AnyView", bound=View)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may open a page: those with one of the verbs in the area; without area, everybody of a kind."""

    area: Area | None = None
    verbs: tuple[Verb, ...] = ()
    by_subject: bool = False
    """Everybody with a role, as far as the roles table goes: the page asks further, by what it is about."""
    outside: bool = False
    """Without signing in: the page itself asks for what proves the right to it."""

    def allows(self, user: Any) -> bool:
        """Say whether a person who has a role, and a second factor in this session, may open it."""
        return self.area is None or may_any(user, self.verbs, self.area)


def needs(area: Area, *verbs: Verb) -> Callable[[View], View]:
    """Let only those in who hold one of the verbs in the area. Others hear the sentence of the roles table."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not may_any(request.user, verbs, area):
                check_may(request.user, verbs[0], area)
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded.access = Access(area, verbs)  # type: ignore[attr-defined]
        return guarded

    return decorate


def every_role(view: AnyView) -> AnyView:
    """Declare a page that everybody with a role may open, such as those about themselves."""
    view.access = Access()  # type: ignore[attr-defined]
    return view


def by_subject(view: AnyView) -> AnyView:
    """Declare a page that decides by what it is about (an act's kind, its requester), and has tests of that."""
    view.access = Access(by_subject=True)  # type: ignore[attr-defined]
    return view


def outside(view: AnyView) -> AnyView:
    """Declare a page that is opened without signing in."""
    view.access = Access(outside=True)  # type: ignore[attr-defined]
    return view
