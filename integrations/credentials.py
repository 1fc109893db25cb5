"""Integration keys: staging, activating, rotating with overlap, revoking at once. The only writer of Credential.

A key is refused where it may not be used: live and test are told apart here as in the adapter's constructor, which
asks again on each use (integrations/credentials_in_use.py hands the values out). Threats: a key of the other mode; one
that was revoked coming back; a value in a log, an error or a stored form (values come in once and are sealed; nothing
here puts one into a sentence, and whoever needs a second person stages the value and passes on the row's uid).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from integrations.contract import Mode
from integrations.encryption import Purpose, seal, unseal
from integrations.models.keys import Credential
from integrations.providers.stripe.credentials import mode_of
from integrations.providers.wiring import Kind
from integrations.providers.wirings import WIRINGS

MIN_CHARACTERS = 16
MAX_CHARACTERS = 500
"""Below the least, a fingerprint would help to guess it."""
OVERLAP_MAX_SECONDS = 30 * 24 * 3600
STAGED_HOURS = 24
"""A staged key that nobody activates is given up; an approval expires then too."""
EXPIRY_WARNING_DAYS = (30, 7, 1)
ENVIRONMENT_OWNER = "environment"

_TABLE, _COLUMN = "integrations_credential", "value_sealed"
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


class CredentialRefused(Exception):
    """This cannot be done with integration keys; the sentence says what to do. It never holds a value."""


KINDS: dict[tuple[str, str], Kind] = {
    (provider, name): kind for provider, wiring in WIRINGS.items() for name, kind in wiring.keys.items()
}
"""What may be kept as an integration key, by provider and name: what each provider's wiring says."""


def environments_mode() -> Mode:
    """Return the mode of whatever runs here (DESIGN.md, invariant 10)."""
    return Mode.LIVE if settings.ENVIRONMENT == "production" else Mode.TEST


def fingerprint(value: str) -> str:
    """Return 64 bits of the value's SHA-256: tells keys apart, on any machine, and says nothing of them."""
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:16]}"


def hint(value: str) -> str:
    """Return what Stripe's own page shows of a key, `sk_live_…4242`, so that both can be compared; else nothing.

    Four of its hundred random characters help nobody to guess it. Of a signing secret Stripe shows none, nor do we.
    """
    if mode_of(value) is None or len(value) < 24:
        return ""
    return f"{'_'.join(value.split('_')[:2])}_…{value[-4:]}"


def check(provider: str, name: str, value: str) -> None:
    """Raise CredentialRefused where this value may not be used here: its shape, its mode, the provider's address."""
    kind = KINDS.get((provider, name))
    if kind is None:
        known = ", ".join(f"{each} {what}" for each, what in KINDS)
        raise CredentialRefused(f"No adapter takes {provider} {name} from here. There are: {known}.")
    if not MIN_CHARACTERS <= len(value) <= MAX_CHARACTERS or not _PRINTABLE.fullmatch(value):
        raise CredentialRefused("The value must be one word of 16 to 500 printable characters: copy it again.")
    if problems := kind.check(value):
        raise CredentialRefused(" ".join(problem.remedy for problem in problems))


def stage(
    *,
    provider: str,
    name: str,
    value: str,
    owner: str,
    actor: str,
    reason: str,
    at: datetime,
    scope: str = "",
    expires_at: datetime | None = None,
) -> Credential:
    """Seal a value into a row that has no effect yet: activate() gives it one. Raises CredentialRefused.

    Refused is what may not be used here, what was revoked before, and what is kept already.
    """
    value = value.strip()
    check(provider, name, value)
    if expires_at is not None and expires_at <= at:
        raise CredentialRefused("It would have expired already: give a later expires_at, or none.")
    mark = fingerprint(value)
    known = Credential.objects.filter(provider=provider, name=name, fingerprint=mark)
    if known.filter(revoked_at__isnull=False).exists():
        raise CredentialRefused(f"{mark} was revoked here. Make a new one at the provider.")
    if known.filter(value_sealed__isnull=False).exists():
        raise CredentialRefused(f"{mark} is kept already.")
    uid = uuid.uuid4()
    return Credential.objects.create(
        uid=uid,
        provider=provider,
        name=name,
        mode=KINDS[provider, name].mode_of(value) or environments_mode(),
        scope=scope[:200],
        owner=_said(owner, "owner")[:120],
        value_sealed=seal(value.encode(), table=_TABLE, column=_COLUMN, row=uid),
        fingerprint=mark,
        hint=hint(value),
        created_by=_said(actor, "actor")[:100],
        created_at=at,
        reason=_said(reason, "reason")[:300],
        expires_at=expires_at,
    )


def activate(*, uid: uuid.UUID, overlap_seconds: int, actor: str, at: datetime) -> Credential:
    """Make a staged key the current one; what was current stays accepted for `overlap_seconds`. Raises
    CredentialRefused.

    Where none was current, those values of the environment that are accepted side by side (signing secrets) are taken
    over into rows that stay accepted for as long.
    """
    if not 0 <= overlap_seconds <= OVERLAP_MAX_SECONDS:
        raise CredentialRefused(f"The overlap must be 0 to {OVERLAP_MAX_SECONDS} seconds (30 days).")
    with transaction.atomic():
        staged = Credential.objects.select_for_update().filter(uid=uid).first()
        if staged is None or staged.active_from is not None or staged.value_sealed is None:
            raise CredentialRefused("This key is not waiting to be activated: stage it again.")
        check(staged.provider, staged.name, open_value(staged, purpose=Purpose.COMPARE, actor=actor))
        until = at + timedelta(seconds=overlap_seconds)
        present = _current(staged.provider, staged.name).select_for_update().first()
        if present is not None:
            present.overlap_until = until
            present.save(update_fields=["overlap_until"])
        elif overlap_seconds:
            _take_over_environment(staged, until=until, actor=actor, at=at)
        staged.active_from = at
        try:
            with transaction.atomic():
                staged.save(update_fields=["active_from"])
        except IntegrityError as error:
            raise CredentialRefused("Somebody has just activated another: look again before you go on.") from error
    return staged


def add(*, actor: str, at: datetime, provider: str, name: str, **told: Any) -> Credential:
    """Stage and activate the first key of this provider and name; the environment's counts no more. See stage()."""
    with transaction.atomic():
        if _current(provider, name).exists():
            raise CredentialRefused(f"There is a current {provider} {name}: rotate it.")
        staged = stage(actor=actor, at=at, provider=provider, name=name, **told)
        return activate(uid=staged.uid, overlap_seconds=0, actor=actor, at=at)


def rotate(*, actor: str, at: datetime, overlap_seconds: int, **told: Any) -> Credential:
    """Stage and activate a key in the place of the present one, which stays accepted for `overlap_seconds`."""
    with transaction.atomic():
        staged = stage(actor=actor, at=at, **told)
        return activate(uid=staged.uid, overlap_seconds=overlap_seconds, actor=actor, at=at)


def revoke_now(*, uid: uuid.UUID, actor: str, reason: str, at: datetime) -> Credential:
    """Accept this key no longer, from now, in any process within seconds, and forget its value. Raises
    CredentialRefused. One that is in overlap behind it counts again; the environment's value only if it is another."""
    with transaction.atomic():
        row = Credential.objects.select_for_update().filter(uid=uid).first()
        if row is None or row.revoked_at is not None:
            raise CredentialRefused("There is no such key, or it is revoked already.")
        row.value_sealed = None
        row.revoked_at, row.revoked_by, row.revoke_reason = at, _said(actor, "actor"), _said(reason, "reason")[:300]
        row.save(update_fields=["value_sealed", "revoked_at", "revoked_by", "revoke_reason"])
    return row


def revoke_environment(*, provider: str, name: str, mark: str, actor: str, reason: str, at: datetime) -> Credential:
    """Accept no longer the value of the environment that has the fingerprint `mark`, though it stands there still."""
    with transaction.atomic():
        if mark not in {fingerprint(value) for value in environment_values(provider, name)}:
            raise CredentialRefused(f"No value of {provider} {name} in the environment has the fingerprint {mark}.")
        if Credential.objects.filter(provider=provider, name=name, fingerprint=mark).exists():
            raise CredentialRefused(f"{mark} is kept as a row: revoke that one.")
        return Credential.objects.create(
            provider=provider,
            name=name,
            mode=environments_mode(),
            owner=ENVIRONMENT_OWNER,
            fingerprint=mark,
            created_by=_said(actor, "actor")[:100],
            created_at=at,
            reason=_said(reason, "reason")[:300],
            revoked_at=at,
            revoked_by=actor[:100],
            revoke_reason=reason[:300],
        )


def state_of(row: Credential, *, at: datetime) -> str:
    """Return a row's state in one word: staged, active, overlap, expired, ended or revoked."""
    if row.revoked_at is not None:
        return "revoked"
    if row.value_sealed is None or (row.overlap_until is not None and row.overlap_until <= at):
        return "ended"
    if row.active_from is None:
        return "staged"
    if row.expires_at is not None and row.expires_at <= at:
        return "expired"
    return "active" if row.overlap_until is None else "overlap"


def forget_ended(*, at: datetime) -> int:
    """Erase the values that are accepted no more (overlap over) and those staged that nobody activated; return how
    many."""
    stale = at - timedelta(hours=STAGED_HOURS)
    return ended(at=at, staged_before=stale).update(value_sealed=None)


def ended(*, at: datetime, staged_before: datetime) -> QuerySet[Credential]:
    """Return the keys whose values nobody needs any more and that are still there."""
    over = Q(overlap_until__lte=at) | Q(active_from__isnull=True, created_at__lte=staged_before)
    return Credential.objects.filter(over, value_sealed__isnull=False)


def to_warn_of(*, at: datetime) -> list[tuple[Credential, int]]:
    """Return the current keys that expire within 30, 7 or 1 days and of which that has not been told, with the days."""
    soon = at + timedelta(days=EXPIRY_WARNING_DAYS[0])
    rows = Credential.objects.filter(
        expires_at__lte=soon, revoked_at__isnull=True, overlap_until__isnull=True, active_from__isnull=False
    ).order_by("pk")
    found = []
    for row in rows:
        days = min(
            days for days in EXPIRY_WARNING_DAYS if row.expires_at and row.expires_at <= at + timedelta(days=days)
        )
        if row.expiry_told_days is None or days < row.expiry_told_days:
            found.append((row, days))
    return found


def note_warned(credential: Credential, *, days: int) -> None:
    """Note that somebody has been told that it expires within so many days."""
    Credential.objects.filter(pk=credential.pk).update(expiry_told_days=days)


def open_value(credential: Credential, *, purpose: Purpose, actor: str) -> str:
    """Return the clear value; recorded. Raises CannotDecrypt; CredentialRefused where it has been erased."""
    if credential.value_sealed is None:
        raise CredentialRefused("The value of this key has been erased.")
    sealed = bytes(credential.value_sealed)
    clear = unseal(sealed, table=_TABLE, column=_COLUMN, row=credential.uid, purpose=purpose, actor=actor)
    return clear.decode()


def environment_values(provider: str, name: str) -> tuple[str, ...]:
    """Return what the environment holds under this name, revoked or not."""
    setting: str | Sequence[str] = getattr(settings, KINDS[provider, name].setting, "")
    values = (setting,) if isinstance(setting, str) else tuple(setting)
    return tuple(value for value in values if value)


def _current(provider: str, name: str) -> QuerySet[Credential]:
    return Credential.objects.filter(
        provider=provider, name=name, active_from__isnull=False, overlap_until__isnull=True, revoked_at__isnull=True
    )


def _take_over_environment(successor: Credential, *, until: datetime, actor: str, at: datetime) -> None:
    provider, name = successor.provider, successor.name
    if not KINDS[provider, name].several:  # it counts again by itself should its successor be revoked
        return
    kept = set(Credential.objects.filter(provider=provider, name=name).values_list("fingerprint", flat=True))
    for value in environment_values(provider, name):
        if fingerprint(value) in kept:
            continue
        row = stage(
            provider=provider,
            name=name,
            value=value,
            owner=successor.owner,
            actor=actor,
            reason="Taken over from the environment while it is rotated.",
            at=at,
            scope="as in the environment",
        )
        row.active_from, row.overlap_until = successor.created_at - timedelta(seconds=1), until
        row.save(update_fields=["active_from", "overlap_until"])


def _said(text: str, what: str) -> str:
    if not text.strip():
        raise CredentialRefused(f"Name the {what}.")
    return text.strip()
