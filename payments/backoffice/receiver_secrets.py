"""A new secret for a receiver: taken in, or made here and shown once. It is staged: sealed, without effect."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters

from integrations.connectors import CONNECTORS
from integrations.connectors.contract import Misconfigured
from integrations.models import Destination
from payments.backoffice import step_up
from payments.backoffice.access import needs
from payments.roles import Area, Verb, check_may


class SecretForm(forms.Form):
    """Empty: one is made."""

    value = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="As the receiver gave it (docs/connectors.md). Empty: a signing secret is made and shown once.",
    )


@needs(Area.KEYS, Verb.REQUEST)
@sensitive_post_parameters("value", "password", "code")
def stage(request: HttpRequest, destination_id: int) -> HttpResponse:
    """Seal a new secret for a receiver, without effect until its activation is approved.

    Threats: a shoulder (typed as a password), a log or an error page (sensitive parameters), a cached page (no-store;
    what is made here stands in this one answer and nowhere else), whoever has no role (asked first), an open desk
    (step-up), a second form sent (it replaces what was staged; an act asked for under the first is overtaken).
    """
    check_may(request.user, Verb.REQUEST, Area.KEYS)
    receiver = get_object_or_404(Destination, pk=destination_id)
    form, sudo = SecretForm(request.POST or None), step_up.StepUpForm(request.POST or None)
    now = timezone.now()
    made = ""
    if request.method == "POST" and form.is_valid() and step_up.confirm(request, sudo, now=now):
        given = form.cleaned_data["value"].strip()
        made = "" if given else "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        if problem := _unusable(receiver, given or made):
            made = ""
            form.add_error("value", problem)
        else:
            receiver.stage_secret(given or made)
            receiver.save(update_fields=["staged_secret_sealed", "staged_mark"])
            messages.success(request, "The secret is sealed and waits. Ask for it to be put into use.")
            if not made:
                return redirect("admin:integrations_destination_change", receiver.pk)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"New secret for {receiver.name}",
        "receiver": receiver,
        "form": form,
        "made": made,
        "step_up": sudo if step_up.fields_needed(request, now) else None,
    }
    response = TemplateResponse(request, "admin/integrations/destination/secret.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _unusable(receiver: Destination, secret: str) -> str:
    """Say why the receiver's kind could not work with this secret; empty if it could. Never repeats it."""
    try:
        CONNECTORS[receiver.kind].check(receiver.receiver(secrets=(secret,)))
    except Misconfigured as error:
        return str(error)
    return ""
