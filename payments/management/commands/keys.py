"""`manage.py keys`: integration keys from the command line: list, add, rotate, revoke (docs/keys.md).

Threats: a value on the command line stands in the shell's history and in the list of processes, so none is taken there:
it is typed unseen, or comes on standard input. Whoever may run this may read the environment's keys already.
"""

from __future__ import annotations

import getpass
import sys
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_date

from integrations import credentials
from integrations.credentials import KINDS, CredentialRefused
from integrations.models.keys import Credential
from payments.audit.recording import command_actor
from payments.management.reporting import ReportingCommand, refused, usage


class Command(ReportingCommand):
    """Exit codes: 0 done; 2 usage; 5 refused (wrong mode, revoked before, …), with the reason."""

    help = "List, add, rotate or revoke integration keys. A value is typed unseen or read from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_json(parser)
        doing = parser.add_subparsers(dest="doing", required=True)
        listing = doing.add_parser(
            "list", help="every key that is accepted or staged, by fingerprint; with --all, each"
        )
        listing.add_argument("--all", dest="every", action="store_true", help="the ended and revoked ones too")
        for name, what in (("add", "keep the first key"), ("rotate", "put a new key in the place of the present one")):
            each = doing.add_parser(name, help=what)
            each.add_argument("provider")
            each.add_argument("name", help=", ".join(sorted({name for _, name in KINDS})))
            each.add_argument("--owner", required=True, help="whom to ask about it")
            each.add_argument("--reason", required=True, help="why; kept with it")
            each.add_argument("--scope", default="", help="what it may do at the provider, in words")
            each.add_argument("--expires", metavar="YYYY-MM-DD", help="when the provider ends it")
            if name == "rotate":
                each.add_argument("--overlap-hours", type=int, default=24, help="how long the old one is accepted (24)")
        revoking = doing.add_parser("revoke", help="accept it no longer, from now, and forget its value")
        revoking.add_argument("key", help="its uid, or the fingerprint of a value in the environment")
        revoking.add_argument("--reason", required=True, help="why; kept with it")

    def handle(self, *_: Any, doing: str, json: bool, **options: Any) -> None:
        try:
            rows = getattr(self, f"_{doing}")(**options)
        except CredentialRefused as refusal:
            raise refused(str(refusal)) from refusal
        report = {"keys": [_told(row) for row in rows]}
        self.finish(report, lines=[*map(_line, rows), f"{len(rows)} {_done(doing, rows)}"], as_json=json)

    def _list(self, *, every: bool, **_: Any) -> list[Credential]:
        rows = Credential.objects.order_by("provider", "name", "-pk")
        return list(rows if every else rows.filter(value_sealed__isnull=False))

    def _add(self, **options: Any) -> list[Credential]:
        return [credentials.add(**_stated(**options), actor=command_actor(), at=timezone.now())]

    def _rotate(self, *, overlap_hours: int, **options: Any) -> list[Credential]:
        row = credentials.rotate(
            **_stated(**options), overlap_seconds=overlap_hours * 3600, actor=command_actor(), at=timezone.now()
        )
        return [row]

    def _revoke(self, *, key: str, reason: str, **_: Any) -> list[Credential]:
        told: dict[str, Any] = {"actor": command_actor(), "reason": reason, "at": timezone.now()}
        if not key.startswith("sha256:"):
            try:
                return [credentials.revoke_now(uid=uuid.UUID(key), **told)]
            except ValueError as error:
                raise usage(f"{key!r} is neither a key's uid nor a fingerprint; see `manage.py keys list`.") from error
        found = Credential.objects.filter(Q(fingerprint=key), revoked_at__isnull=True).first()
        if found is not None:
            return [credentials.revoke_now(uid=found.uid, **told)]
        for provider, name in KINDS:
            if key in {credentials.fingerprint(value) for value in credentials.environment_values(provider, name)}:
                return [credentials.revoke_environment(provider=provider, name=name, mark=key, **told)]
        raise CredentialRefused(f"There is no key {key}, neither kept nor in the environment.")


def _stated(*, provider: str, name: str, owner: str, reason: str, scope: str, expires: str | None, **_: Any) -> Any:
    return {
        "provider": provider,
        "name": name,
        "owner": owner,
        "reason": reason,
        "scope": scope,
        "expires_at": _moment(expires) if expires else None,
        "value": _value(f"{provider} {name}: "),
    }


def _moment(text: str) -> datetime:
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise usage(f"{text!r} is no date: write YYYY-MM-DD.")
    # To the end of that day, in UTC.
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_default_timezone()) + timedelta(days=1)


def _value(prompt: str) -> str:
    return getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()


def _told(row: Credential) -> dict[str, Any]:
    return {
        "uid": str(row.uid),
        "provider": row.provider,
        "name": row.name,
        "mode": row.mode,
        "fingerprint": row.fingerprint,
        "hint": row.hint,
        "state": credentials.state_of(row, at=timezone.now()),
        "owner": row.owner,
        "scope": row.scope,
        "active_from": _iso(row.active_from),
        "expires_at": _iso(row.expires_at),
        "overlap_until": _iso(row.overlap_until),
        "revoked_at": _iso(row.revoked_at),
        "last_used_at": _iso(row.last_used_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _line(row: Credential) -> str:
    told = _told(row)
    used = f"last used {row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used"
    until = f", expires {row.expires_at:%Y-%m-%d}" if row.expires_at else ""
    shown = f"{row.fingerprint} {row.hint}".strip()
    return (
        f"{row.uid} {row.provider} {row.name} ({row.mode}): {told['state']}, {shown}, owner {row.owner}, {used}{until}"
    )


def _done(doing: str, rows: list[Credential]) -> str:
    noun = "key" if len(rows) == 1 else "keys"
    return {"list": noun, "add": f"{noun} added", "rotate": f"{noun} rotated in", "revoke": f"{noun} revoked"}[doing]
