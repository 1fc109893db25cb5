"""The demo's people: one of each role, and a second administrator, each with a password and a second factor."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from payments.management.demo.place import Place, new_password
from payments.models import TotpDevice
from payments.people import mfa, role_groups
from payments.roles import Role

PEOPLE = {
    "support": Role.SUPPORT,
    "lead": Role.LEAD,
    "finance": Role.FINANCE,
    "integrations": Role.INTEGRATIONS,
    "auditor": Role.AUDITOR,
    "admin": Role.ADMIN,
    "admin2": Role.ADMIN,
}
"""Names and their roles. Some grants need a second administrator."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What one of them signs in with."""

    password: str = field(repr=False)
    totp_key: str = field(repr=False)
    """Base32, as an authenticator app takes it."""

    @property
    def key(self) -> bytes:
        return base64.b32decode(self.totp_key)


def sign_ins_of(place: Place) -> dict[str, SignIn]:
    """Return everybody's secrets by name, making them the first time; files readable to this user alone."""
    return {
        name: SignIn(place.secret(f"{name}_password", new_password), place.secret(f"{name}_totp_key", _new_key))
        for name in PEOPLE
    }


def make(known: Mapping[str, SignIn], *, now: datetime) -> None:
    """Make or mend everybody, so that what is printed signs in."""
    role_groups.sync()
    for name, sign_in in known.items():
        user, _ = get_user_model().objects.get_or_create(
            username=name, defaults={"email": f"{name}@example.com", "first_name": name.capitalize()}
        )
        if not (user.is_active and user.is_staff and not user.is_superuser and user.check_password(sign_in.password)):
            user.is_active = user.is_staff = True
            user.is_superuser = False
            user.set_password(sign_in.password)
            user.save()
        user.groups.set(Group.objects.filter(name=PEOPLE[name]))
        if not mfa.has_key(user=user, key=sign_in.key):
            mfa.install(user=user, key=sign_in.key, at=now)


def code_of(name: str, sign_in: SignIn, *, at: datetime) -> str | None:
    """Return a code that opens now: the current one, or the next where that is used up; None where both are.

    Raises TotpDevice.DoesNotExist where nobody of that name is enrolled.
    """
    used: int = TotpDevice.objects.get(user__username=name, confirmed=True).last_step
    step = int(at.timestamp()) // mfa.STEP_SECONDS
    if used >= step + mfa.TOLERANCE_STEPS:
        return None
    return mfa.code_at(sign_in.key, at + timedelta(seconds=mfa.STEP_SECONDS * max(0, used + 1 - step)))


def _new_key() -> str:
    return base64.b32encode(secrets.token_bytes(mfa.KEY_BYTES)).decode()
