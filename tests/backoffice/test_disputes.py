"""The screens of disputes: the countdown in words, what is missing, what stands staged, and who may open them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from payments.disputes import words as dispute_words
from payments.models import Case, Dispute
from payments.roles import Role
from tests.backoffice.people import sign_in
from tests.fake_provider import FakeProvider
from tests.payments.test_dispute_acts import PROOF, Desk, open_desk
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = "<script>alert(1)</script>\u202e<b>"


def signed_in(*roles: Role) -> Client:
    return sign_in(Client(), make_staff(*roles, name=f"reads-{'-'.join(roles)}"))


def page_of(dispute: Dispute) -> str:
    return reverse("admin:payments_dispute_change", args=[dispute.pk])


@pytest.fixture
def desk(fake: FakeProvider) -> Desk:
    return open_desk(fake, timezone.now() - timedelta(minutes=5))


def answer_in(desk: Desk, **left: float) -> None:
    desk.world.provider.change(desk.dispute_id, respond_by=timezone.now() + timedelta(**left))
    desk.world.tell(desk.payment, "charge.dispute.updated")
    desk.world.work()


class TestThePage:
    def test_it_counts_down_in_words_and_says_what_is_missing(self, desk: Desk) -> None:
        answer_in(desk, days=3, hours=4, minutes=1)
        text = signed_in(Role.LEAD).get(page_of(desk.dispute)).content.decode()
        assert "Answer within 3 days 4 hours, by " in text
        assert "Missing:</strong> Carrier, Tracking number, Shipped on, Shipped to." in text
        assert "Nothing is staged." in text
        assert "product not received" in text
        assert "20.00 EUR" in text
        assert reverse("backoffice:act", args=["stage_dispute_evidence", desk.dispute.pk]) in text
        assert "No evidence is staged. Stage it first" in text, "the reason beside the act that is missing"

    def test_staged_then_submitted(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        lead = signed_in(Role.LEAD)
        text = lead.get(page_of(desk.dispute)).content.decode()
        assert "Staged at Stripe, " in text
        assert "JJD0099" in text
        assert desk.world.order.email not in text, "the customer's address is masked"
        assert "All that banks look for with this reason is there." in text
        desk.do("submit_dispute_evidence")
        text = lead.get(page_of(desk.dispute)).content.decode()
        assert "Submitted by us: the bank has it, and takes it once." in text
        assert "It takes evidence once." in text
        assert reverse("backoffice:act", args=["submit_dispute_evidence", desk.dispute.pk]) not in text

    def test_what_comes_from_outside_is_shown_as_text(self, desk: Desk) -> None:
        desk.world.provider.change(desk.dispute_id, reason=HOSTILE)
        answer_in(desk, days=2)
        desk.do("stage_dispute_evidence", **{**PROOF, "uncategorized_text": HOSTILE})
        client = signed_in(Role.LEAD, Role.FINANCE)
        case = Case.objects.get(kind="provider_dispute")
        for path in (
            page_of(desk.dispute),
            reverse("admin:payments_dispute_changelist"),
            reverse("admin:payments_case_change", args=[case.pk]),
            reverse("admin:orders_order_change", args=[desk.world.order_id]),
            reverse("backoffice:act", args=["submit_dispute_evidence", desk.dispute.pk]),
            reverse("admin:index"),
        ):
            response = client.get(path)
            assert response.status_code == 200, path
            assert "<script>alert(1)" not in response.content.decode(), path

    @pytest.mark.parametrize("role", list(Role))
    def test_who_may_open_it(self, desk: Desk, role: Role) -> None:
        client = sign_in(Client(), make_staff(role, name=f"opens-{role}"))
        opens = role in (Role.LEAD, Role.FINANCE, Role.AUDITOR)
        for path in (page_of(desk.dispute), reverse("admin:payments_dispute_changelist")):
            assert (client.get(path).status_code == 200) is opens, (role, path)


class TestTheList:
    def test_overdue_is_marked_in_words_and_filtered(self, desk: Desk) -> None:
        answer_in(desk, hours=-2)
        client, url = signed_in(Role.FINANCE), reverse("admin:payments_dispute_changelist")
        assert "OVERDUE by 2 hours" in client.get(url, {"waits": "overdue"}).content.decode()
        for other in ("near", "bank", "nobody"):
            assert desk.dispute_id not in client.get(url, {"waits": other}).content.decode(), other
        assert desk.dispute_id in client.get(url, {"q": desk.dispute_id}).content.decode()

    def test_it_shows_what_the_bank_holds(self, desk: Desk) -> None:
        assert "20.00 EUR" in signed_in(Role.FINANCE).get(reverse("admin:payments_dispute_changelist")).content.decode()


class TestElsewhere:
    def test_the_order_says_so_at_its_head_and_in_its_timeline(self, desk: Desk) -> None:
        answer_in(desk, days=2)
        url = reverse("admin:orders_order_change", args=[desk.world.order_id])
        text = signed_in(Role.SUPPORT).get(url).content.decode()
        assert "The customer&#x27;s bank disputes 20.00 EUR: answer within 1 day 23 hours" in text
        assert page_of(desk.dispute) not in text, "Support may know of it, and may not open it"
        assert "The bank took 20.00 EUR back through Stripe" in text
        assert page_of(desk.dispute) in signed_in(Role.LEAD).get(url).content.decode()

    def test_home_shows_what_is_near_to_whom_it_concerns(self, desk: Desk) -> None:
        answer_in(desk, days=9)
        lead = signed_in(Role.LEAD)
        assert "Disputes to answer" not in lead.get(reverse("admin:index")).content.decode()
        answer_in(desk, days=2)
        text = lead.get(reverse("admin:index")).content.decode()
        assert "Disputes to answer" in text
        assert page_of(desk.dispute) in text
        assert "Disputes to answer" not in signed_in(Role.SUPPORT).get(reverse("admin:index")).content.decode()

    def test_it_is_found_by_its_id(self, desk: Desk) -> None:
        response = signed_in(Role.SUPPORT).get(reverse("backoffice:search"), {"q": desk.dispute_id}, follow=True)
        assert f"Order {desk.world.order.number}" in response.content.decode()

    def test_the_shopper_reads_of_it(self, desk: Desk, client: Client) -> None:
        url = f"/orders/{desk.world.order.token}/"
        assert "You asked your bank about this payment" in client.get(url).content.decode()
        desk.world.provider.decide(desk.dispute_id, "lost")
        desk.world.tell(desk.payment, "charge.dispute.closed")
        desk.world.work()
        assert "Your bank gave the money back to you" in client.get(url).content.decode()


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ({"days": 3, "hours": 4, "minutes": 59}, "3 days 4 hours"),
        ({"days": 1, "minutes": 59}, "1 day 0 hours"),
        ({"hours": 4, "minutes": 10}, "4 hours 10 minutes"),
        ({"hours": 1, "minutes": 1}, "1 hour 1 minute"),
        ({"seconds": 59}, "0 minutes"),
        ({"seconds": -5}, "0 minutes"),
    ],
)
def test_a_span_in_words(left: dict[str, Any], words: str) -> None:
    assert dispute_words.span(timedelta(**left)) == words


def test_every_state_has_its_words() -> None:
    at = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    nothing: dict[str, Any] = {"respond_by": None, "submitted_at": None, "closed_at": None, "at": at}
    assert dispute_words.countdown("open", **nothing) == "answer it; the provider has named no deadline"
    assert dispute_words.countdown("under_review", **nothing) == "answered; the bank decides"
    assert dispute_words.countdown("won", **{**nothing, "closed_at": at}) == "won on 2026-11-25 09:00 UTC"
