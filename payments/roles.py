"""Who may do what in the back office: reviewed data, and the questions asked of it.

`TABLE` is the one source. `manage.py sync_roles` writes it into Django's groups, `sync_roles --check` names each drift.
A permission counts only through one of these groups: neither `is_superuser` nor a permission given to one person opens
anything here, so that nobody moves money by being an administrator.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied

from payments.labelled import Labelled


class Role(StrEnum):
    """A group of people; the value is the group's name."""

    SUPPORT = "Support"
    LEAD = "Lead"
    FINANCE = "Finance"
    INTEGRATIONS = "Integrations"
    AUDITOR = "Auditor"
    ADMIN = "Admin"


class Area(Labelled):
    """What a permission is about: the rows of the table."""

    ORDER = "order", "orders and payments, masked"
    REVEAL = "reveal", "personal data and raw payloads"
    NOTE = "note", "notes and mails"
    ASK_PROVIDER = "ask_provider", "asking the provider now"
    REFUND = "refund", "refunds up to the limit"
    REFUND_ABOVE = "refund_above", "refunds above the limit"
    CORRECTION = "correction", "corrections"
    FINANCE = "finance", "cases, payouts, ledger and exports"
    DISPUTE = "dispute", "dispute evidence"
    MESSAGES = "messages", "inbox and deliveries; replays of up to 50"
    MESSAGES_MANY = "messages_many", "replays of more than 50"
    PAUSE = "pause", "pausing a receiver or a provider"
    KEYS = "keys", "integration keys"
    PEOPLE = "people", "users, roles and staff tokens"
    AUDIT = "audit", "the audit log"
    CATALOGUE = "catalogue", "products and prices"


class Verb(StrEnum):
    """What a person may do in an area. Each of the other three includes to view."""

    VIEW = "view"
    DO = "do"
    REQUEST = "request"
    APPROVE = "approve"


V, D, R, A = Verb.VIEW, Verb.DO, Verb.REQUEST, Verb.APPROVE
_S, _L, _F, _I, _U, _M = Role

TABLE: dict[Area, dict[Role, Verb]] = {
    Area.ORDER: {_S: V, _L: V, _F: V, _I: V, _U: V, _M: V},
    Area.REVEAL: {_L: D, _I: D, _U: D},
    Area.NOTE: {_S: D, _L: D, _F: D},
    Area.ASK_PROVIDER: {_S: D, _L: D, _F: D, _I: D},
    Area.REFUND: {_S: R, _L: D, _F: A},
    Area.REFUND_ABOVE: {_S: R, _L: R, _F: A},
    Area.CORRECTION: {_L: R, _F: A},
    Area.FINANCE: {_L: V, _F: D, _U: V},
    Area.DISPUTE: {_L: R, _F: A, _U: V},
    Area.MESSAGES: {_S: V, _L: V, _I: D, _U: V},
    Area.MESSAGES_MANY: {_S: V, _L: A, _I: R, _U: V},
    Area.PAUSE: {_I: D, _U: V},
    Area.KEYS: {_I: R, _U: V, _M: A},
    Area.PEOPLE: {_U: V, _M: D},
    Area.AUDIT: {_U: V, _M: V},
    Area.CATALOGUE: {_S: V, _L: D, _F: V, _U: V},
}
"""PEOPLE.md's table; the last two rows are ours: it is silent on who reads the audit log and who sets prices."""

GRANTING_NEEDS_A_SECOND = frozenset({Role.LEAD, Role.FINANCE, Role.INTEGRATIONS, Role.ADMIN})
"""To put a person into one of these takes a second administrator. Integrations too, beyond PEOPLE.md: they ask for keys
and an administrator approves, so whoever made a fake colleague alone would change where money goes alone."""


def codename(verb: Verb, area: Area) -> str:
    """Return the name of Django's permission."""
    return f"{verb}_{area}"


PERMISSIONS: list[tuple[str, str]] = [
    (codename(verb, area), f"May {verb} {area.label}")
    for area in Area
    for verb in sorted({V, *TABLE[area].values()}, key=list(Verb).index)
]
"""All permissions there are, for the Meta of the one model that carries them (payments.StaffAction)."""


def permissions_of(role: Role) -> set[str]:
    """Return the codenames that the table gives a role."""
    given: set[str] = set()
    for area, verbs in TABLE.items():
        if verb := verbs.get(role):
            given |= {codename(V, area), codename(verb, area)}
    return given


def held_by(user: Any) -> frozenset[str]:
    """Return the codenames a person holds through our groups; read once for each object `user`."""
    if not (user.is_authenticated and user.is_active and user.is_staff):
        return frozenset()
    cached: frozenset[str] | None = user.__dict__.get("_shop_permissions")
    if cached is None:
        granted = Permission.objects.filter(
            group__user=user, group__name__in=list(Role), content_type__app_label="payments"
        )
        cached = frozenset(granted.values_list("codename", flat=True))
        user.__dict__["_shop_permissions"] = cached
    return cached


def roles_of(user: Any) -> list[Role]:
    """Return a person's roles, in the table's order."""
    names = set(user.groups.values_list("name", flat=True))
    return [role for role in Role if role in names]


def may(user: Any, verb: Verb, area: Area) -> bool:
    """Say whether a person may do this."""
    return codename(verb, area) in held_by(user)


def may_any(user: Any, verbs: Iterable[Verb], area: Area) -> bool:
    """Say whether a person may do one of these."""
    return any(may(user, verb, area) for verb in verbs)


def check_may(user: Any, verb: Verb, area: Area) -> None:
    """Raise PermissionDenied, with the sentence a person reads, unless they may do this."""
    if not may(user, verb, area):
        raise PermissionDenied(f"Your roles do not let you {verb} {area.label}. {who_may(verb, area)}")


def who_may(verb: Verb, area: Area) -> str:
    """Return the sentence that names the roles which may do this."""
    roles = [role for role, given in TABLE[area].items() if given is verb or verb is V]
    return f"{' and '.join(roles)} can." if roles else "Nobody can."
