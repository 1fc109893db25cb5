"""People of the back office for tests, in the groups that `migrate` made of the roles table."""

from __future__ import annotations

import itertools
import secrets
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY

from payments.models import TotpDevice
from payments.people import mfa
from payments.roles import Role

PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


def make_staff(*roles: Role, name: str = "") -> Any:
    """Return a person with these roles; their password is PASSWORD."""
    user = get_user_model().objects.create_user(
        username=name or f"person-{next(_numbers)}", password=PASSWORD, is_staff=True
    )
    user.groups.set(Group.objects.get(name=role) for role in roles)
    return user


def enrol(user: Any, *, at: datetime) -> bytes:
    """Give a person an authenticator that counts; return its key, for `mfa.code_at(key, moment)`."""
    key = secrets.token_bytes(mfa.KEY_BYTES)
    mfa.install(user=user, key=key, at=at)
    return key


def sign_in(client: Client, user: Any) -> Client:
    """Sign a person in as the form does, second factor and all; a step-up is not asked for in the next five minutes."""
    if not mfa.is_enrolled(user):
        enrol(user, at=timezone.now())
    client.force_login(user)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = TotpDevice.objects.get(user=user, confirmed=True).persistent_id
    session.save()
    return client
