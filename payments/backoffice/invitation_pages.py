"""Where an invitation's link leads: outside the sign-in, and to one person's password and second factor alone.

Threats: a token in the address (logs, history, referrers): it is swapped for the session at once; a link opened by
whoever previews mails (GET changes nothing); a session fixed before (new id, whoever was signed in is signed out);
guessing password or code with a stolen link (counted at axes and at the device, and recorded); an invitation ended
while its page stood open (asked again, under its lock, when the form comes).
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import authenticate, logout
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from payments.audit import recording as audit
from payments.audit.events import Event
from payments.backoffice import enrolling
from payments.backoffice.access import outside
from payments.backoffice.account_forms import InvitationForm
from payments.models.staff import Invitation, InvitationKind
from payments.people import events as staff_events
from payments.people import invitations, mfa

_KEY = "invitation"


@outside
@never_cache
@require_safe
def follow(request: HttpRequest, token: str) -> HttpResponse:
    """Take the token out of the address, into a session of its own."""
    digest = invitations.digest_of(token)
    if invitations.open_invitation(digest=digest, at=timezone.now()) is None:
        # No session is begun for it, and nobody is signed out: anybody can make up a link.
        return _page(request, "not_open", "This link does not open", {}, status=404)
    if request.user.is_authenticated:
        logout(request)
    request.session.cycle_key()
    request.session[_KEY] = digest
    enrolling.forget(request)
    return redirect("backoffice:accept_invitation")


@outside
@never_cache
@sensitive_post_parameters("password", "new_password", "again", "code")
@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
def accept(request: HttpRequest) -> HttpResponse:
    """Ask for what the invitation needs, and set it."""
    invitation = _invitation(request)
    if invitation is None:
        return _page(request, "not_open", "This link does not open", {}, status=404)
    form = InvitationForm(request.POST or None, kind=invitation.kind, user=invitation.user)
    if request.method == "POST" and form.is_valid() and _password_fits(request, invitation, form):
        try:
            codes = invitations.accept(
                invitation_id=invitation.pk,
                new_password=form.cleaned_data.get("new_password", ""),
                code=form.cleaned_data["code"],
                at=timezone.now(),
            )
        except invitations.NotOpen:
            return _page(request, "not_open", "This link does not open", {}, status=404)
        except invitations.WrongCode as error:
            _count(request, invitation)
            form.add_error("code", str(error))
        else:
            request.session.flush()
            return _page(request, "accepted", "Your account is ready", {"codes": codes})
    context = {"form": form, "invitation": invitation, **_enrolment(request, invitation)}
    return _page(request, "invitation", "Set up your account", context, status=422 if form.errors else 200)


@outside
@require_safe
def picture(request: HttpRequest) -> HttpResponse:
    """The QR code that the page shows."""
    invitation = _invitation(request)
    return HttpResponse(status=404) if invitation is None else enrolling.picture(request, user=invitation.user)


def _invitation(request: HttpRequest) -> Invitation | None:
    return invitations.open_invitation(digest=request.session.get(_KEY, ""), at=timezone.now())


def _enrolment(request: HttpRequest, invitation: Invitation) -> dict[str, Any]:
    if invitation.kind == InvitationKind.PASSWORD:
        return {}
    device = enrolling.device_of(request, user=invitation.user, at=timezone.now())
    return {"key_text": mfa.key_text(device)}


def _password_fits(request: HttpRequest, invitation: Invitation, form: InvitationForm) -> bool:
    """Check the present password, where the invitation is for a new authenticator."""
    if invitation.kind != InvitationKind.MFA:
        return True
    name = invitation.user.get_username()
    known: Any = authenticate(request, username=name, password=form.cleaned_data["password"])
    if known is not None and known.pk == invitation.user_id:
        return True
    staff_events.record(
        Event.INVITATION_FAILED, user=invitation.user, by=audit.ANONYMOUS, at=timezone.now(), wrong="password"
    )
    form.add_error("password", "That is not your password.")
    return False


def _count(request: HttpRequest, invitation: Invitation) -> None:
    """Let axes count a wrong code as it counts a wrong password."""
    name = invitation.user.get_username()
    user_login_failed.send(sender=__name__, credentials={"username": name}, request=request)


def _page(
    request: HttpRequest, template: str, title: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    whole = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, f"admin/people/{template}.html", whole, status=status)
