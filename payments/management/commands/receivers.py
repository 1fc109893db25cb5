"""`manage.py receivers`: who is told what: list, add, change, rotate, disable, enable (docs/connectors.md).

Threats: a secret on the command line stands in the shell's history and in the list of processes, so none is taken
there: it is typed unseen, or comes on standard input. It is shown nowhere. What a receiver is told is the shopper's
data, so each change is kept with its reason; whoever may run this may read the database as well.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations import destinations, receivers
from integrations.destinations import DestinationRefused
from integrations.models import Destination, DestinationKind
from integrations.receivers import ReceiverRefused
from payments.audit.recording import command_actor
from payments.management.reporting import ReportingCommand, refused, usage


class Command(ReportingCommand):
    """Exit codes: 0 done; 2 usage; 5 refused, with what to give instead."""

    help = "List, set up, disable or enable receivers. A secret is typed unseen or read from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_json(parser)
        doing = parser.add_subparsers(dest="doing", required=True)
        doing.add_parser("list", help="every receiver, without its secret")
        adding = doing.add_parser("add", help="tell a new receiver of facts from now on")
        adding.add_argument("name")
        adding.add_argument("--kind", required=True, choices=DestinationKind.values)
        changing = doing.add_parser("change", help="change what is given, and leave the rest")
        changing.add_argument("name")
        for each in (adding, changing):
            _add_fields(each, needed=each is adding)
        rotating = doing.add_parser("rotate", help="put a new secret in the place of the present one")
        rotating.add_argument("name")
        rotating.add_argument("--overlap-hours", type=int, default=24, help="how long the old one signs too (24)")
        disabling = doing.add_parser("disable", help="tell it nothing more; what is on its way waits")
        disabling.add_argument("name")
        enabling = doing.add_parser("enable", help="tell it again, what has waited first")
        enabling.add_argument("name")
        enabling.add_argument("--catch-up", action="store_true", help="also of what was recorded while it was disabled")
        for each in (adding, changing, rotating, disabling, enabling):
            each.add_argument("--reason", required=True, help="why; kept in the audit log")

    def handle(self, *_: Any, doing: str, json: bool, **options: Any) -> None:
        try:
            rows: list[Destination] = getattr(self, f"_{doing}")(**options)
        except (DestinationRefused, ReceiverRefused) as refusal:
            raise refused(str(refusal)) from refusal
        told = [_told(row) for row in rows]
        lines = [f"{one['name']} ({one['kind']}) {one['address']}: {', '.join(one['facts'])}" for one in told]
        summary = "receivers" if doing == "list" else f"{doing.removesuffix('e')}ed"
        self.finish({"receivers": told}, lines=[*lines, f"{len(rows)} {summary}"], as_json=json)

    def _list(self, **_: Any) -> list[Destination]:
        return list(Destination.objects.order_by("name"))

    def _add(self, *, name: str, kind: str, **options: Any) -> list[Destination]:
        secret = "" if kind == DestinationKind.MAIL else _secret(f"secret of {name}: ")
        return [destinations.add(name=name, kind=kind, secret=secret, now=timezone.now(), **_fields(**options))]

    def _change(self, *, name: str, **options: Any) -> list[Destination]:
        return [destinations.change(name=name, **_fields(**options))]

    def _rotate(self, *, name: str, overlap_hours: int, **_: Any) -> list[Destination]:
        row = destinations.rotate(
            name=name,
            secret=_secret(f"new secret of {name}: "),
            overlap_seconds=overlap_hours * 3600,
            actor=command_actor(),
            now=timezone.now(),
        )
        return [row]

    def _disable(self, *, name: str, reason: str, **_: Any) -> list[Destination]:
        return [receivers.disable(destinations.named(name).pk, reason=reason, now=timezone.now())]

    def _enable(self, *, name: str, catch_up: bool, **_: Any) -> list[Destination]:
        receivers.enable(destinations.named(name).pk, catch_up=catch_up, now=timezone.now())
        return [destinations.named(name)]


def _add_fields(parser: Any, *, needed: bool) -> None:
    parser.add_argument("--address", help="its URL; of mail: one address, or none for the shopper's")
    parser.add_argument("--facts", required=needed, help="comma list: order.paid,refund.succeeded")
    parser.add_argument("--owner", required=needed, help="whom to call when it does not take deliveries")
    parser.add_argument("--option", action="append", metavar="NAME=VALUE", help="a setting of its kind; repeatable")
    parser.add_argument("--lookup-address", help="where a webhook's receiver can be asked for a key")
    parser.add_argument("--public-key-file", metavar="FILE", help="its public key (JWK, PEM); an empty file removes it")
    for name, what in (
        ("idempotent", "it takes the same webhook-id twice as one"),
        ("ordered", "a later fact of an order waits for the earlier one"),
    ):
        parser.add_argument(f"--{name}", choices=["yes", "no"], help=what)


def _fields(**options: Any) -> dict[str, Any]:
    """Return what the command line gives, as the operations take it."""
    found = {name: options[name] for name in ("address", "owner", "lookup_address") if options[name] is not None}
    if options["facts"] is not None:
        found["facts"] = [fact.strip() for fact in options["facts"].split(",") if fact.strip()]
    if options["option"] is not None:
        found["options"] = dict(_pair(text) for text in options["option"])
    if options["public_key_file"] is not None:
        found["public_key"] = _text(options["public_key_file"])
    flags = {name: options[name] for name in ("idempotent", "ordered")}
    return {**found, **{name: value == "yes" for name, value in flags.items() if value is not None}}


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise usage(f"{text!r} is no option: write NAME=VALUE.")
    return name, value


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise usage(f"{path} cannot be read as text.") from error


def _secret(prompt: str) -> str:
    return (getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()).strip()


def _told(row: Destination) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "address": row.address,
        "facts": row.facts,
        "options": row.options,
        "owner": row.owner,
        "active": row.active,
        "ordered": row.ordered,
        "sealed": bool(row.public_key),
        "has_secret": row.secrets_sealed is not None,
    }
