"""A list is filtered by what its page offers, and by nothing else: an address is no way to guess what is masked."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib import admin
from django.db import models
from django.urls import reverse

from payments.backoffice.base import ReadOnlyAdmin
from payments.roles import Role
from tests.backoffice.filled import fill
from tests.backoffice.people import signed_in
from tests.fake_provider import FakeProvider

pytestmark = pytest.mark.django_db

WRITTEN = (models.CharField, models.TextField, models.BinaryField, models.JSONField)


def guesses() -> list[tuple[str, str]]:
    """Return a guess of each column of each list that can only be read, with the list's address."""
    found = []
    for model, screen in admin.site._registry.items():
        if not isinstance(screen, ReadOnlyAdmin):
            continue
        list_ = reverse(f"admin:{screen.opts.app_label}_{screen.opts.model_name}_changelist")
        found += [(list_, f"{each.name}__startswith") for each in model._meta.fields if isinstance(each, WRITTEN)]
    return found


def test_no_address_tells_letter_by_letter_what_a_list_masks(fake: FakeProvider, now: datetime) -> None:
    filled = fill(fake, now=now)
    support = signed_in(Role.SUPPORT)
    orders = reverse("admin:orders_order_changelist")
    first, other = filled.open.email[0], "q"
    right = support.get(orders, {"email__startswith": first, "token__startswith": filled.open.token[:3]})
    wrong = support.get(orders, {"email__startswith": other})
    assert (right.status_code, wrong.status_code) == (400, 400)


@pytest.mark.slow
def test_nothing_but_the_filters_of_the_page_is_asked(fake: FakeProvider, now: datetime) -> None:
    fill(fake, now=now)
    client = signed_in(*Role)
    answered = []
    for list_, guess in guesses():
        answer = client.get(list_, {guess: "a"})
        if answer.status_code != 400:
            answered.append((list_, guess))
    # The audit log's own two lists are not the admin's: they know no such questions.
    own = {reverse("admin:auditlog_logentry_changelist"), reverse("admin:payments_auditrecord_changelist")}
    assert [each for each in answered if each[0] not in own] == []


def test_what_the_page_offers_still_filters(fake: FakeProvider, now: datetime) -> None:
    fill(fake, now=now)
    client = signed_in(*Role)
    for name, query in [
        ("orders_order", {"state__exact": "placed"}),
        ("orders_order", {"placed_at__gte": "2026-11-01 00:00:00+00:00", "placed_at__lt": "2026-12-01 00:00:00+00:00"}),
        ("integrations_delivery", {"state__exact": "dead", "destination__id__exact": "1"}),
        ("payments_stafftoken", {"revoked_at__isempty": "1"}),
        ("auth_user", {"groups__id__exact": "1"}),
    ]:
        answer = client.get(reverse(f"admin:{name}_changelist"), query)
        assert answer.status_code == 200, (name, query)


def test_a_rows_page_leads_to_its_lines_in_the_audit_log(fake: FakeProvider, now: datetime) -> None:
    filled = fill(fake, now=now)
    attempt = filled.paid.attempts.get()
    page = reverse("admin:payments_paymentattempt_change", args=[attempt.pk])
    history = reverse("admin:payments_paymentattempt_history", args=[attempt.pk])
    support, auditor = signed_in(Role.SUPPORT), signed_in(Role.AUDITOR)
    assert "historylink" not in support.get(page).content.decode()
    assert support.get(history).status_code == 403
    link = f"{reverse('admin:payments_auditrecord_changelist')}?subject=attempt&amp;number={attempt.pk}"
    assert f'href="{link}" class="historylink"' in auditor.get(page).content.decode()
    assert auditor.get(history, follow=True).status_code == 200
