"""Who wants which facts, and how each is reached."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, Value

from integrations.connectors import CONNECTORS
from integrations.connectors.contract import Misconfigured, Receiver
from integrations.decryptions import PROCESS, Purpose
from integrations.encryption import seal, unseal
from integrations.facts import MAILED_FACTS
from integrations.models.event import FACTS

_MAILED = sorted(fact.value for fact in MAILED_FACTS)


class DestinationKind(models.TextChoices):
    """How a receiver is reached; integrations/connectors/ has one file for each."""

    WEBHOOK = "webhook", "Signed HTTP (Standard Webhooks)"
    MAIL = "mail", "E-mail"
    HUBSPOT = "hubspot", "CRM: HubSpot"
    TRYTON = "tryton", "ERP: Tryton"
    FISKALY = "fiskaly", "Fiscal receipts: fiskaly SIGN DE"


class Destination(models.Model):
    """A receiver and the facts it wants. Inactive: it gets no new ones, and those it has wait. Pausing: see Breaker."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=10, choices=DestinationKind.choices)
    address = models.CharField(
        max_length=500, blank=True, help_text="Its URL. Of mail: the one address, or empty for the shopper's."
    )
    lookup_address = models.URLField(
        max_length=500, blank=True, help_text="Where GET <this>/<key> says 200 (received) or 404 (not received)."
    )
    idempotent = models.BooleanField(
        default=False, help_text="The receiver declares that the same webhook-id twice is one effect."
    )
    allow_loopback = models.BooleanField(
        default=False, help_text="May be plain HTTP on this machine; ignored in production."
    )
    facts = ArrayField(models.CharField(max_length=40), default=list)
    active = models.BooleanField(default=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=300, blank=True, db_default="", default="")
    ordered = models.BooleanField(
        default=False,
        db_default=False,
        help_text="A later fact about the same order waits until the receiver has confirmed the earlier one.",
    )
    owner = models.CharField(max_length=120, blank=True, help_text="Whom to call when it does not take deliveries.")
    options = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text="Settings of its kind, nothing secret (docs/connectors.md).",
    )
    public_key = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="The receiver's, as a JWK or PEM: what is sent is sealed to it.",
    )
    secrets_sealed = models.BinaryField(null=True, editable=False)
    overlap_until = models.DateTimeField(
        null=True, blank=True, help_text="Until when messages are also signed with the secrets before the newest."
    )
    staged_secret_sealed = models.BinaryField(null=True, editable=False)
    staged_mark = models.UUIDField(
        null=True, editable=False, help_text="Which staged secret it is; an approval is for one of them."
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=DestinationKind.values), name="destination_kind_known"),
            models.CheckConstraint(condition=Q(facts__contained_by=FACTS), name="destination_facts_known"),
            models.CheckConstraint(
                condition=~Q(kind=DestinationKind.WEBHOOK)
                | (~Q(address="") & (Q(idempotent=True) | ~Q(lookup_address=""))),
                name="destination_webhook_can_be_repeated",
                violation_error_message="A webhook needs a URL, and declares idempotency or has a lookup address.",
            ),
            models.CheckConstraint(
                condition=Q(kind=DestinationKind.MAIL) | ~Q(address=""),
                name="destination_has_address",
                violation_error_message="Only mail goes without an address: to the shopper's.",
            ),
            models.CheckConstraint(
                condition=~Q(kind=DestinationKind.MAIL) | Q(facts__contained_by=_MAILED),
                name="destination_mail_has_templates",
                violation_error_message=f"There are mails for {', '.join(_MAILED)} only.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse facts that its kind cannot tell, and addresses and settings that nothing can be sent with."""
        unknown = sorted(set(self.facts) - set(FACTS))
        if unknown:
            raise ValidationError({"facts": f"No such fact: {', '.join(unknown)}."})
        connector = CONNECTORS.get(self.kind)
        if connector is None:
            raise ValidationError({"kind": f"There is no connector for {self.kind!r}."})
        if untold := sorted(set(self.facts) - connector.facts):
            raise ValidationError({"facts": f"This kind of receiver cannot be told of {', '.join(untold)}."})
        if self.kind != DestinationKind.MAIL:
            for name in ("address", "lookup_address"):
                _require_https(name, getattr(self, name), loopback=self.allow_loopback)
        try:
            connector.check(self.receiver(secrets=()))
        except Misconfigured as error:
            raise ValidationError(str(error)) from error

    def receiver(self, *, secrets: Sequence[str], allow_loopback: bool | None = None) -> Receiver:
        """Return the row as its connector takes it. `allow_loopback` overrules the row's."""
        return Receiver(
            address=self.address,
            lookup_address=self.lookup_address,
            secrets=tuple(secrets),
            options=self.options,
            public_key=self.public_key,
            allow_loopback=self.allow_loopback if allow_loopback is None else allow_loopback,
        )

    def signing_secrets(
        self, *, now: datetime, purpose: Purpose = Purpose.SIGN, actor: str = PROCESS
    ) -> tuple[str, ...]:
        """Return the secrets to sign with now, newest first; the older ones only until `overlap_until`.

        `purpose` and `actor` go into the record of the opening (integrations/decryptions.py). Raises CannotDecrypt.
        """
        if self.secrets_sealed is None:
            return ()
        clear = unseal(
            bytes(self.secrets_sealed),
            table=self._meta.db_table,
            column="secrets_sealed",
            row=self.uid,
            purpose=purpose,
            actor=actor,
        )
        every: list[str] = json.loads(clear)
        overlapping = self.overlap_until is not None and now < self.overlap_until
        return tuple(every if overlapping else every[:1])

    def set_signing_secrets(self, secrets: Sequence[str], *, overlap_until: datetime | None = None) -> None:
        """Seal `secrets` (newest first, each `whsec_…`) into this row. The caller saves it."""
        self.secrets_sealed = seal(
            json.dumps(list(secrets)).encode(), table=self._meta.db_table, column="secrets_sealed", row=self.uid
        )
        self.overlap_until = overlap_until

    def rotate_signing_secret(self, new: str, *, now: datetime, overlap_seconds: int, actor: str) -> None:
        """Put `new` first and go on signing with the present ones for `overlap_seconds`. The caller saves it."""
        present = self.signing_secrets(now=now, purpose=Purpose.ROTATE, actor=actor)
        self.set_signing_secrets([new, *present], overlap_until=now + timedelta(seconds=overlap_seconds))

    def stage_secret(self, secret: str) -> None:
        """Seal a secret that has no effect until use_staged_secret(). The caller saves it."""
        self.staged_secret_sealed = seal(
            secret.encode(), table=self._meta.db_table, column="staged_secret_sealed", row=self.uid
        )
        self.staged_mark = uuid.uuid4()

    def use_staged_secret(self, *, now: datetime, overlap_seconds: int, actor: str) -> None:
        """Sign with the staged secret from now on, and with the present ones for the overlap. The caller saves it.

        Raises CannotDecrypt.
        """
        if self.staged_secret_sealed is None:
            raise ValueError("No secret is staged.")
        clear = unseal(
            bytes(self.staged_secret_sealed),
            table=self._meta.db_table,
            column="staged_secret_sealed",
            row=self.uid,
            purpose=Purpose.ROTATE,
            actor=actor,
        )
        self.rotate_signing_secret(clear.decode(), now=now, overlap_seconds=overlap_seconds, actor=actor)
        self.staged_secret_sealed = None


def _require_https(name: str, address: str, *, loopback: bool) -> None:
    parts = urlsplit(address)
    here = loopback and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if address and not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and here))):
        raise ValidationError({name: "An https:// address; http:// only on this machine, if loopback is allowed."})
