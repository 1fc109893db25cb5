"""The way out as data: facts, who wants them, and how far each delivery has come.

A Delivery is a work row: integrations/delivery.py claims and marks it, and is its only writer after the fan-out. The
database refuses every other edge and any change of its key (migration 0002).
"""

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
from integrations.facts import MAILED_FACTS, Fact
from integrations.failure import Failure
from integrations.key_models import Credential, DecryptionRecord, EncryptionKey  # noqa: F401 - Django looks for models here

_FACTS = [fact.value for fact in Fact]
_MAILED = sorted(fact.value for fact in MAILED_FACTS)


def new_delivery_key() -> str:
    """Return 128 random bits in the form the receivers see as `webhook-id`."""
    return f"msg_{uuid.uuid4().hex}"


class OutboxEvent(models.Model):
    """One fact, written in the transaction that made it true (integrations/outbox.py)."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    fact = models.CharField(max_length=40)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    payload = models.JSONField(help_text="What every receiver is told, frozen at that moment.")
    correlation_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.CheckConstraint(condition=Q(fact__in=_FACTS), name="outbox_fact_known")]
        indexes = [models.Index(fields=["subject_kind", "subject_id"], name="outbox_subject")]

    def __str__(self) -> str:
        return f"{self.fact} of {self.subject_kind} {self.subject_id}"


class DestinationKind(models.TextChoices):
    """How a receiver is reached; integrations/connectors/ has one file for each."""

    WEBHOOK = "webhook", "Signed HTTP (Standard Webhooks)"
    MAIL = "mail", "E-mail"
    HUBSPOT = "hubspot", "CRM: HubSpot"
    TRYTON = "tryton", "ERP: Tryton"
    FISKALY = "fiskaly", "Fiscal receipts: fiskaly SIGN DE"


class Destination(models.Model):
    """A receiver and the facts it wants. Paused: its deliveries wait. Inactive: it gets no new ones."""

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
    paused = models.BooleanField(default=False)
    pause_reason = models.CharField(max_length=300, blank=True)
    owner = models.CharField(max_length=120, blank=True, help_text="Whom to call when it does not take deliveries.")
    options = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text="Settings of its kind, nothing secret (docs/connectors.md).",
    )
    public_key = models.TextField(
        blank=True, db_default="", help_text="The receiver's, as a JWK or PEM: what is sent is sealed to it."
    )
    secrets_sealed = models.BinaryField(null=True, editable=False)
    overlap_until = models.DateTimeField(
        null=True, blank=True, help_text="Until when messages are also signed with the secrets before the newest."
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=DestinationKind.values), name="destination_kind_known"),
            models.CheckConstraint(condition=Q(facts__contained_by=_FACTS), name="destination_facts_known"),
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
            models.CheckConstraint(condition=Q(paused=False) | ~Q(pause_reason=""), name="destination_pause_reason"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse facts that its kind cannot tell, and addresses and settings that nothing can be sent with."""
        unknown = sorted(set(self.facts) - set(_FACTS))
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


def _require_https(name: str, address: str, *, loopback: bool) -> None:
    parts = urlsplit(address)
    here = loopback and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if address and not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and here))):
        raise ValidationError({name: "An https:// address; http:// only on this machine, if loopback is allowed."})


class DeliveryState(models.TextChoices):
    """Where a delivery stands (DESIGN.md, edges)."""

    QUEUED = "queued", "Waiting for its time"
    SENDING = "sending", "Claimed by a worker"
    DELIVERED = "delivered", "The receiver confirmed it"
    DEAD = "dead", "Given up; a person is needed"


class Delivery(models.Model):
    """One fact on its way to one receiver, under one key that never changes."""

    event = models.ForeignKey(OutboxEvent, on_delete=models.PROTECT, related_name="deliveries")
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="deliveries")
    key = models.CharField(max_length=64, unique=True, default=new_delivery_key, editable=False)
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.QUEUED)
    queued_at = models.DateTimeField(help_text="When it was queued, or queued again by a person.")
    # While `sending`, this is the end of the lease: in both states, no worker may take the row before it.
    not_before = models.DateTimeField()
    fence = models.PositiveIntegerField(default=0, help_text="Counts claims; an older claim's answer is dropped.")
    tries = models.PositiveIntegerField(default=0)
    tries_before_replay = models.PositiveIntegerField(default=0)
    unfinished_tries = models.PositiveIntegerField(default=0, help_text="In a row, whose worker never came back.")
    outcome_unknown = models.BooleanField(default=False, help_text="The receiver may have it already.")
    last_http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    last_failure = models.CharField(max_length=20, blank=True, choices=Failure.choices)
    last_detail = models.CharField(max_length=300, blank=True)
    dead_reason = models.CharField(max_length=20, blank=True, choices=Failure.choices)
    external_ids = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text="What the receiver calls what it made of this, by kind of thing.",
    )
    delivered_at = models.DateTimeField(null=True, blank=True)
    died_at = models.DateTimeField(null=True, blank=True)
    case_opened_at = models.DateTimeField(
        null=True, blank=True, help_text="When payments/ opened a Case for its death."
    )

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event", "destination"], name="delivery_once_a_receiver"),
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state_known"),
            models.CheckConstraint(
                condition=Q(state=DeliveryState.DELIVERED, delivered_at__isnull=False)
                | (~Q(state=DeliveryState.DELIVERED) & Q(delivered_at__isnull=True)),
                name="delivery_delivered_at",
            ),
            models.CheckConstraint(
                condition=(Q(state=DeliveryState.DEAD, died_at__isnull=False) & ~Q(dead_reason=""))
                | (~Q(state=DeliveryState.DEAD) & Q(died_at__isnull=True, dead_reason="", case_opened_at__isnull=True)),
                name="delivery_dead_reason",
            ),
        ]
        indexes = [
            models.Index(
                fields=["destination", "not_before"],
                condition=Q(state__in=[DeliveryState.QUEUED, DeliveryState.SENDING]),
                name="delivery_due",
            ),
            models.Index(fields=["died_at"], condition=Q(state=DeliveryState.DEAD), name="delivery_dead"),
            # What each receiver has not got, the oldest first (payments/health_figures.py).
            models.Index(
                fields=["destination", "state", "queued_at"],
                condition=Q(state__in=[DeliveryState.QUEUED, DeliveryState.SENDING]),
                name="delivery_unsent",
            ),
            models.Index(
                fields=["destination", "died_at"],
                condition=Q(state=DeliveryState.DEAD),
                name="delivery_dead_at_receiver",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.state}"


class AttemptOutcome(models.TextChoices):
    """How one try ended. Empty while it runs."""

    DELIVERED = "delivered", "Confirmed"
    FOUND = "found", "Had arrived by an earlier try"
    FAILED = "failed", "Not confirmed"
    UNFINISHED = "unfinished", "The worker never came back"


class DeliveryAttempt(models.Model):
    """One try, committed before the request goes out."""

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, blank=True, choices=AttemptOutcome.choices)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    failure = models.CharField(max_length=20, blank=True, choices=Failure.choices)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["delivery", "number"]
        constraints = [
            models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_number"),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True, outcome="") | (Q(finished_at__isnull=False) & ~Q(outcome="")),
                name="delivery_attempt_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"try {self.number} of delivery {self.delivery_id}"


class DeliveryReplay(models.Model):
    """A person queued a dead delivery again: who, when and why."""

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="replays")
    at = models.DateTimeField()
    actor = models.CharField(max_length=80, help_text="`user:7`, or `command:` and the operating system's user.")
    reason = models.CharField(max_length=300)
    dead_reason = models.CharField(max_length=20, choices=Failure.choices)
    tries = models.PositiveIntegerField(help_text="How often it had been tried by then.")

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "delivery replays"

    def __str__(self) -> str:
        return f"replay of delivery {self.delivery_id} by {self.actor}"


class Heartbeat(models.Model):
    """When a process of this name last proved, on that host, that it works."""

    name = models.CharField(max_length=40)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    beaten_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "host"], name="heartbeat_once_a_host")]

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"
