"""What the keeper does about keys: notes new encryption keys, tells of old, changed and expiring ones, erases ended.

integrations/ knows no cases; this asks it and opens them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from integrations import credentials, encryption_keys
from integrations.encryption_keys import KeyState
from integrations.models.keys import Credential
from payments.cases import runbooks
from payments.cases.opening import open_case
from payments.models import Case
from payments.models.case import CaseKind

TOLD_AGAIN_AFTER = timedelta(days=7)
"""A case about an encryption key that a person closed is not opened again sooner."""


def keep_keys(*, at: datetime) -> int:
    """Do what is due about keys; return how many were seen to."""
    encryption_keys.note_ring(at=at)
    told = sum(_tell_of_encryption_key(state, at=at) for state in encryption_keys.states(at=at))
    told += sum(_tell_of_expiry(row, days, at=at) for row, days in credentials.to_warn_of(at=at))
    return told + credentials.forget_ended(at=at)


def _tell_of_encryption_key(state: KeyState, *, at: datetime) -> bool:
    if state.row_id is None or not (state.changed or state.too_old) or _told_lately(state.row_id, at=at):
        return False
    if state.changed:
        ours = f"Since {state.first_seen_at:%Y-%m-%d} values are sealed with the key {state.key_id}."
        theirs = f"ENCRYPTION_KEYS holds another key under the id {state.key_id}."
        fix = "Put the former key back under its id, and the new one under another."
    else:
        ours = f"{state.key_id} is the key that seals, for {state.age_days} days now."
        theirs = "ENCRYPTION_KEY_MAX_AGE_DAYS asks for a new one."
        fix = "Put a new key first and run `manage.py rotate_keys`."
    with transaction.atomic(durable=True):
        open_case(
            CaseKind.ENCRYPTION_KEY,
            subject_kind="encryption_key",
            subject_id=state.row_id,
            ours=ours,
            theirs=theirs,
            suggested_fix=f"{fix} Runbook: {runbooks.url_of(CaseKind.ENCRYPTION_KEY)}",
            at=at,
        )
    return True


def _told_lately(row_id: int, *, at: datetime) -> bool:
    of_it = Case.objects.filter(kind=CaseKind.ENCRYPTION_KEY, subject_kind="encryption_key", subject_id=row_id)
    accepted = Q(accepted_until__gt=at)
    return of_it.filter(Q(closed_at=None) | Q(closed_at__gt=at - TOLD_AGAIN_AFTER) | accepted).exists()


def _tell_of_expiry(row: Credential, days: int, *, at: datetime) -> bool:
    if row.expires_at is None:
        return False
    when = "has expired" if row.expires_at <= at else f"expires within {_days(days)}"
    with transaction.atomic(durable=True):
        open_case(
            CaseKind.CREDENTIAL_EXPIRY,
            subject_kind="credential",
            subject_id=row.pk,
            ours=f"We use {row} at {row.provider}; its owner is {row.owner}.",
            theirs=f"It {when}: {row.expires_at:%Y-%m-%d %H:%M} UTC.",
            suggested_fix="Make a new one at the provider and rotate it with overlap. "
            f"Runbook: {runbooks.url_of(CaseKind.CREDENTIAL_EXPIRY)}",
            at=at,
        )
        credentials.note_warned(row, days=days)
    return True


def _days(days: int) -> str:
    return "a day" if days == 1 else f"{days} days"
