"""The roles table as Django's groups: written by `sync_roles`, compared by `sync_roles --check`."""

from __future__ import annotations

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
        has, should = _codenames(group), permissions_of(role)
        found += [f"{role} lacks {name}." for name in sorted(should - has)]
        found += [f"{role} has {name}, which the table does not give." for name in sorted(has - should)]
    return found


def sync() -> list[str]:
    """Make the groups what the table says; return what was mended. Groups of other names are left alone."""
    with transaction.atomic():
        mended = drift()
        known = {permission.codename: permission for permission in _permissions()}
        for role in Role:
            group, _ = Group.objects.get_or_create(name=role)
            group.permissions.set([known[name] for name in sorted(permissions_of(role))])
    return mended


def _permissions() -> list[Permission]:
    names = [name for name, _ in PERMISSIONS]
    return list(Permission.objects.filter(content_type__app_label="payments", codename__in=names))


def _codenames(group: Group) -> set[str]:
    """Return all of a group's permissions; one of another app as `app.codename`, for the table gives none of those."""
    rows = group.permissions.values_list("content_type__app_label", "codename")
    return {name if app == "payments" else f"{app}.{name}" for app, name in rows}
