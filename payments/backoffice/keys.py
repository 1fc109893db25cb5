"""Integration keys: fingerprint only, owner, scope, expiry, last use. A new value comes in once, is sealed, waits."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters

from integrations import credentials
from integrations.models import Credential
from payments.backoffice import step_up
from payments.backoffice.access import needs
from payments.backoffice.base import ReadOnlyAdmin
from payments.backoffice.buttons import buttons
from payments.roles import Area, Verb, check_may, may


class StageForm(forms.Form):
    """A new key. Its value is never shown again, to anybody."""

    what = forms.ChoiceField(
        label="Key", choices=[(f"{provider} {name}", f"{provider} {name}") for provider, name in credentials.KINDS]
    )
    value = forms.CharField(
        strip=True,
        max_length=credentials.MAX_CHARACTERS,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Pasted from the provider's page. It is sealed at once and never shown again.",
    )
    owner = forms.CharField(max_length=120, help_text="Whom to ask about it.")
    scope = forms.CharField(max_length=200, required=False, help_text="What it may do there, in words.")
    expires_on = forms.DateTimeField(
        required=False, label="Expires", widget=forms.DateTimeInput({"type": "datetime-local"})
    )
    reason = forms.CharField(max_length=300, min_length=10, label="Why")


@admin.register(Credential)
class CredentialAdmin(ReadOnlyAdmin[Credential]):
    area = Area.KEYS
    list_display = ("id", "provider", "name", "fingerprint", "state", "owner", "expires_at", "last_used_at")
    list_filter = ("provider",)
    search_fields = ("fingerprint",)
    exclude = ("value_sealed", "expiry_told_days")
    change_form_template = "admin/integrations/credential/change_form.html"
    change_list_template = "admin/integrations/credential/change_list.html"

    @admin.display(description="state")
    def state(self, key: Credential) -> str:
        return credentials.state_of(key, at=timezone.now())

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"may_stage": may(request.user, Verb.REQUEST, Area.KEYS)})

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Credential | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= {
                "subtitle": None,
                "title": f"{obj.provider} {obj.name} {obj.fingerprint}",
                "key_state": self.state(obj),
                "buttons": buttons(request, ("activate_key", "revoke_key"), obj.pk),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


@needs(Area.KEYS, Verb.REQUEST)
@sensitive_post_parameters("value", "password", "code")
def stage(request: HttpRequest) -> HttpResponse:
    """Take a new key in: sealed, without effect until somebody else approves its activation.

    Threats: a shoulder (typed as a password), a log or an error page (sensitive parameters; no sentence holds a value),
    a key of the other mode (refused), whoever has no role (asked first), an open desk (step-up).
    """
    check_may(request.user, Verb.REQUEST, Area.KEYS)
    form = StageForm(request.POST or None)
    sudo = step_up.StepUpForm(request.POST or None)
    now = timezone.now()
    if request.method == "POST" and form.is_valid() and step_up.confirm(request, sudo, now=now):
        told = form.cleaned_data
        provider, _, name = told["what"].partition(" ")
        try:
            key = credentials.stage(
                provider=provider, name=name, value=told["value"], owner=told["owner"], scope=told["scope"],
                expires_at=told["expires_on"], reason=told["reason"], actor=f"user:{request.user.pk}", at=now,
            )  # fmt: skip
        except credentials.CredentialRefused as error:
            form.add_error("value", str(error))
        else:
            messages.success(request, f"{key} is sealed and waits. Ask for its activation.")
            return redirect("admin:integrations_credential_change", key.pk)
    context = {
        **admin.site.each_context(request),
        "title": "Take in a new key",
        "form": form,
        "step_up": sudo if step_up.fields_needed(request, now) else None,
    }
    response = TemplateResponse(request, "admin/integrations/credential/stage.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response
