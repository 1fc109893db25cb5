"""The back office's own pages beside the admin's: behind the admin's sign-in, but for those of an invitation.

Each view says who may open it (payments/backoffice/access.py).
"""

from django.contrib import admin
from django.urls import include, path

from payments.backoffice import (
    acting,
    cases,
    dead_letters,
    inbox,
    keys,
    ledger,
    monitoring,
    order_acts,
    payouts,
    receiver_secrets,
    runbook_pages,
    search_page,
)

app_name = "backoffice"
urlpatterns = [
    path("", include("payments.backoffice.people_urls")),
    path("monitoring/", admin.site.admin_view(monitoring.monitoring), name="monitoring"),
    path("runbooks/", admin.site.admin_view(runbook_pages.index), name="runbooks"),
    path("runbooks/<slug:code>/", admin.site.admin_view(runbook_pages.runbook), name="runbook"),
    path("act/<slug:operation>/<int:subject_id>/", admin.site.admin_view(acting.act), name="act"),
    path("actions/<int:action_id>/decide/", admin.site.admin_view(acting.decide), name="decide"),
    path("actions/<int:action_id>/withdraw/", admin.site.admin_view(acting.withdraw), name="withdraw"),
    path("actions/<int:action_id>/payload/", admin.site.admin_view(inbox.payload), name="payload"),
    path("cases/<int:case_id>/take/", admin.site.admin_view(cases.take), name="take_case"),
    path("dead-letters/", admin.site.admin_view(dead_letters.page), name="dead_letters"),
    path("keys/new/", admin.site.admin_view(keys.stage), name="stage_key"),
    path(
        "receivers/<int:destination_id>/secret/",
        admin.site.admin_view(receiver_secrets.stage),
        name="stage_receiver_secret",
    ),
    path("cases/<int:case_id>/note/", admin.site.admin_view(cases.note), name="note_case"),
    path("actions/<int:action_id>/person/", admin.site.admin_view(order_acts.person), name="person"),
    path("orders/<int:order_id>/note/", admin.site.admin_view(order_acts.note), name="note"),
    path("orders/<int:order_id>/resend/", admin.site.admin_view(order_acts.resend), name="resend"),
    path("orders/<int:order_id>/ask/", admin.site.admin_view(order_acts.ask), name="ask"),
    path("ledger/", admin.site.admin_view(ledger.ledger), name="ledger"),
    path("ledger/export/", admin.site.admin_view(ledger.export), name="export_ledger"),
    path("payouts/<int:payout_key>/<slug:form>/", admin.site.admin_view(payouts.export), name="export_payout"),
    path("search/", admin.site.admin_view(search_page.search), name="search"),
]
