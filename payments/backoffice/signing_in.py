"""The sign-in form: name, password and code in one step, and one answer for whatever is wrong with them.

Threats: guessing (each wrong try, of password or code, counts at axes by name and address, and each wrong code at the
device over all addresses); learning which of the three was wrong, or that a name exists (one sentence; nothing is
checked until all three are given; Django hashes a password for unknown names too); a code used again
(payments/people/mfa.py). That the second factor is asked only after a right password leaves a difference of about a
millisecond beside a hash of hundreds.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.utils import timezone

from payments.audit.events import Event
from payments.people import events as staff_events
from payments.people import mfa
from payments.roles import held_by


class SignInForm(AdminAuthenticationForm):
    """Name, password, and a code of the authenticator app or a backup code."""

    code = forms.CharField(
        max_length=64,
        help_text="From your authenticator app, or one of your backup codes.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "none"}),
    )
    error_messages = {
        "invalid_login": "Name, password and code do not go together, or the code was used already. "
        "Wait for a fresh code, then try again.",
        "no_role": "You have no role in the back office now. An administrator can give you one.",
    }

    def clean(self) -> dict[str, Any]:
        """Check all three, or nothing while one is missing."""
        code = self.cleaned_data.get("code")
        if not code:
            return self.cleaned_data
        super().clean()
        user: Any = self.get_user()
        if user is None:
            return self.cleaned_data
        device = mfa.verify(user=user, code=code, at=timezone.now())
        if device is None:
            name = user.get_username()
            user_login_failed.send(sender=__name__, credentials={"username": name}, request=self.request)
            staff_events.record(Event.MFA_FAILED, user=user, at=timezone.now())
            raise self.get_invalid_login_error()
        if not held_by(user):
            raise ValidationError(self.error_messages["no_role"], code="no_role")
        user.__dict__["otp_device"] = device  # django-otp puts it into the session
        return self.cleaned_data

    def confirm_login_allowed(self, user: Any) -> None:
        """Refuse whoever is no active staff, in the same words as a wrong password."""
        if not (user.is_active and user.is_staff):
            raise self.get_invalid_login_error()
