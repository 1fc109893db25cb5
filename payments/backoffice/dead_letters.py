"""Dead letters by what they died of: how many, since when, an example; one first, then all that are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from integrations import dead_letters
from integrations.dead_letters import DeadGroup
from payments.backoffice.access import needs
from payments.dead_letter_acts import DeadLettersForm, canary_of, canary_outcome
from payments.models import StaffAction
from payments.roles import Area, Verb, check_may, may_any


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One group as the page shows it. `canary`: how the one that went first ended, in words."""

    group: DeadGroup
    canary: str
    canary_act: StaffAction | None
    canary_url: str
    replay_url: str
    list_url: str


@needs(Area.MESSAGES, Verb.VIEW)
def page(request: HttpRequest) -> HttpResponse:
    """List the groups; whoever may replay finds the way to it beside each.

    Threats: as the deliveries' lists: the role is asked here, receivers' own words are shown as text.
    """
    check_may(request.user, Verb.VIEW, Area.MESSAGES)
    context = {
        **admin.site.each_context(request),
        "title": "Dead letters",
        "groups": [_shown(group) for group in dead_letters.groups_of_dead()],
        "may_replay": may_any(request.user, (Verb.DO, Verb.REQUEST), Area.MESSAGES),
    }
    return TemplateResponse(request, "admin/dead_letters.html", context)


def _shown(group: DeadGroup) -> Shown:
    chosen: dict[str, Any] = {"destination": group.destination_id, "error": group.fingerprint}
    query = urlencode(chosen)
    act = canary_of(parameters_of(chosen), at=timezone.now())
    outcome = canary_outcome(act) if act else None
    deliveries = reverse("admin:integrations_delivery_changelist")
    return Shown(
        group=group,
        canary=f"{outcome.state}: {outcome.detail}" if outcome else "",
        canary_act=act,
        canary_url=f"{reverse('backoffice:act', args=['replay_canary', 0])}?{query}",
        replay_url=f"{reverse('backoffice:act', args=['replay_dead_letters', 0])}?{query}",
        list_url=f"{deliveries}?{urlencode({'state__exact': 'dead', 'destination__id__exact': group.destination_id})}",
    )


def parameters_of(chosen: dict[str, Any]) -> dict[str, Any]:
    """Return what an act's row holds for a choice: the form's own cleaned data."""
    form = DeadLettersForm(chosen)
    form.is_valid()
    return dict(form.cleaned_data)
