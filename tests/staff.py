"""People of the back office for tests: made through the roles table, as `sync_roles` makes the groups."""

from __future__ import annotations

import base64
import itertools
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from payments import mfa, role_groups
from payments.roles import Role

PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


def make_staff(*roles: Role, name: str = "") -> Any:
    """Return a person with these roles; their password is PASSWORD."""
    role_groups.sync()
    user = get_user_model().objects.create_user(
        username=name or f"person-{next(_numbers)}", password=PASSWORD, is_staff=True
    )
    user.groups.set(Group.objects.filter(name__in=list(roles)))
    return user


def enrol(user: Any, *, at: datetime) -> bytes:
    """Give a person an authenticator that counts; return its key, for `mfa.code_at(key, moment)`."""
    device = mfa.begin(user=user, at=at)
    key = base64.b32decode(mfa.key_text(device).replace(" ", ""))
    # A code of long ago, so that every code of the test is still unused.
    assert mfa.finish(user=user, code=mfa.code_at(key, at - timedelta(days=1)), at=at - timedelta(days=1)) is not None
    return key
