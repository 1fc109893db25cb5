"""What a person of the back office signs in with beside their password, and since when their sessions are over."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django_otp.models import Device, ThrottlingMixin

THROTTLE_DOUBLINGS = 10
"""Waits after wrong codes double from one second up to 2**10: guessing is hopeless, nobody is shut out for days."""


class _Throttled(ThrottlingMixin, Device):  # type: ignore[misc]  # django-otp has no types
    """A device that makes whoever guesses wait. Ask it through payments/mfa.py, under its row lock."""

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
        null=True, blank=True, help_text="Sessions opened up to this moment are over: roles, MFA or e-mail changed."
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"staff account {self.pk}"
