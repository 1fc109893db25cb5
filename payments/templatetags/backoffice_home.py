"""The first page's parts as a template tag: the admin site's own index view stays as Django has it."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from payments import staff_operations
from payments.backoffice.finance_home import FinanceHome, finance_home_of
from payments.backoffice.home import Home, home_of

register = template.Library()


@register.simple_tag(takes_context=True)
def backoffice_home(context: dict[str, Any]) -> Home:
    """Return what the signed-in person's first page shows."""
    return home_of(context["request"].user, at=timezone.now())


@register.simple_tag(takes_context=True)
def finance_home(context: dict[str, Any]) -> FinanceHome | None:
    """Return what waits for whoever works on money; None for everybody else."""
    return finance_home_of(context["request"].user)


@register.filter
def act_label(name: str) -> str:
    """Return the words for a kind of dangerous act."""
    return staff_operations.label_of(name)
