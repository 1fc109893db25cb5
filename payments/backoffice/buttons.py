"""The buttons of dangerous acts: each one live, or dead with the very sentence that the act itself would raise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from payments import actions, staff_operations
from payments.staff_operations import NotPossible


@dataclass(frozen=True, slots=True)
class Button:
    """`why_not`: the sentence beside a button that cannot be pressed; empty where it can."""

    label: str
    url: str
    why_not: str = ""


def buttons(request: HttpRequest, names: Iterable[str], subject_id: int) -> list[Button]:
    """Return a button for each kind of act on this subject, for the person who asks."""
    return [_button(request, name, subject_id) for name in names]


def _button(request: HttpRequest, name: str, subject_id: int) -> Button:
    kind = staff_operations.get(name)
    try:
        actions.check_may_ask(request.user, kind)
        kind.check(subject_id, at=timezone.now())
    except (PermissionDenied, NotPossible) as error:
        return Button(kind.label, "", str(error))
    return Button(kind.label, reverse("backoffice:act", args=[name, subject_id]))
