"""Integration keys: what may be kept, how one takes another's place, and that a revoked one is gone."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from integrations import credentials
from integrations.credential_guard import forbids_start
from integrations.credentials import CredentialRefused
from integrations.encryption import Purpose
from integrations.models.keys import Credential, DecryptionRecord

pytestmark = pytest.mark.django_db

KEY = {mode: f"sk_{mode}_" + "51Abc" * 5 + "4242" for mode in ("test", "live")}
OTHER_KEY = "rk_" + "test_" + "9" * 24 + "1111"
SECRET, OTHER_SECRET = "whsec_" + "a" * 32, "whsec_" + "b" * 32
BY: dict[str, Any] = {"actor": "user:7", "reason": "new at the provider"}
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def place(settings: Any) -> Any:
    settings.ENVIRONMENT = "staging"
    settings.STRIPE_API_BASE = "https://api.stripe.com"
    settings.STRIPE_API_KEY = ""
    settings.STRIPE_WEBHOOK_SECRETS = ()
    return settings


def add(value: str = SECRET, *, at: datetime, name: str = "webhook_secret", **more: Any) -> Credential:
    return credentials.add(provider="stripe", name=name, value=value, owner="Ida", at=at, **{**BY, **more})


def rotate(value: str, *, at: datetime, overlap_seconds: int = 3600, name: str = "webhook_secret") -> Credential:
    return credentials.rotate(
        provider="stripe", name=name, value=value, owner="Ida", at=at, overlap_seconds=overlap_seconds, **BY
    )


def again(credential: Credential) -> Credential:
    return Credential.objects.get(pk=credential.pk)


class TestAdding:
    def test_seals_the_value_and_keeps_its_fingerprint(self, now: datetime) -> None:
        row = add(KEY["test"], name="api_key", at=now, scope="all", expires_at=now + HOUR)
        kept = again(row)
        assert KEY["test"].encode() not in bytes(kept.value_sealed or b"")
        assert credentials.open_value(kept, purpose=Purpose.CHECK, actor="command:test") == KEY["test"]
        assert (kept.mode, kept.owner, kept.scope, kept.created_by) == ("test", "Ida", "all", "user:7")
        assert (kept.active_from, kept.expires_at, kept.last_used_at) == (now, now + HOUR, None)
        assert kept.fingerprint == credentials.fingerprint(KEY["test"])
        assert len(kept.fingerprint) == len("sha256:") + 16

    def test_shows_of_a_key_what_the_providers_page_shows_and_of_a_secret_nothing(self) -> None:
        assert credentials.hint(KEY["live"]) == "sk_live_…4242"
        assert credentials.hint("sk_test_" + "51Abc_" * 5 + "4242") == "sk_test_…4242"
        assert credentials.hint(SECRET) == ""
        assert credentials.hint("sk_test_short") == ""

    def test_strips_the_newline_of_whoever_pasted_it(self, now: datetime) -> None:
        assert add(SECRET + "\n", at=now).fingerprint == credentials.fingerprint(SECRET)

    @pytest.mark.parametrize(
        ("environment", "name", "value", "why"),
        [
            ("staging", "api_key", KEY["live"], "live key: it may be used with ENVIRONMENT=production only"),
            ("demo", "api_key", KEY["live"], "live key"),
            ("test", "api_key", KEY["live"], "live key"),
            ("production", "api_key", KEY["test"], "test key: production takes a live one"),
            ("staging", "api_key", "pk_test_" + "1" * 24, "publishable"),
            ("staging", "api_key", "sk_test_1", "16 to 500"),
            ("staging", "webhook_secret", "whsec a" * 6, "one word"),
            ("staging", "webhook_secret", "whsec_" + "ü" * 32, "one word"),
            ("staging", "webhook_secret", "secret_" + "a" * 32, "signing secret"),
            ("production", "webhook_secret", "whsec_" + "a" * 12, "too short"),
            ("staging", "password", SECRET, "No adapter takes stripe password"),
            ("staging", "webhook_secret", "", "16 to 500"),
        ],
    )
    def test_refuses_what_may_not_be_used_here(
        self, place: Any, now: datetime, environment: str, name: str, value: str, why: str
    ) -> None:
        place.ENVIRONMENT = environment
        with pytest.raises(CredentialRefused, match=why) as refusal:
            add(value, name=name, at=now)
        assert not value or value not in str(refusal.value)
        assert not Credential.objects.exists()

    def test_refuses_a_live_key_for_a_host_that_is_not_the_providers(self, place: Any, now: datetime) -> None:
        place.ENVIRONMENT, place.STRIPE_API_BASE = "production", "https://api.stripe.com.example"
        with pytest.raises(CredentialRefused, match="not Stripe's own address"):
            add(KEY["live"], name="api_key", at=now)

    @pytest.mark.parametrize("missing", ["actor", "reason", "owner"])
    def test_wants_to_know_by_whom_why_and_whose(self, now: datetime, missing: str) -> None:
        told = {"owner": "Ida", **BY, missing: "  "}
        with pytest.raises(CredentialRefused, match=missing):
            credentials.add(provider="stripe", name="webhook_secret", value=SECRET, at=now, **told)

    def test_refuses_a_second_current_one_and_one_that_is_kept(self, now: datetime) -> None:
        add(at=now)
        with pytest.raises(CredentialRefused, match="rotate it"):
            add(OTHER_SECRET, at=now)
        with pytest.raises(CredentialRefused, match="kept already"):
            rotate(SECRET, at=now)

    def test_refuses_one_that_is_over(self, now: datetime) -> None:
        with pytest.raises(CredentialRefused, match="expired already"):
            add(at=now, expires_at=now)


class TestStaging:
    def test_has_no_effect_until_it_is_activated(self, now: datetime) -> None:
        staged = credentials.stage(provider="stripe", name="webhook_secret", value=SECRET, owner="Ida", at=now, **BY)
        assert again(staged).active_from is None
        credentials.activate(uid=staged.uid, overlap_seconds=0, actor="user:8", at=now + HOUR)
        assert again(staged).active_from == now + HOUR

    def test_is_activated_once(self, now: datetime) -> None:
        staged = add(at=now)
        for uid in (staged.uid, uuid.uuid4()):
            with pytest.raises(CredentialRefused, match="not waiting"):
                credentials.activate(uid=uid, overlap_seconds=0, actor="user:8", at=now)

    def test_is_given_up_after_a_day(self, now: datetime) -> None:
        staged = credentials.stage(provider="stripe", name="webhook_secret", value=SECRET, owner="Ida", at=now, **BY)
        assert credentials.forget_ended(at=now + 23 * HOUR) == 0
        assert credentials.forget_ended(at=now + 24 * HOUR) == 1
        assert again(staged).value_sealed is None
        with pytest.raises(CredentialRefused, match="not waiting"):
            credentials.activate(uid=staged.uid, overlap_seconds=0, actor="user:8", at=now + 25 * HOUR)

    def test_is_checked_again_where_it_is_activated(self, place: Any, now: datetime) -> None:
        staged = credentials.stage(provider="stripe", name="api_key", value=KEY["test"], owner="Ida", at=now, **BY)
        place.ENVIRONMENT = "production"
        with pytest.raises(CredentialRefused, match="test key"):
            credentials.activate(uid=staged.uid, overlap_seconds=0, actor="user:8", at=now)


class TestRotating:
    def test_leaves_the_old_one_for_the_overlap_and_then_erases_it(self, now: datetime) -> None:
        old = add(at=now)
        new = rotate(OTHER_SECRET, at=now + HOUR)
        assert again(old).overlap_until == now + 2 * HOUR
        assert again(new).overlap_until is None
        assert credentials.forget_ended(at=now + HOUR) == 0
        assert credentials.forget_ended(at=now + 2 * HOUR) == 1
        assert again(old).value_sealed is None

    def test_takes_the_environments_secrets_over_for_the_overlap(self, place: Any, now: datetime) -> None:
        place.STRIPE_WEBHOOK_SECRETS = (SECRET, "whsec_" + "c" * 32)
        rotate(OTHER_SECRET, at=now)
        taken = Credential.objects.filter(overlap_until=now + HOUR)
        assert {row.fingerprint for row in taken} == {
            credentials.fingerprint(value) for value in place.STRIPE_WEBHOOK_SECRETS
        }

    def test_takes_no_environments_api_key_over(self, place: Any, now: datetime) -> None:
        place.STRIPE_API_KEY = KEY["test"]
        rotate(OTHER_KEY, name="api_key", at=now)
        assert Credential.objects.count() == 1

    @pytest.mark.parametrize("seconds", [-1, 31 * 24 * 3600])
    def test_wants_an_overlap_within_bounds(self, now: datetime, seconds: int) -> None:
        add(at=now)
        with pytest.raises(CredentialRefused, match="overlap"):
            rotate(OTHER_SECRET, at=now, overlap_seconds=seconds)
        assert Credential.objects.count() == 1, "nothing is left staged"


class TestRevoking:
    def test_erases_the_value_and_says_by_whom_and_why(self, now: datetime) -> None:
        row = add(at=now)
        credentials.revoke_now(uid=row.uid, actor="user:9", reason="seen in a chat", at=now + HOUR)
        kept = again(row)
        assert (kept.value_sealed, kept.revoked_at, kept.revoked_by) == (None, now + HOUR, "user:9")
        assert kept.revoke_reason == "seen in a chat"
        with pytest.raises(CredentialRefused, match="erased"):
            credentials.open_value(kept, purpose=Purpose.CHECK, actor="command:test")

    def test_twice_is_refused(self, now: datetime) -> None:
        row = add(at=now)
        credentials.revoke_now(uid=row.uid, actor="user:9", reason="seen in a chat", at=now)
        with pytest.raises(CredentialRefused, match="revoked already"):
            credentials.revoke_now(uid=row.uid, actor="user:9", reason="seen in a chat", at=now)

    def test_never_comes_back(self, now: datetime) -> None:
        credentials.revoke_now(uid=add(at=now).uid, actor="user:9", reason="seen in a chat", at=now)
        with pytest.raises(CredentialRefused, match="was revoked here"):
            add(SECRET, at=now)

    def test_one_of_the_environment_is_refused_by_its_fingerprint(self, place: Any, now: datetime) -> None:
        place.STRIPE_API_KEY = KEY["test"]
        told: dict[str, Any] = {"provider": "stripe", "name": "api_key", "at": now, **BY}
        with pytest.raises(CredentialRefused, match="has the fingerprint"):
            credentials.revoke_environment(mark="sha256:0000000000000000", **told)
        row = credentials.revoke_environment(mark=credentials.fingerprint(KEY["test"]), **told)
        assert (row.owner, row.revoked_at) == ("environment", now)


class TestExpiry:
    @pytest.mark.parametrize(
        ("days", "told", "warned"),
        [
            (31, None, None),
            (30, None, 30),
            (29, 30, None),
            (7, 30, 7),
            (2, 7, None),
            (1, 7, 1),
            (0, 1, None),
            (-1, None, 1),
        ],
    )
    def test_is_told_once_at_30_7_and_1_days(
        self, now: datetime, days: int, told: int | None, warned: int | None
    ) -> None:
        at = now + timedelta(days=100 - days)
        row = add(at=now, expires_at=now + timedelta(days=100))
        if told is not None:
            credentials.note_warned(row, days=told)
        assert [each for _, each in credentials.to_warn_of(at=at)] == ([] if warned is None else [warned])

    def test_of_one_that_is_replaced_or_revoked_is_no_matter(self, now: datetime) -> None:
        add(at=now, expires_at=now + HOUR)
        new = rotate(OTHER_SECRET, at=now)
        credentials.revoke_now(uid=new.uid, actor="user:9", reason="seen in a chat", at=now)
        assert credentials.to_warn_of(at=now) == []


class TestStarting:
    @pytest.fixture
    def keys(self, place: Any, now: datetime) -> Credential:
        place.ENVIRONMENT = "production"
        add(at=now)
        return add(KEY["live"], name="api_key", at=now)

    def test_with_productions_rows_in_staging_is_refused_and_names_them(self, place: Any, keys: Credential) -> None:
        assert forbids_start(("stripe",)) == []
        place.ENVIRONMENT = "staging"
        api_key, secret = sorted(forbids_start(("stripe",)))
        assert "api_key" in api_key
        assert "webhook_secret" in secret
        assert str(keys.uid) in api_key
        assert "manage.py keys revoke" in api_key

    def test_with_a_live_row_and_another_host_is_refused(self, place: Any, keys: Credential) -> None:
        place.STRIPE_API_BASE = "http://127.0.0.1:4010"
        assert len(forbids_start(("stripe",))) == 2

    def test_after_they_are_revoked_only_what_is_missing_is_said(
        self, place: Any, keys: Credential, now: datetime
    ) -> None:
        place.ENVIRONMENT = "staging"
        for row in Credential.objects.all():
            credentials.revoke_now(uid=row.uid, actor="command:ida", reason="copied from production", at=now)
        assert [sentence.partition(":")[0] for sentence in forbids_start(("stripe",))] == [
            "stripe is offered without its api_key",
            "stripe is offered without its webhook_secret",
        ]
        assert forbids_start(()) == []
        place.STRIPE_API_KEY, place.STRIPE_WEBHOOK_SECRETS = KEY["test"], (SECRET,)
        assert forbids_start(("stripe",)) == []

    def test_without_the_database_is_not_forbidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: Any, **__: Any) -> Any:
            raise DatabaseError("away")

        monkeypatch.setattr(Credential.objects, "filter", away)
        assert forbids_start(("stripe",)) == []


class TestTheDatabase:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"fingerprint": "sha256:0"}, "does not change"),
            ({"provider": "paypal"}, "does not change"),
            ({"created_by": "user:1"}, "does not change"),
            ({"mode": "live"}, "does not change"),
            ({"active_from": None}, "was activated"),
        ],
    )
    def test_refuses_to_rewrite_a_row(self, now: datetime, change: dict[str, Any], why: str) -> None:
        row = add(at=now)
        with pytest.raises(IntegrityError, match=why), transaction.atomic():
            Credential.objects.filter(pk=row.pk).update(**change)

    def test_refuses_to_delete_one(self, now: datetime) -> None:
        row = add(at=now)
        with pytest.raises(IntegrityError, match="never deleted"), transaction.atomic():
            Credential.objects.filter(pk=row.pk).delete()

    @pytest.mark.parametrize(
        "change",
        [{"revoked_at": None, "revoked_by": "", "revoke_reason": ""}, {"value_sealed": b"k1:x"}, {"owner": "x"}],
    )
    def test_refuses_to_bring_a_revoked_one_back(self, now: datetime, change: dict[str, Any]) -> None:
        row = add(at=now)
        credentials.revoke_now(uid=row.uid, actor="user:9", reason="seen in a chat", at=now)
        with pytest.raises(IntegrityError), transaction.atomic():
            Credential.objects.filter(pk=row.pk).update(**change)

    def test_refuses_a_second_current_one(self, now: datetime) -> None:
        row = add(at=now)
        Credential.objects.filter(pk=row.pk).update(overlap_until=now)
        rotate(OTHER_SECRET, at=now)
        with pytest.raises(IntegrityError, match="credential_one_current"), transaction.atomic():
            Credential.objects.filter(pk=row.pk).update(overlap_until=None)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_activate_at_once_one_is_told_to_look_again(now: datetime) -> None:
    """The second waits for the first's row; the database lets one be current."""
    staged = [
        credentials.stage(provider="stripe", name="webhook_secret", value=value, owner="Ida", at=now, **BY)
        for value in (SECRET, OTHER_SECRET)
    ]
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(2)

    def go(uid: uuid.UUID) -> str:
        barrier.wait()
        try:
            credentials.activate(uid=uid, overlap_seconds=0, actor="user:8", at=now)
        except CredentialRefused as refusal:
            return str(refusal)
        finally:
            connections.close_all()
        return ""

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(go, [each.uid for each in staged]))
    current = Credential.objects.filter(active_from__isnull=False, overlap_until__isnull=True)
    assert current.count() == 1
    assert said[1] == "" or "look again" in said[1]


def test_each_opening_is_recorded(now: datetime) -> None:
    row = add(at=now)
    DecryptionRecord.objects.all()
    credentials.open_value(row, purpose=Purpose.CHECK, actor="command:doctor")
    assert [(each.purpose, each.actor) for each in DecryptionRecord.objects.filter(row_uid=row.uid).order_by("pk")] == [
        ("compare", "user:7"),
        ("check", "command:doctor"),
    ]
