"""The ids of ENCRYPTION_KEYS over time: since when each is known here, its age, and whether its key is the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.conf import settings

from integrations import encryption
from integrations.models.keys import EncryptionKey


class Use(StrEnum):
    """What a key id is for now."""

    WRITES = "writes"
    READS = "reads"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """One key id. `row_id` is None where the key has not been noted yet; `changed`: another key stands under it now."""

    row_id: int | None
    key_id: str
    use: Use
    first_seen_at: datetime | None
    age_days: int
    changed: bool

    @property
    def too_old(self) -> bool:
        """Whether the writing key has reached its age (ENCRYPTION_KEY_MAX_AGE_DAYS). Others may be as old as they
        like."""
        return self.use is Use.WRITES and self.age_days >= int(settings.ENCRYPTION_KEY_MAX_AGE_DAYS)


def note_ring(*, at: datetime) -> None:
    """Note the ids of ENCRYPTION_KEYS that this database meets for the first time."""
    known = set(EncryptionKey.objects.values_list("key_id", flat=True))
    new = [key_id for key_id in encryption.ring_ids() if key_id not in known]
    if new:
        rows = [
            EncryptionKey(key_id=key_id, first_seen_at=at, check_value=encryption.check_value(key_id)) for key_id in new
        ]
        EncryptionKey.objects.bulk_create(rows, ignore_conflicts=True)


def states(*, at: datetime) -> tuple[KeyState, ...]:
    """Return every id, the writing key first, then those that only read, then those no longer in ENCRYPTION_KEYS."""
    rows = {row.key_id: row for row in EncryptionKey.objects.order_by("first_seen_at")}
    ring = encryption.ring_ids()
    ids = dict.fromkeys((*ring, *rows))
    return tuple(_state(key_id, rows.get(key_id), ring, at=at) for key_id in ids)


def _state(key_id: str, row: EncryptionKey | None, ring: tuple[str, ...], *, at: datetime) -> KeyState:
    use = Use.GONE if key_id not in ring else Use.WRITES if key_id == ring[0] else Use.READS
    return KeyState(
        row_id=row.pk if row else None,
        key_id=key_id,
        use=use,
        first_seen_at=row.first_seen_at if row else None,
        age_days=(at - row.first_seen_at).days if row else 0,
        changed=bool(row and use is not Use.GONE and row.check_value != encryption.check_value(key_id)),
    )
