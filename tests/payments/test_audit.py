"""Who did what, from where and why, in requests, commands and tasks; what cannot be recorded does not happen."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import AnonymousUser, Group
from django.core.management import call_command
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from integrations import correlation
from orders.models import Order, Product
from payments.audit import recording as audit
from payments.audit.events import Event, label_of
from payments.models import AuditRecord
from payments.people import mfa
from payments.roles import Role
from tests.audit_rows import audit_away
from tests.factories import make_product
from tests.staff import PASSWORD, enrol, make_staff, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def product() -> Product:
    """A product; its changes are audited."""
    return make_product()


def rename(product: Product) -> Any:
    """Change the product and return what the audit log says of it."""
    product.name += "!"
    product.save()
    return LogEntry.objects.get_for_object(product).latest("pk")


class TestActing:
    def test_a_change_names_who_made_it_and_why(self, product: Product) -> None:
        person = make_staff(Role.LEAD)
        about = {"reason_code": "typo", "reason": "The name was wrong", "action_id": 12, "client": "203.0.113.9"}
        with correlation.bind("a" * 20), audit.acting(actor=person, **about):  # type: ignore[arg-type]
            entry = rename(product)
        assert (entry.actor, entry.remote_addr, entry.cid) == (person, "203.0.113.9", "a" * 20)
        assert entry.additional_data == {
            "actor": f"user:{person.pk}",
            "reason_code": "typo",
            "reason": "The name was wrong",
            "action": 12,
        }

    def test_inner_blocks_add_and_the_outer_actor_comes_back(self, product: Product) -> None:
        with audit.acting(actor="worker:keep", reason="housekeeping"):
            with audit.acting(reason="closed by itself"):
                assert rename(product).additional_data["actor"] == "worker:keep"
                assert rename(product).additional_data["reason"] == "closed by itself"
            with audit.acting(actor="command:ann"):
                assert rename(product).additional_data["actor"] == "command:ann"
            assert rename(product).additional_data["actor"] == "worker:keep"
            assert rename(product).additional_data["reason"] == "housekeeping"

    def test_outside_any_block_it_is_the_command(self, product: Product) -> None:
        told = rename(product).additional_data
        assert told["actor"] == audit.command_actor()
        assert told["actor"].startswith("command:")

    def test_in_a_workers_process_it_is_the_worker(self, product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("Q_CLUSTER_NAME", "deliver")
        assert rename(product).additional_data["actor"] == "worker:deliver"

    def test_a_block_without_a_correlation_id_gets_one(self, product: Product) -> None:
        with audit.acting(actor="worker:keep"):
            first, second = rename(product), rename(product)
        assert len(first.cid) == 32
        assert first.cid == second.cid

    def test_threads_do_not_inherit_somebody_elses_name(self) -> None:
        seen: list[str] = []
        with audit.acting(actor="user:7"):
            thread = threading.Thread(target=lambda: seen.append(audit.name_of(audit.current().actor)))
            thread.start()
            thread.join()
        assert seen == [audit.command_actor()]

    def test_names(self) -> None:
        person = make_staff()
        assert audit.name_of(person) == f"user:{person.pk}"
        assert audit.name_of(lambda: person) == f"user:{person.pk}"
        assert audit.name_of(None) == audit.name_of(AnonymousUser()) == audit.name_of("") == "anonymous"


class TestRecord:
    def test_one_row_with_all_of_it(self, now: datetime) -> None:
        person = make_staff(Role.AUDITOR)
        with correlation.bind("b" * 20), audit.acting(client="2001:db8::1"):
            row = audit.record(
                Event.REVEALED,
                actor=person,
                subject_kind="event",
                subject_id=7,
                reason_code="dispute",
                reason="The shopper asks",
                details={"field": "body"},
                at=now,
            )
        row.refresh_from_db()
        assert (row.event, row.actor, row.subject_kind, row.subject_id) == ("revealed", f"user:{person.pk}", "event", 7)
        assert (row.reason_code, row.reason, row.details) == ("dispute", "The shopper asks", {"field": "body"})
        assert (row.client, row.correlation_id, row.at) == ("2001:db8::1", "b" * 20, now)

    def test_secrets_and_what_postgresql_refuses_stay_out(self, now: datetime) -> None:
        hostile = {
            "password": "hunter22",
            "said": "4242 4242 4242 4242 \x00 \ud800",
            "deep": [{"a\x00b": "me@example.com"}],
        }
        row = audit.record(Event.EXPORTED, actor="command:x", reason="card 4242424242424242", details=hostile, at=now)
        row.refresh_from_db()
        assert row.reason == "card [card]"
        assert row.details == {"password": "[secret]", "said": "[card] \ufffd ?", "deep": [{"a\ufffdb": "[email]"}]}

    def test_a_peer_on_a_unix_socket_has_no_address(self, now: datetime) -> None:
        assert audit.record(Event.EXPORTED, actor="x", at=now, client="unix:").client is None

    def test_events_have_words_and_old_ones_stay_readable(self) -> None:
        assert all(event.label for event in Event)
        assert label_of("revealed") == "Personal data or a raw payload shown"
        assert label_of("gone") == "gone"
        assert max(len(event) for event in Event) <= 30


class TestRequests:
    def test_a_change_in_the_admin_names_the_person_and_the_address(self, client: Client, product: Product) -> None:
        person = make_staff(Role.LEAD)
        sign_in(client, person)
        form = {"sku": product.sku, "slug": product.slug, "name": "Renamed", "max_quantity": 3, "active": "on"}
        prices = {f"prices-{name}": value for name, value in (("TOTAL_FORMS", 0), ("INITIAL_FORMS", 0))}
        answer = client.post(
            f"/admin/orders/product/{product.pk}/change/", {**form, **prices},
            REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR="6.6.6.6",
        )  # fmt: skip
        assert answer.status_code == 302
        entry = LogEntry.objects.get_for_object(product).latest("pk")
        assert entry.changes["name"][1] == "Renamed"
        assert (entry.actor, entry.remote_addr, entry.cid) == (person, "203.0.113.9", answer.headers["X-Request-ID"])

    def test_what_staff_are_refused_is_recorded(self, client: Client) -> None:
        person = make_staff(Role.SUPPORT)
        sign_in(client, person)
        assert client.get("/admin/payments/ledgertransaction/").status_code == 403
        row = AuditRecord.objects.get(event=Event.PERMISSION_REFUSED)
        assert row.actor == f"user:{person.pk}"
        assert row.details == {"method": "GET", "route": "admin:payments_ledgertransaction_changelist"}

    def test_strangers_fill_no_audit_log(self, client: Client) -> None:
        client.get("/admin/payments/ledgertransaction/")
        assert not AuditRecord.objects.exists()


class TestSigningIn:
    def sign_in(self, client: Client, name: str, password: str, code: str = "000000") -> Any:
        said = {"username": name, "password": password, "code": code}
        return client.post("/admin/login/", said, REMOTE_ADDR="203.0.113.9")

    def told(self) -> list[tuple[str, str, int]]:
        return [(row.event, row.actor, row.subject_id) for row in AuditRecord.objects.order_by("pk")]

    def test_in_out_and_failed(self, client: Client) -> None:
        person = make_staff(Role.SUPPORT, name="ann")
        key = enrol(person, at=timezone.now())
        self.sign_in(client, "ann", "wrong")
        self.sign_in(client, "ann", PASSWORD, mfa.code_at(key, timezone.now()))
        client.post("/admin/logout/")
        me = f"user:{person.pk}"
        assert self.told() == [
            ("sign_in_failed", "anonymous", person.pk),
            ("signed_in", me, person.pk),
            ("signed_out", me, person.pk),
        ]
        assert {row.client for row in AuditRecord.objects.exclude(event=Event.SIGNED_OUT)} == {"203.0.113.9"}

    def test_a_password_in_the_names_field_is_kept_nowhere(self, client: Client) -> None:
        self.sign_in(client, "correct horse battery!", "x")
        (row,) = AuditRecord.objects.all()
        assert (row.event, row.subject_id, row.details, row.reason) == ("sign_in_failed", 0, {}, "")

    @pytest.mark.parametrize("name", ["a\x00b", "x" * 5000, "\ud800"])
    def test_names_that_are_none(self, client: Client, name: str) -> None:
        assert self.sign_in(client, name.encode("utf-8", "surrogatepass").decode("latin-1"), "x").status_code == 200

    def test_lockout(self, client: Client) -> None:
        person = make_staff(Role.SUPPORT, name="ann")
        for _ in range(5):
            self.sign_in(client, "ann", "wrong")
        assert ("locked_out", "anonymous", person.pk) in self.told()


class TestCommands:
    def test_one_that_changes_something_is_recorded_with_its_reason(self, now: datetime) -> None:
        """Everything it changes carries its correlation id."""
        Group.objects.all().delete()  # `migrate` has made them
        call_command("sync_roles")
        row = AuditRecord.objects.get(event=Event.COMMAND_RUN)
        assert (row.actor, row.details) == (audit.command_actor(), {"command": "sync_roles"})
        made = LogEntry.objects.filter(content_type__model="group", action=LogEntry.Action.CREATE)
        assert {(entry.cid, entry.additional_data["command"]) for entry in made} == {
            (row.correlation_id, "manage.py sync_roles")
        }

    def test_one_that_only_looks_is_not(self) -> None:
        Group.objects.all().delete()
        with pytest.raises(SystemExit):
            call_command("sync_roles", "--check")
        assert not AuditRecord.objects.exists()

    def test_its_reason(self, order: Order) -> None:
        call_command("reconcile", "--order", str(order.pk))
        row = AuditRecord.objects.get(event=Event.COMMAND_RUN)
        assert (row.subject_kind, row.subject_id, row.details) == ("order", order.pk, {"command": "reconcile"})


@pytest.mark.django_db(transaction=True)
class TestNothingHappensUnrecorded:
    """FAULTS.md, 35: the row cannot be written, so the act fails."""

    def test_no_sign_in(self, client: Client) -> None:
        key = enrol(make_staff(Role.SUPPORT, name="ann"), at=timezone.now())
        client.raise_request_exception = False
        with audit_away():
            said = {"username": "ann", "password": PASSWORD, "code": mfa.code_at(key, timezone.now())}
            answer = client.post("/admin/login/", said)
        assert answer.status_code == 500
        assert client.get("/admin/").status_code == 302  # to the sign-in page

    def test_no_event_without_its_row(self, now: datetime) -> None:
        with audit_away(), pytest.raises(DatabaseError, match="permission denied"):
            audit.record(Event.REVEALED, actor="user:1", at=now)

    def test_a_refusal_stays_a_refusal(self, client: Client) -> None:
        sign_in(client, make_staff(Role.SUPPORT))
        with audit_away():
            assert client.get("/admin/payments/ledgertransaction/").status_code == 403
        assert not AuditRecord.objects.filter(event=Event.PERMISSION_REFUSED).exists()
