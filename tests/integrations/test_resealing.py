"""Changing the encryption key: every sealed column is found, nothing is lost, whenever and however often it is run."""

from __future__ import annotations

import uuid
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models

from integrations import encryption, encryption_keys, resealing
from integrations.encryption import Purpose, seal
from integrations.encryption_keys import Use
from integrations.models import Destination
from integrations.models.keys import DecryptionRecord
from payments import inbox
from payments.models import ProviderEvent
from payments.states import EventState
from tests.integrations.deliveries import make_destination

pytestmark = pytest.mark.django_db

NOT_SECRET = {"payments_sealedrows.digests": "digests of the audit log's rows; they are shown to whoever verifies it"}

OLD, NEW = b"o" * 31 + b"1", b"n" * 31 + b"1"


@pytest.fixture(autouse=True)
def ring(settings: Any) -> Any:
    settings.ENCRYPTION_KEYS = {"k1": OLD}
    return settings


def event(number: int, *, now: datetime) -> ProviderEvent:
    uid = uuid.uuid4()
    return ProviderEvent.objects.create(
        uid=uid,
        provider="stripe",
        event_id=f"evt_{number}",
        type="t",
        mode="test",
        state=EventState.PROCESSED,
        provider_created_at=now,
        received_at=now,
        body_sealed=seal(f"body {number}".encode(), table=inbox.TABLE, column="body_sealed", row=uid),
        body_sha256="",
    )


def column(name: str) -> resealing.SealedColumn:
    [found] = [each for each in resealing.sealed_columns() if str(each) == name]
    return found


def quietly(*_: Any) -> None:
    pass


def reseal(name: str = "payments_providerevent.body_sealed") -> resealing.ColumnReport:
    return resealing.reseal_column(column(name), actor="command:test", told=quietly)


def body(event: ProviderEvent) -> bytes:
    event.refresh_from_db()
    return inbox.raw_body(event, purpose=Purpose.CHECK, actor="command:test")


class TestFinding:
    def test_every_binary_field_is_sealed_and_found(self) -> None:
        binary = {
            f"{model._meta.db_table}.{field.name}"
            for model in apps.get_models(include_auto_created=True)
            for field in model._meta.concrete_fields
            if isinstance(field, models.BinaryField)
        }
        assert binary == {str(each) for each in resealing.sealed_columns()} | set(NOT_SECRET)
        assert {
            "payments_providerevent.body_sealed",
            "payments_providerevent.headers_sealed",
            "integrations_destination.secrets_sealed",
        } <= binary

    def test_a_sealed_column_without_uid_is_a_defect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        about = SimpleNamespace(
            db_table="loose",
            concrete_fields=(models.BinaryField(name="x_sealed"),),
            get_field=mock.Mock(side_effect=FieldDoesNotExist),
        )
        loose = SimpleNamespace(_meta=about)
        monkeypatch.setattr(apps, "get_models", lambda **_: [loose])
        with pytest.raises(ImproperlyConfigured, match="no `uid`"):
            resealing.sealed_columns()


class TestResealing:
    def test_moves_every_value_to_the_first_key_and_changes_nothing_else(self, ring: Any, now: datetime) -> None:
        events = [event(number, now=now) for number in range(5)]
        receiver = make_destination(now=now, secrets=("whsec_b25l",))
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        report = reseal()
        assert (report.resealed, report.unreadable, report.by_key) == (5, 0, {"k1": 5})
        assert reseal("integrations_destination.secrets_sealed").resealed == 1
        ring.ENCRYPTION_KEYS = {"k2": NEW}
        assert [body(each) for each in events] == [f"body {number}".encode() for number in range(5)]
        assert Destination.objects.get(pk=receiver.pk).signing_secrets(now=now) == ("whsec_b25l",)

    def test_again_does_nothing(self, ring: Any, now: datetime) -> None:
        event(1, now=now)
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        reseal()
        before = bytes(ProviderEvent.objects.get().body_sealed)
        report = reseal()
        assert (report.resealed, report.by_key) == (0, {"k2": 1})
        assert bytes(ProviderEvent.objects.get().body_sealed) == before

    def test_goes_by_pages_and_batches(self, ring: Any, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(resealing, "PAGE_ROWS", 3)
        monkeypatch.setattr(resealing, "BATCH_VALUES", 2)
        for number in range(8):
            event(number, now=now)
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        told: list[tuple[int, int]] = []
        report = resealing.reseal_column(
            column("payments_providerevent.body_sealed"),
            actor="command:test",
            told=lambda _, last, highest: told.append((last, highest)),
        )
        assert report.resealed == 8
        assert len(told) == 3
        assert told[-1][0] == told[-1][1]

    def test_records_each_opening(self, ring: Any, now: datetime) -> None:
        rows = {event(number, now=now).uid for number in range(3)}
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        reseal()
        records = DecryptionRecord.objects.filter(purpose=Purpose.ROTATE)
        assert {record.row_uid for record in records} == rows
        assert {(record.key_id, record.actor) for record in records} == {("k1", "command:test")}

    def test_names_what_does_not_open_and_leaves_it(self, ring: Any, now: datetime) -> None:
        lost, kept = event(1, now=now), event(2, now=now)
        ProviderEvent.objects.filter(pk=lost.pk).update(body_sealed=kept.body_sealed)  # moved to another row
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        report = reseal()
        assert (report.resealed, report.unreadable) == (1, 1)
        assert report.named == [f"payments_providerevent.body_sealed of row {lost.uid}, sealed with k1"]
        lost.refresh_from_db()
        assert bytes(lost.body_sealed) == bytes(kept.body_sealed)

    def test_never_undoes_what_the_service_wrote_meanwhile(
        self, ring: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receiver = make_destination(now=now, secrets=("whsec_b25l",))
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        really = encryption.reseal

        def meanwhile(*args: Any, **options: Any) -> Any:
            receiver.set_signing_secrets(["whsec_dHdv"])
            receiver.save()
            return really(*args, **options)

        monkeypatch.setattr(encryption, "reseal", meanwhile)
        report = reseal("integrations_destination.secrets_sealed")
        assert (report.resealed, report.changed_meanwhile) == (0, 1)
        assert Destination.objects.get(pk=receiver.pk).signing_secrets(now=now) == ("whsec_dHdv",)

    def test_looking_only_opens_and_changes_nothing(self, ring: Any, now: datetime) -> None:
        event(1, now=now)
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        report = resealing.count_by_key(column("payments_providerevent.body_sealed"), told=quietly)
        assert report.by_key == {"k1": 1}
        assert not DecryptionRecord.objects.exists()


class TestAges:
    def test_a_key_is_known_from_when_this_database_first_met_it(self, ring: Any, now: datetime) -> None:
        encryption_keys.note_ring(at=now)
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        later = now.replace(year=now.year + 1)
        encryption_keys.note_ring(at=later)
        encryption_keys.note_ring(at=later)
        new, old = encryption_keys.states(at=later)
        assert (new.key_id, new.use, new.age_days, new.too_old) == ("k2", Use.WRITES, 0, False)
        assert (old.key_id, old.use, old.age_days, old.too_old) == ("k1", Use.READS, 365, False)

    def test_the_writing_key_grows_too_old(self, ring: Any, now: datetime) -> None:
        ring.ENCRYPTION_KEY_MAX_AGE_DAYS = 365
        encryption_keys.note_ring(at=now)
        [key] = encryption_keys.states(at=now.replace(year=now.year + 1))
        assert key.too_old

    def test_another_key_under_the_same_id_is_noticed(self, ring: Any, now: datetime) -> None:
        encryption_keys.note_ring(at=now)
        assert [key.changed for key in encryption_keys.states(at=now)] == [False]
        ring.ENCRYPTION_KEYS = {"k1": NEW}
        encryption_keys.note_ring(at=now)
        assert [key.changed for key in encryption_keys.states(at=now)] == [True]

    def test_one_that_is_gone_is_remembered(self, ring: Any, now: datetime) -> None:
        encryption_keys.note_ring(at=now)
        ring.ENCRYPTION_KEYS = {"k2": NEW}
        assert [(key.key_id, key.use, key.first_seen_at) for key in encryption_keys.states(at=now)] == [
            ("k2", Use.WRITES, None),
            ("k1", Use.GONE, now),
        ]
