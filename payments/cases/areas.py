"""Whose a case is: each kind belongs to one row of the roles table, by what has to be done about it.

Money, and suspicious buyers, are Finance's; what comes in, goes out and runs is for whoever works on messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payments.models.case import CaseKind
from payments.roles import Area, Verb, may

_OF_MESSAGES = frozenset(
    {
        CaseKind.PARKED_EVENT,
        CaseKind.DEAD_EVENT,
        CaseKind.DEAD_DELIVERY,
        CaseKind.AWAY,
        CaseKind.PROVIDER_CONFIGURATION,
        CaseKind.WRONG_MODE,
        CaseKind.WRONG_ACCOUNT,
        CaseKind.CREDENTIAL_EXPIRY,
        CaseKind.TOKEN_EXPIRY,
        CaseKind.ENCRYPTION_KEY,
        CaseKind.AUDIT_BROKEN,
        CaseKind.STALE_EVENTS,
        CaseKind.STALE_DELIVERIES,
        CaseKind.STALE_CALLS,
        CaseKind.LATE_LOOKS,
        CaseKind.WORKER_SILENT,
        CaseKind.PROVIDER_SILENT,
        CaseKind.BAD_SIGNATURES,
        CaseKind.EVENTS_UNCHECKED,
        CaseKind.EXPECTED_MISSED,
    }
)
AREA_OF: Mapping[str, Area] = {kind: Area.MESSAGES if kind in _OF_MESSAGES else Area.FINANCE for kind in CaseKind}
AREAS = (Area.FINANCE, Area.MESSAGES)


def area_of(kind: str) -> Area:
    """Return the area of a kind; of one that a former version knew, Finance's."""
    return AREA_OF.get(kind, Area.FINANCE)


def kinds_for(user: Any, verb: Verb = Verb.VIEW) -> list[str]:
    """Return the kinds of cases that this person may view, or do with."""
    allowed = {area for area in AREAS if may(user, verb, area)}
    return [kind for kind, area in AREA_OF.items() if area in allowed]


def may_see_any(user: Any) -> bool:
    """Say whether there may be cases for this person to see."""
    return any(may(user, Verb.VIEW, area) for area in AREAS)
