"""The first page's parts as a template tag: the admin site's own index view stays as Django has it."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from payments.backoffice.home import Home, home_of

register = template.Library()


@register.simple_tag(takes_context=True)
def backoffice_home(context: dict[str, Any]) -> Home:
    """Return what the signed-in person's first page shows."""
    return home_of(context["request"].user, at=timezone.now())
