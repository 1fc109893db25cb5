"""The forms by which people set what they sign in with."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError

from payments.models.staff import InvitationKind


class CodeForm(forms.Form):
    """A code of an authenticator app."""

    code = forms.CharField(
        max_length=64,
        label="Code",
        help_text="The six digits your authenticator app shows now.",
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "inputmode": "numeric"}
        ),
    )


class NewPasswordForm(forms.Form):
    """A new password, typed twice. It must be strong enough for the person."""

    new_password = forms.CharField(
        strip=False,
        max_length=4096,
        label="New password",
        help_text="At least 12 characters, not like your name, not a common one, not only digits.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        strip=False,
        max_length=4096,
        label="The same again",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_new_password(self) -> str:
        """Refuse a weak one."""
        password: str = self.cleaned_data["new_password"]
        password_validation.validate_password(password, self.user)
        return password

    def clean_again(self) -> str:
        """Refuse a slip of the fingers."""
        again: str = self.cleaned_data["again"]
        if self.cleaned_data.get("new_password", again) != again:
            raise ValidationError("The two passwords differ.")
        return again


class InvitationForm(NewPasswordForm, CodeForm):
    """What an invitation asks for: by its kind a new password or the present one, and a code."""

    password = forms.CharField(
        strip=False,
        max_length=4096,
        label="Your password",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("password", "new_password", "again", "code")

    def __init__(self, *args: Any, kind: str, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        if kind == InvitationKind.MFA:
            del self.fields["new_password"], self.fields["again"]
        else:
            del self.fields["password"]
