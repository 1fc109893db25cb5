"""The audit log's screens: who may read, what a line tells, filters, pages, what belongs together, the seals."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from integrations import correlation, outbox
from orders.models import Order
from payments.audit import log as audit_log
from payments.audit import recording as audit
from payments.audit import sealing
from payments.audit.events import Event
from payments.audit.log import Filters, position_of
from payments.models import AuditRecord, AuditSeal
from payments.roles import Role
from tests.backoffice.people import client_of, signed_in
from tests.factories import make_product
from tests.staff import make_staff

pytestmark = pytest.mark.django_db

SHOWN = Event.REVEALED.label
LOG, SEALS = "/admin/payments/auditrecord/", "/admin/payments/auditseal/"


@pytest.fixture
def auditor() -> Client:
    return signed_in(Role.AUDITOR)


@pytest.fixture
def quiet(auditor: Client, now: datetime) -> Client:
    """An auditor's client; the log's newest lines are the test's own, for they lie in the future."""
    return auditor


def soon(seconds: int = 0) -> datetime:
    return timezone.now() + timedelta(days=1, seconds=seconds)


def table(client: Client, **asked: Any) -> list[list[str]]:
    """Return the cells of the list as text."""
    answer = client.get(LOG, asked)
    assert answer.status_code == 200
    body = re.search(r"<tbody>(.*?)</tbody>", answer.content.decode(), re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", body[1] if body else "", re.DOTALL)
    return [[_text(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


def _text(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def page_text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return _text(answer.content.decode().partition('<div id="content-main">')[2])


class TestWhoMayRead:
    @pytest.mark.parametrize("role", list(Role))
    def test_auditor_and_administrator(self, role: Role) -> None:
        entry = audit.record(Event.EXPORTED, actor="command:x", at=timezone.now())
        make_product()
        change = LogEntry.objects.latest("pk")
        sealing.seal_now(now=timezone.now())
        client = signed_in(role)
        pages = [
            LOG, f"{LOG}{entry.pk}/change/",
            "/admin/auditlog/logentry/", f"/admin/auditlog/logentry/{change.pk}/change/",
            SEALS, f"{SEALS}{AuditSeal.objects.get().pk}/change/",
        ]  # fmt: skip
        expected = {200, 302} if role in (Role.AUDITOR, Role.ADMIN) else {403}
        assert {client.get(page).status_code for page in pages} <= expected

    def test_nobody_changes_anything(self) -> None:
        entry = audit.record(Event.EXPORTED, actor="command:x", at=timezone.now())
        client = signed_in(*Role)
        for address in (f"{LOG}{entry.pk}/delete/", f"{LOG}add/", f"{SEALS}add/"):
            assert client.post(address, {"post": "yes"}).status_code == 403
        client.post(f"{LOG}{entry.pk}/change/", {"actor": "user:1"})
        client.post(LOG, {"action": "delete_selected", "_selected_action": entry.pk, "post": "yes"})
        assert AuditRecord.objects.get(pk=entry.pk).actor == "command:x"

    @pytest.mark.parametrize("key", ["0", "99999999", "x", "1;drop", "9" * 30])
    def test_a_line_that_is_not_there(self, auditor: Client, key: str) -> None:
        assert auditor.get(f"{LOG}{key}/change/").status_code == 404
        assert auditor.get(f"/admin/auditlog/logentry/{key}/change/").status_code == 404

    def test_the_home_page_leads_there_once(self, auditor: Client) -> None:
        home = auditor.get("/admin/").content.decode()
        assert home.count(f'href="{LOG}"') >= 1
        assert "/admin/auditlog/" not in home


class TestTheList:
    def test_events_and_changes_in_one(self, quiet: Client) -> None:
        person = make_staff(Role.SUPPORT, name="ann")
        with audit.acting(actor=person, reason="It is heavier"):
            product = make_product(sku="MUG-1")
        audit.record(
            Event.REVEALED, actor=person, subject_kind="user", subject_id=person.pk, reason="They asked", at=soon()
        )
        rows = table(quiet)
        assert rows[0][1:5] == [
            f"ann user:{person.pk}",
            SHOWN,
            f"user {person.pk}",
            "They asked",
        ]
        made = [row for row in rows if row[3] == str(product)]
        assert [row[1:5] for row in made] == [
            [f"ann user:{person.pk}", "Created product", "Thing MUG-1", "It is heavier"]
        ]

    def test_filters(self, quiet: Client) -> None:
        ann, bob = make_staff(Role.SUPPORT, name="ann"), make_staff(Role.SUPPORT, name="bob")
        day = datetime(2026, 11, 21, 23, 59, 59, 999999, tzinfo=UTC)
        with audit.acting(actor=ann):
            product = make_product()
        with correlation.bind("c" * 20):
            audit.record(Event.REVEALED, actor=ann, subject_kind="user", subject_id=bob.pk, at=day)
        audit.record(Event.EXPORTED, actor=bob, at=day + timedelta(microseconds=1))
        assert {row[2] for row in table(quiet, who="ann")} == {
            "Created product",
            "Created price",
            SHOWN,
        }
        assert table(quiet, who=f"user:{ann.pk}") == table(quiet, who="ann")
        assert {row[1] for row in table(quiet, event=Event.EXPORTED)} == {f"bob user:{bob.pk}"}
        assert {row[2].partition(" ")[0] for row in table(quiet, event="created")} == {"Created"}
        assert [row[3] for row in table(quiet, subject="product", number=product.pk)] == [str(product)]
        about = table(quiet, subject="user", number=bob.pk)
        assert {row[2].removesuffix(" pytest") for row in about} == {"Created user", "Changed user", SHOWN}
        assert [row[2] for row in table(quiet, day="2026-11-21")] == [SHOWN]
        assert [row[2] for row in table(quiet, day="2026-11-22")] == ["Exported"]
        assert len(table(quiet, correlation="c" * 20)) == 1
        assert table(quiet, who="nobody") == []

    @pytest.mark.parametrize(
        "asked",
        [
            {"day": "yesterday"}, {"number": "-1"}, {"number": "9" * 40}, {"event": "x"}, {"subject": "x"},
            {"who": "\x00"}, {"who": "x" * 200}, {"after": "x"}, {"after": "event-" + "9" * 18 + "-1"},
            {"correlation": "'\"<b>"}, {"q": "x"},
        ],
    )  # fmt: skip
    def test_what_is_no_filter(self, auditor: Client, asked: dict[str, str]) -> None:
        answer = auditor.get(LOG, asked)
        assert answer.status_code == 200
        assert b"<b>" not in answer.content

    def test_pages_hold_every_line_once(self, auditor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        at = soon()
        for number in range(7):  # of two tables, several at the very same moment
            audit.record(Event.EXPORTED, actor="command:x", at=at + timedelta(seconds=number // 3))
            LogEntry.objects.filter(pk=_change_at(at + timedelta(seconds=number // 3))).exists()
        seen, position = [], None
        while True:
            lines, position = audit_log.page(Filters(), position, size=4)
            seen += [(line.source, line.key) for line in lines]
            if position is None:
                break
            position = position_of(str(position))
        assert len(seen) == len(set(seen)) == AuditRecord.objects.count() + LogEntry.objects.count()
        times = [_line(source, key).at for source, key in seen]
        assert times == sorted(times, reverse=True)

    def test_links_keep_the_filter(self, auditor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        from payments.backoffice import audit_log as screen

        monkeypatch.setattr(screen, "PAGE_LINES", 2)
        for _ in range(3):
            audit.record(Event.EXPORTED, actor="command:x", at=soon())
        first = auditor.get(LOG, {"event": "exported"}).content.decode()
        older = unescape(re.findall(r'href="(\?[^"]+)" rel="next"', first)[0])
        assert "event=exported" in older
        second = auditor.get(LOG + older).content.decode()
        assert "1 shown" in second
        assert 'rel="next"' not in second

    def test_nothing_is_counted(self, auditor: Client, django_assert_max_num_queries: Any) -> None:
        for number in range(60):
            audit.record(Event.EXPORTED, actor=f"user:{number}", at=soon(number))
        with django_assert_max_num_queries(14) as queries:
            assert len(table(auditor)) == 50
        assert not [query for query in queries if "COUNT(" in query["sql"]]


def _change_at(at: datetime) -> int:
    make_product()
    entry = LogEntry.objects.latest("pk")
    return int(entry.pk)


def _line(source: str, key: int) -> audit_log.Line:
    line = audit_log.line(source, key)
    assert line is not None
    return line


class TestOneLine:
    def test_an_event(self, auditor: Client) -> None:
        person = make_staff(Role.SUPPORT, name="ann")
        with correlation.bind("d" * 20):
            row = audit.record(
                Event.REVEALED, actor=person, subject_kind="user", subject_id=person.pk, reason_code="dispute",
                reason="They asked", details={"field": "body"}, at=timezone.now(), client="203.0.113.9",
            )  # fmt: skip
        told = page_text(auditor, f"{LOG}{row.pk}/change/")
        for expected in ("ann", "203.0.113.9", "dispute They asked", "d" * 20, "field body"):
            assert expected in told

    def test_a_change_in_words(self, auditor: Client) -> None:
        person = make_staff(name="ann")
        person.groups.add(Group.objects.get(name=Role.LEAD))
        change = LogEntry.objects.get_for_object(person).latest("pk")
        assert "Groups – Lead" in page_text(auditor, f"/admin/auditlog/logentry/{change.pk}/change/")
        product = make_product()
        product.active = False
        product.save()
        change = LogEntry.objects.get_for_object(product).latest("pk")
        assert "Active True False" in page_text(auditor, f"/admin/auditlog/logentry/{change.pk}/change/")

    def test_what_belongs_together(self, auditor: Client, order: Order, now: datetime) -> None:
        with correlation.bind("e" * 20):
            row = audit.record(Event.PROVIDER_ASKED, actor="user:7", subject_kind="order", subject_id=order.pk, at=now)
            product = make_product()
            outbox.record("order.placed", subject_kind="order", subject_id=order.pk, payload={}, now=now)
        address = f"{LOG}{row.pk}/change/"
        told = page_text(auditor, address)
        assert f"order.placed of order {order.pk}" in told
        assert f"Created product: {product}" in told
        assert f"?correlation={'e' * 20}" in auditor.get(address).content.decode()
        assert f"/admin/orders/order/{order.pk}/change/" in auditor.get(address).content.decode()

    def test_no_link_that_the_reader_may_not_open(self) -> None:
        """The administrator sees no cases."""
        row = audit.record(Event.EXPORTED, actor="user:7", subject_kind="case", subject_id=1, at=timezone.now())
        admin, auditor = signed_in(Role.ADMIN), signed_in(Role.AUDITOR)
        address, link = f"{LOG}{row.pk}/change/", "/admin/payments/case/1/change/"
        assert link in auditor.get(address).content.decode()
        assert link not in admin.get(address).content.decode()


class TestSeals:
    def test_nobody_has_looked(self, auditor: Client) -> None:
        assert "Nobody has proved the chain yet" in auditor.get(SEALS).content.decode()

    def test_verified_until(self, auditor: Client) -> None:
        audit.record(Event.EXPORTED, actor="command:x", at=timezone.now())
        seal = sealing.seal_now(now=timezone.now())
        assert seal is not None
        call_command("verify_audit")
        page = _text(auditor.get(SEALS).content.decode())
        assert f"Verified until {seal.sealed_at.isoformat()}" in page
        assert f"{seal.number}:{seal.digest}" in page
        one = _text(auditor.get(f"{SEALS}{seal.pk}/change/").content.decode())
        assert re.search(r"payments_auditrecord [1-9]", one)

    def test_broken(self, auditor: Client) -> None:
        told = {"broken": 1, "first_broken": "seal 1, payments_note 7: gone", "verified_until": None}
        audit.record(Event.AUDIT_VERIFIED, actor="command:x", details=told, at=timezone.now())
        assert "Broken: seal 1, payments_note 7: gone" in _text(auditor.get(SEALS).content.decode())


def test_a_persons_own_client_is_used() -> None:
    assert client_of(make_staff(Role.AUDITOR)).get(LOG).status_code == 200
