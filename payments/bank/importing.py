"""Brings the lines of a bank statement in: all of a file or nothing, and nothing twice."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from integrations import redaction
from payments.bank.statements import StatementLine
from payments.models import BankLine

CHUNK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did: `new` lines, and `known` ones that were here already."""

    new: int
    known: int


def store(lines: Sequence[StatementLine], *, file_digest: str, at: datetime, dry_run: bool = False) -> Imported:
    """Write the lines that are new, in one transaction. `dry_run`: only say how many there are."""
    rows = _rows(lines, file_digest=file_digest, at=at)
    new = 0
    with transaction.atomic(durable=True):
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            digests = [row.digest for row in chunk]
            known = set(BankLine.objects.filter(digest__in=digests).values_list("digest", flat=True))
            fresh = [row for row in chunk if row.digest not in known]
            new += len(fresh)
            if not dry_run:
                BankLine.objects.bulk_create(fresh, ignore_conflicts=True)
    return Imported(new=new, known=len(rows) - new)


def _rows(lines: Sequence[StatementLine], *, file_digest: str, at: datetime) -> list[BankLine]:
    """Return the rows. Lines that are alike in everything are told apart by their order in the file."""
    seen: Counter[str] = Counter()
    rows = []
    for line in lines:
        content = json.dumps(
            [
                line.account,
                line.booked_on.isoformat(),
                line.amount_minor,
                line.currency,
                line.reference,
                line.counterparty,
            ]
        )
        seen[content] += 1
        digest = hashlib.sha256(f"{content}#{seen[content]}".encode()).hexdigest()
        rows.append(
            BankLine(
                account=line.account[:64],
                digest=digest,
                booked_on=line.booked_on,
                amount_minor=line.amount_minor,
                currency=line.currency,
                reference=_kept(line.reference, 500),
                counterparty=_kept(line.counterparty, 200),
                line_number=line.number,
                file_digest=file_digest,
                imported_at=at,
            )
        )
    return rows


def _kept(text: str, length: int) -> str:
    """Return a text of the bank as one line, scrubbed of what looks like a card number, cut."""
    return redaction.scrub_cards(redaction.one_line(text))[:length]
