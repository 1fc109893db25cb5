"""The back office's own pages beside the admin's: each behind the admin's sign-in, each with its own permission."""

from django.contrib import admin
from django.urls import path

from payments.backoffice import acting, cases, inbox, monitoring, runbook_pages

app_name = "backoffice"
urlpatterns = [
    path("monitoring/", admin.site.admin_view(monitoring.monitoring), name="monitoring"),
    path("runbooks/", admin.site.admin_view(runbook_pages.index), name="runbooks"),
    path("runbooks/<slug:code>/", admin.site.admin_view(runbook_pages.runbook), name="runbook"),
    path("act/<slug:operation>/<int:subject_id>/", admin.site.admin_view(acting.act), name="act"),
    path("actions/<int:action_id>/decide/", admin.site.admin_view(acting.decide), name="decide"),
    path("actions/<int:action_id>/withdraw/", admin.site.admin_view(acting.withdraw), name="withdraw"),
    path("actions/<int:action_id>/payload/", admin.site.admin_view(inbox.payload), name="payload"),
    path("cases/<int:case_id>/take/", admin.site.admin_view(cases.take), name="take_case"),
    path("cases/<int:case_id>/note/", admin.site.admin_view(cases.note), name="note_case"),
]
