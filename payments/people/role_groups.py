"""The roles table as Django's groups: written by `sync_roles`, compared by `sync_roles --check`.

`migrate` only makes groups that are missing: what somebody changed by hand is drift, to be found, not overwritten.
"""

from __future__ import annotations

from auditlog.context import disable_auditlog
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from payments.roles import PERMISSIONS, Role, permissions_of


def drift() -> list[str]:
    """Return one sentence for each difference between the table and the database."""
    found: list[str] = []
    for role in Role:
        group = Group.objects.filter(name=role).first()
        if group is None:
            found.append(f"The group {role} is missing.")
            continue
        found += drift_of(role, group)
    return found


def drift_of(role: Role, group: Group) -> list[str]:
    """Return one sentence for each difference between the table and a role's group."""
    has, should = _codenames(group), permissions_of(role)
    lacking = [f"{role} lacks {name}." for name in sorted(should - has)]
    return lacking + [f"{role} has {name}, which the table does not give." for name in sorted(has - should)]


def sync() -> list[str]:
    """Make the groups what the table says; return what was mended. Groups of other names are left alone."""
    with transaction.atomic():
        mended = drift()
        known = {permission.codename: permission for permission in _permissions()}
        for role in Role:
            group, _ = Group.objects.get_or_create(name=role)
            group.permissions.set([known[name] for name in sorted(permissions_of(role))])
    return mended


def create_missing(*, using: str) -> list[str]:
    """Make the groups that are not there, and return their names; nothing while permissions of the table are missing.

    Run after each `migrate`, so that a new installation has its roles.
    """
    known = {permission.codename: permission for permission in _permissions(using)}
    if len(known) < len(PERMISSIONS):  # migrated in part
        return []
    made = []
    # Written by `migrate`, as the tables' owner: the audit log is the application's, and may not be there yet.
    with disable_auditlog(), transaction.atomic(using=using):
        present = set(Group.objects.using(using).filter(name__in=list(Role)).values_list("name", flat=True))
        for role in (role for role in Role if role not in present):
            group = Group.objects.using(using).create(name=role)
            group.permissions.set([known[name] for name in sorted(permissions_of(role))])
            made.append(role.value)
    return made


def _permissions(using: str | None = None) -> list[Permission]:
    names = [name for name, _ in PERMISSIONS]
    return list(Permission.objects.using(using).filter(content_type__app_label="payments", codename__in=names))


def _codenames(group: Group) -> set[str]:
    """Return all of a group's permissions; one of another app as `app.codename`, for the table gives none of those."""
    rows = group.permissions.values_list("content_type__app_label", "codename")
    return {name if app == "payments" else f"{app}.{name}" for app, name in rows}
