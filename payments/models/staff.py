"""What the back office keeps of its people: second factors, ways in, tokens, and since when their sessions are over."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django_otp.models import Device, ThrottlingMixin

THROTTLE_DOUBLINGS = 10
"""Waits after wrong codes double from one second up to 2**10: guessing is hopeless, nobody is shut out for days."""


class _Throttled(ThrottlingMixin, Device):  # type: ignore[misc]  # django-otp has no types
    """A device that makes whoever guesses wait. Ask it through payments/people/mfa.py, under its row lock."""

    class Meta:
        abstract = True
        default_permissions = ()

    def get_throttle_factor(self) -> int:
        return 1

    def throttle_increment(self, commit: bool = True) -> None:
        """Count a wrong code, at most so often that the wait stays within its limit."""
        self.throttling_failure_count: int = min(self.throttling_failure_count, THROTTLE_DOUBLINGS)
        super().throttle_increment(commit=commit)


class TotpDevice(_Throttled):
    """An authenticator app (RFC 6238). Its key is sealed; it counts once a code of it has been given.

    A person has at most one that counts and one that is being enrolled.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key_sealed = models.BinaryField()
    last_step = models.BigIntegerField(default=-1, help_text="Of the last code that was accepted; none is taken twice.")
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta(_Throttled.Meta):
        verbose_name = "authenticator"
        constraints = [
            models.UniqueConstraint(fields=["user", "confirmed"], name="totp_one_in_use_one_in_enrolment"),
            models.CheckConstraint(
                condition=models.Q(confirmed=models.Q(confirmed_at__isnull=False)), name="totp_confirmed_at"
            ),
        ]


class BackupCodes(_Throttled):
    """A person's set of codes for the day their phone is lost. Each opens once."""

    created_at = models.DateTimeField()

    class Meta(_Throttled.Meta):
        verbose_name_plural = "backup codes"
        constraints = [models.UniqueConstraint(fields=["user"], name="backup_codes_one_set")]


class BackupCode(models.Model):
    """One code, as a digest: 80 random bits need no slow one."""

    codes = models.ForeignKey(BackupCodes, on_delete=models.CASCADE, related_name="each")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["codes", "digest"], name="backup_code_unique")]

    def __str__(self) -> str:
        return f"backup code {self.pk}"


class StaffAccount(models.Model):
    """What the back office knows of a person beyond Django's user."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, primary_key=True, related_name="staff_account"
    )
    sessions_ended_at = models.DateTimeField(
        null=True, blank=True, help_text="Sessions opened before are over: roles or second factor changed."
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"staff account {self.pk}"


class InvitationKind(models.TextChoices):
    """What whoever follows the link must show, and may set."""

    START = "start", "Start: set a password and enrol an authenticator"
    PASSWORD = "password", "New password: shown a code of their authenticator"  # nosec B105
    MFA = "mfa", "New authenticator: shown their password"


class Invitation(models.Model):
    """A way in for one person, by a link that opens once. Who asked for it makes the link and hands it over."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="invitations")
    kind = models.CharField(max_length=10, choices=InvitationKind.choices)
    digest = models.CharField(max_length=64, null=True, unique=True, help_text="SHA-256 of the link's token.")  # noqa: DJ001  unique
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="Empty: by a command.",
    )  # fmt: skip
    expires_at = models.DateTimeField()
    linked_at = models.DateTimeField(null=True, blank=True, help_text="When the link was made, for the last time.")
    ended_at = models.DateTimeField(null=True, blank=True)
    used = models.BooleanField(default=False)

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=models.Q(ended_at=None), name="invitation_one_open"),
            models.CheckConstraint(
                condition=models.Q(used=False) | models.Q(ended_at__isnull=False), name="invitation_used_is_over"
            ),
            models.CheckConstraint(condition=models.Q(kind__in=InvitationKind.values), name="invitation_kind_known"),
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk}"


class StaffToken(models.Model):
    """What a program of one person shows to the API. Its secret is made when its owner collects it and kept nowhere."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="staff_tokens")
    name = models.CharField(max_length=60, help_text="What it is for.")
    scopes = models.JSONField(help_text="Names of payments.staff_tokens.Scope.")
    digest = models.CharField(max_length=64, null=True, blank=True, unique=True, help_text="SHA-256 of the secret.")
    hint = models.CharField(max_length=4, blank=True, help_text="The secret's last characters, to tell tokens apart.")
    issued_at = models.DateTimeField()
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    collected_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    revoked_why = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=models.Q(digest=None, collected_at=None)
                | models.Q(digest__isnull=False, collected_at__isnull=False),
                name="staff_token_collected",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("issued_at")), name="staff_token_expires"
            ),
        ]

    def __str__(self) -> str:
        return f"token {self.pk} ({self.name})"
