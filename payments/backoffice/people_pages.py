"""The link of an invitation, shown once to the administrator who asked for the invitation.

Threats: a link shown to somebody else (only whoever asked may make it), read later from a screen, history or cache
(an answer to one POST, never cached; making a new one ends the old), made at an unlocked machine (step-up).
"""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from payments.backoffice import step_up
from payments.backoffice.access import needs
from payments.models.staff import Invitation
from payments.people import invitations
from payments.roles import Area, Verb


@needs(Area.PEOPLE, Verb.DO)
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_link(request: HttpRequest, invitation_id: int) -> HttpResponse:
    """Make a link and show it; one made before no longer opens."""
    invitation = get_object_or_404(Invitation.objects.select_related("user"), pk=invitation_id)
    if invitation.created_by_id != request.user.pk:
        raise PermissionDenied("Only the administrator who asked for an invitation makes its link.")
    now = timezone.now()
    sudo = step_up.StepUpForm(request.POST or None)
    context = {**admin.site.each_context(request), "invitation": invitation, "title": "Link of the invitation"}
    if request.method != "POST" or not step_up.confirm(request, sudo, now=now):
        wrong = request.method == "POST"
        context["step_up"] = sudo if step_up.fields_needed(request, now) else None
        return TemplateResponse(request, "admin/people/make_link.html", context, status=422 if wrong else 200)
    try:
        token = invitations.new_link(invitation_id=invitation.pk, by=request.user, at=now)
    except invitations.NotOpen as error:
        messages.error(request, str(error))
        return redirect("admin:auth_user_change", invitation.user_id)
    context["link"] = settings.PUBLIC_BASE_URL + reverse("backoffice:invitation", args=[token])
    response = TemplateResponse(request, "admin/people/link.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response
