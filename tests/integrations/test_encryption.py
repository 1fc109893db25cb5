"""Sealed values: they open at their place only, under any key of the ring, and never without a record."""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction

from integrations import decryptions, encryption
from integrations.decryptions import PROCESS, Purpose
from integrations.encryption import CannotDecrypt, seal, unseal
from integrations.models.keys import DecryptionRecord
from integrations.transactions import TransactionOpen

pytestmark = pytest.mark.django_db

OLD, NEW = b"o" * 31 + b"1", b"n" * 31 + b"1"
ROW = uuid.UUID(int=7)
PLACE: dict[str, Any] = {"table": "t", "column": "c_sealed", "row": ROW}


@pytest.fixture(autouse=True)
def ring(settings: Any) -> Any:
    settings.ENCRYPTION_KEYS = {"k1": OLD}
    return settings


def opened(sealed: bytes, purpose: Purpose = Purpose.CHECK, actor: str = "command:doctor", **place: Any) -> bytes:
    return unseal(sealed, **{**PLACE, **place}, purpose=purpose, actor=actor, reason="ticket 5")


class TestOpening:
    def test_gives_back_what_was_sealed_and_says_under_which_key(self) -> None:
        sealed = seal(b"whsec_x", **PLACE)
        assert b"whsec" not in sealed
        assert encryption.key_id_of(sealed) == "k1"
        assert opened(sealed) == b"whsec_x"

    @pytest.mark.parametrize("moved", [{"row": uuid.UUID(int=8)}, {"column": "d_sealed"}, {"table": "u"}])
    def test_fails_at_another_place(self, moved: dict[str, Any]) -> None:
        with pytest.raises(CannotDecrypt, match="does not open with key k1"):
            opened(seal(b"x", **PLACE), **moved)

    @pytest.mark.parametrize(
        "broken", [b"", b"k1:", b"k1:short", b"no key id at all here", b"\xff\xfe:xxxxxxxxxxxxxxxx"]
    )
    def test_fails_on_what_is_no_sealed_value(self, broken: bytes) -> None:
        with pytest.raises(CannotDecrypt):
            opened(broken)

    def test_goes_on_with_the_old_key_behind_the_new_one(self, ring: Any) -> None:
        sealed = seal(b"x", **PLACE)
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        assert opened(sealed) == b"x"
        assert encryption.key_id_of(seal(b"x", **PLACE)) == "k2"

    def test_names_the_missing_key(self, ring: Any) -> None:
        sealed = seal(b"x", **PLACE)
        ring.ENCRYPTION_KEYS = {"k2": NEW}
        with pytest.raises(CannotDecrypt, match="No key 'k1' in ENCRYPTION_KEYS"):
            opened(sealed)

    def test_a_key_changed_under_its_old_id_can_be_mended_by_giving_it_another_id(self, ring: Any) -> None:
        ring.ENCRYPTION_KEYS = {"k1": NEW}
        by_mistake = seal(b"x", **PLACE)
        ring.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
        assert opened(by_mistake) == b"x"

    def test_a_check_value_tells_keys_apart_and_nothing_else(self, ring: Any) -> None:
        first = encryption.check_value("k1")
        assert encryption.check_value("k1") == first
        ring.ENCRYPTION_KEYS = {"k1": NEW}
        assert encryption.check_value("k1") != first
        assert len(first) == 16


class TestTheRecord:
    def test_tells_key_place_actor_purpose_reason_and_process(self) -> None:
        opened(seal(b"x", **PLACE), purpose=Purpose.REVEAL, actor="user:7")
        [row] = DecryptionRecord.objects.all()
        assert (row.key_id, row.table_name, row.column_name, row.row_uid) == ("k1", "t", "c_sealed", ROW)
        assert (row.actor, row.purpose, row.reason, row.opened) == ("user:7", "reveal", "ticket 5", True)
        assert str(os.getpid()) in row.process
        assert row.until is None

    def test_is_written_for_each_opening_by_a_person_or_command(self) -> None:
        sealed = seal(b"x", **PLACE)
        for _ in range(3):
            opened(sealed)
        assert DecryptionRecord.objects.count() == 3

    def test_is_written_for_an_opening_that_failed(self) -> None:
        with pytest.raises(CannotDecrypt):
            opened(seal(b"x", **PLACE), purpose=Purpose.SIGN, actor=PROCESS, column="elsewhere")
        assert [row.opened for row in DecryptionRecord.objects.all()] == [False]

    def test_of_a_process_is_one_an_hour_and_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sealed, hour = seal(b"x", **PLACE), decryptions.WINDOW_SECONDS
        monkeypatch.setattr(decryptions.time, "monotonic", lambda: 1000)
        for _ in range(5):
            opened(sealed, purpose=Purpose.SIGN, actor=PROCESS)
        [row] = DecryptionRecord.objects.all()
        assert row.until is not None
        assert (row.until - row.at).total_seconds() == pytest.approx(hour)
        monkeypatch.setattr(decryptions.time, "monotonic", lambda: 1000 + hour)
        opened(sealed, purpose=Purpose.SIGN, actor=PROCESS)
        assert DecryptionRecord.objects.count() == 2

    def test_of_a_process_is_one_for_each_value_and_purpose(self) -> None:
        for row in (ROW, uuid.UUID(int=9)):
            sealed = seal(b"x", **{**PLACE, "row": row})
            for purpose in (Purpose.SIGN, Purpose.VERIFY):
                opened(sealed, purpose=purpose, actor=PROCESS, row=row)
        assert DecryptionRecord.objects.count() == 4

    def test_of_a_forked_process_is_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sealed = seal(b"x", **PLACE)
        opened(sealed, purpose=Purpose.SIGN, actor=PROCESS)
        monkeypatch.setattr(os, "getpid", lambda: 4)
        opened(sealed, purpose=Purpose.SIGN, actor=PROCESS)
        assert DecryptionRecord.objects.count() == 2

    def test_a_persons_sign_or_call_is_not_covered_by_a_process(self) -> None:
        sealed = seal(b"x", **PLACE)
        opened(sealed, purpose=Purpose.SIGN, actor=PROCESS)
        opened(sealed, purpose=Purpose.SIGN, actor="command:trigger")
        assert DecryptionRecord.objects.count() == 2

    def test_that_rolled_back_covers_nothing(self) -> None:
        sealed = seal(b"x", **PLACE)
        with pytest.raises(RuntimeError), transaction.atomic():
            opened(sealed, purpose=Purpose.SIGN, actor=PROCESS)
            raise RuntimeError
        opened(sealed, purpose=Purpose.SIGN, actor=PROCESS)
        assert DecryptionRecord.objects.count() == 1

    def test_forgets_what_is_over_once_it_remembers_much(self, monkeypatch: pytest.MonkeyPatch) -> None:
        decryptions._covered.update({(number,): 0.0 for number in range(decryptions.MOST_COVERED)})
        opened(seal(b"x", **PLACE), purpose=Purpose.SIGN, actor=PROCESS)
        assert len(decryptions._covered) == 1


class TestRevealing:
    def test_inside_a_transaction_is_refused_for_a_rollback_would_take_the_record_away(self) -> None:
        with transaction.atomic(), pytest.raises(TransactionOpen, match="revealing"):
            opened(seal(b"x", **PLACE), purpose=Purpose.REVEAL, actor="user:7")

    def test_without_a_reason_is_refused_by_the_database(self) -> None:
        with pytest.raises(IntegrityError, match="decryption_reveal_has_reason"):
            unseal(seal(b"x", **PLACE), **PLACE, purpose=Purpose.REVEAL, actor="user:7")

    def test_without_an_actor_too(self) -> None:
        with pytest.raises(IntegrityError, match="decryption_has_actor"):
            unseal(seal(b"x", **PLACE), **PLACE, purpose=Purpose.CHECK, actor="")


@pytest.mark.django_db(transaction=True)  # the owner's connection is another one and sees what is committed
@pytest.mark.parametrize("alias", ["default", "owner"])
@pytest.mark.parametrize("table", ["integrations_decryptionrecord", "integrations_encryptionkey"])
@pytest.mark.parametrize("change", ["UPDATE {} SET key_id = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_records_and_keys_seen_are_never_rewritten(alias: str, table: str, change: str) -> None:
    opened(seal(b"x", **PLACE))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO integrations_encryptionkey (key_id, first_seen_at, check_value) VALUES ('k', now(), '')"
        )
    refused = pytest.raises(DatabaseError, match="append-only|permission denied")
    with refused, transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("SET LOCAL shop.allow_truncate = off")
        cursor.execute(change.format(table))
