"""The integration keys as a process uses them: which one counts, how soon, at what cost, and what is noted of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from integrations import credentials, credentials_in_use, providers, redaction
from integrations.contract import Mode, ProviderMisconfigured
from integrations.models.keys import Credential, DecryptionRecord
from integrations.providers.stripe.loopback import signed_event
from payments.models import ProviderEvent

pytestmark = pytest.mark.django_db

OLD_KEY, NEW_KEY = "sk_" + "test_" + "1" * 24, "sk_" + "test_" + "2" * 24
OF_ENVIRONMENT, FIRST, SECOND = ("whsec_" + letter * 32 for letter in "eab")
BY: dict[str, Any] = {"provider": "stripe", "owner": "Ida", "actor": "user:7", "reason": "new at the provider"}


class Watch:
    """The monotonic clock of this process, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def wait(self, seconds: float = credentials_in_use.REFRESH_SECONDS) -> None:
        self.seconds += seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(credentials_in_use.time, "monotonic", watch)
    return watch


@pytest.fixture(autouse=True)
def place(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(providers, "_made", {})
    settings.ENVIRONMENT = "test"
    settings.PAYMENTS_PROVIDERS = ("stripe",)
    settings.STRIPE_API_BASE = "http://127.0.0.1:4010"
    settings.STRIPE_API_KEY = OLD_KEY
    settings.STRIPE_WEBHOOK_SECRETS = (OF_ENVIRONMENT,)
    return settings


def add(value: str, name: str = "webhook_secret", **more: Any) -> Credential:
    return credentials.add(name=name, value=value, at=timezone.now(), **{**BY, **more})


def rotate(value: str, *, overlap_seconds: int, name: str = "webhook_secret") -> Credential:
    return credentials.rotate(name=name, value=value, at=timezone.now(), overlap_seconds=overlap_seconds, **BY)


def revoke(row: Credential) -> None:
    credentials.revoke_now(uid=row.uid, actor="user:7", reason="seen in a chat", at=timezone.now())


def secrets() -> list[str]:
    return [value.clear for value in credentials_in_use.current().of("stripe", "webhook_secret")]


def send(secret: str, event_id: str = "evt_1") -> int:
    headers, body = signed_event(secret=secret, event_id=event_id, mode=Mode.TEST, now=timezone.now())
    answer = Client().post(
        "/webhooks/stripe/",
        body,
        content_type="application/json",
        headers={"stripe-signature": headers["Stripe-Signature"]},
    )
    return int(answer.status_code)


class TestWhichCounts:
    def test_the_environments_while_there_is_no_row(self) -> None:
        assert secrets() == [OF_ENVIRONMENT]

    def test_an_active_row_wins_within_seconds_and_without_a_restart(self, watch: Watch) -> None:
        assert secrets() == [OF_ENVIRONMENT]
        add(FIRST)
        assert secrets() == [OF_ENVIRONMENT]
        watch.wait()
        assert credentials_in_use.REFRESH_SECONDS <= 4
        assert secrets() == [FIRST]

    def test_while_rotating_both_the_newest_first(self, watch: Watch) -> None:
        add(FIRST)
        rotate(SECOND, overlap_seconds=3600)
        assert secrets() == [SECOND, FIRST]

    def test_one_whose_overlap_is_over_no_longer(self, watch: Watch) -> None:
        row = add(FIRST)
        rotate(SECOND, overlap_seconds=3600)
        Credential.objects.filter(pk=row.pk).update(overlap_until=timezone.now() - timedelta(seconds=1))
        assert secrets() == [SECOND]

    def test_one_that_has_expired_no_longer(self) -> None:
        row = add(FIRST, expires_at=timezone.now() + timedelta(hours=1))
        Credential.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        assert secrets() == [OF_ENVIRONMENT]

    def test_a_staged_one_never(self) -> None:
        credentials.stage(name="webhook_secret", value=FIRST, at=timezone.now(), **BY)
        assert secrets() == [OF_ENVIRONMENT]

    def test_one_that_is_revoked_no_longer_and_the_one_in_overlap_again(self, watch: Watch) -> None:
        add(FIRST)
        second = rotate(SECOND, overlap_seconds=3600)
        assert secrets() == [SECOND, FIRST]
        revoke(second)
        watch.wait()
        assert secrets() == [FIRST]

    def test_the_environments_again_after_the_last_row_unless_it_is_the_one_revoked(
        self, place: Any, watch: Watch
    ) -> None:
        row = add(FIRST)
        place.STRIPE_WEBHOOK_SECRETS = (OF_ENVIRONMENT, FIRST)
        revoke(row)
        assert secrets() == [OF_ENVIRONMENT]
        credentials.revoke_environment(
            provider="stripe",
            name="webhook_secret",
            mark=credentials.fingerprint(OF_ENVIRONMENT),
            actor="user:7",
            reason="seen in a chat",
            at=timezone.now(),
        )
        watch.wait()
        assert secrets() == []
        with pytest.raises(ProviderMisconfigured, match="STRIPE_WEBHOOK_SECRETS"):
            providers.get("stripe")


class TestTheAdapter:
    def key(self) -> str:
        return str(providers.get("stripe")._adapter._client._stripe._requestor.api_key)  # type: ignore[attr-defined]

    def test_is_made_anew_with_the_row_and_only_then(self, watch: Watch) -> None:
        before = providers.get("stripe")
        watch.wait()
        assert providers.get("stripe") is before
        assert self.key() == OLD_KEY
        add(NEW_KEY, "api_key")
        watch.wait()
        assert self.key() == NEW_KEY
        after = providers.get("stripe")
        watch.wait()
        assert providers.get("stripe") is after

    def test_refuses_a_row_copied_from_production(self, place: Any, watch: Watch) -> None:
        place.ENVIRONMENT, place.STRIPE_API_BASE = "production", "https://api.stripe.com"
        add("sk_" + "live_" + "1" * 24, "api_key")
        place.ENVIRONMENT = "staging"
        with pytest.raises(ProviderMisconfigured, match="live key"):
            providers.get("stripe")

    def test_refuses_to_go_on_with_the_environments_where_a_row_does_not_open(self, place: Any) -> None:
        add(FIRST)
        place.ENCRYPTION_KEYS = {"k9": b"9" * 31 + b"0"}
        with pytest.raises(ProviderMisconfigured, match="put its key back") as refusal:
            providers.get("stripe")
        assert FIRST not in str(refusal.value)

    def test_needs_no_key_in_the_environment(self, place: Any) -> None:
        place.STRIPE_API_KEY, place.STRIPE_WEBHOOK_SECRETS = "", ()
        add(FIRST)
        add(NEW_KEY, "api_key")
        assert self.key() == NEW_KEY


class TestTheDoor:
    def test_opens_for_the_new_secret_and_no_longer_for_the_one_revoked(self, watch: Watch) -> None:
        assert send(OF_ENVIRONMENT) == 200
        first = add(FIRST)
        watch.wait()
        assert send(FIRST, "evt_2") == 200
        assert send(OF_ENVIRONMENT, "evt_3") == 400
        rotate(SECOND, overlap_seconds=3600)
        watch.wait()
        assert send(FIRST, "evt_4") == 200
        assert send(SECOND, "evt_5") == 200
        revoke(first)
        watch.wait()
        assert send(FIRST, "evt_6") == 400
        assert set(ProviderEvent.objects.values_list("event_id", "state")) == {
            (f"evt_{number}", "ignored") for number in (1, 2, 4, 5)
        }

    def test_asks_for_the_keys_once_in_a_while_only(self, watch: Watch, django_assert_num_queries: Any) -> None:
        add(FIRST)
        assert send(FIRST) == 200
        with django_assert_num_queries(1):  # the insert
            assert send(FIRST, "evt_2") == 200

    def test_with_the_keys_away_goes_on_with_what_it_knows(self, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
        add(FIRST)
        assert send(FIRST) == 200

        def away() -> Any:
            raise DatabaseError("away")

        monkeypatch.setattr(credentials_in_use, "_rows", away)
        watch.wait()
        assert send(FIRST, "evt_2") == 200
        credentials_in_use.forget()
        with pytest.raises(DatabaseError):
            credentials_in_use.current()


class TestOpening:
    def test_each_value_is_opened_once_a_process_and_recorded(self, watch: Watch) -> None:
        row = add(FIRST)
        for _ in range(5):
            secrets()
            watch.wait()
        records = DecryptionRecord.objects.filter(row_uid=row.uid, actor="process")
        assert [record.purpose for record in records] == ["verify"]

    def test_one_that_does_not_open_is_not_tried_again_each_time(self, place: Any, watch: Watch) -> None:
        row = add(FIRST)
        place.ENCRYPTION_KEYS = {"k9": b"9" * 31 + b"0"}
        for _ in range(5):
            secrets()
            watch.wait()
        assert DecryptionRecord.objects.filter(row_uid=row.uid, opened=False).count() == 1

    def test_inside_a_transaction_nothing_is_kept_whose_record_may_roll_back(self, watch: Watch) -> None:
        row = add(FIRST)
        with pytest.raises(RuntimeError), transaction.atomic():
            assert secrets() == [FIRST]
            raise RuntimeError
        assert secrets() == [FIRST]
        assert DecryptionRecord.objects.filter(row_uid=row.uid, actor="process").count() == 1

    def test_inside_a_transaction_what_is_known_counts(self, watch: Watch, django_assert_num_queries: Any) -> None:
        secrets()
        watch.wait()
        with transaction.atomic(), django_assert_num_queries(0):
            secrets()

    def test_values_show_nowhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        known: list[str] = []
        monkeypatch.setattr(redaction, "know_secrets", known.extend)
        add(FIRST)
        in_use = credentials_in_use.current()
        assert known == [FIRST], "the log's scrubber knows it"
        assert FIRST not in repr(in_use) + repr(credentials_in_use._known)
        assert OF_ENVIRONMENT not in repr(in_use)


class TestUse:
    def used(self, row: Credential) -> datetime | None:
        return Credential.objects.get(pk=row.pk).last_used_at

    def test_tells_which_of_two_secrets_is_in_use_still(self) -> None:
        first = add(FIRST)
        second = rotate(SECOND, overlap_seconds=3600)
        assert send(FIRST) == 200
        assert self.used(first) is not None
        assert self.used(second) is None

    def test_is_written_once_a_minute(self, watch: Watch, django_assert_num_queries: Any) -> None:
        row = add(FIRST)
        used = credentials_in_use.noting("stripe")
        with django_assert_num_queries(1):
            for _ in range(5):
                used(FIRST)
        watch.wait(credentials_in_use.NOTED_EVERY_SECONDS)
        with django_assert_num_queries(1):
            used(FIRST)
        first = self.used(row)
        assert first is not None
        assert abs(first - datetime.now(UTC)) < timedelta(minutes=1)

    def test_is_never_written_in_somebodys_transaction(self) -> None:
        row = add(FIRST)
        used = credentials_in_use.noting("stripe")
        with transaction.atomic():
            used(FIRST)
        assert self.used(row) is None
        used(FIRST)
        assert self.used(row) is not None

    def test_of_the_environments_value_has_no_row(self, django_assert_num_queries: Any) -> None:
        used = credentials_in_use.noting("stripe")
        with django_assert_num_queries(0):
            used(OF_ENVIRONMENT)

    def test_that_cannot_be_written_stops_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        add(FIRST)
        used = credentials_in_use.noting("stripe")

        def away(*_: Any, **__: Any) -> Any:
            raise DatabaseError("away")

        monkeypatch.setattr(Credential.objects, "filter", away)
        used(FIRST)
