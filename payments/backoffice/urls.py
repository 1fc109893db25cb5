"""The back office's own pages beside the admin's: each behind the admin's sign-in, each with its own permission."""

from django.contrib import admin
from django.urls import path

from payments.backoffice import acting, cases, inbox, monitoring, order_acts, search_page

app_name = "backoffice"
urlpatterns = [
    path("monitoring/", admin.site.admin_view(monitoring.monitoring), name="monitoring"),
    path("act/<slug:operation>/<int:subject_id>/", admin.site.admin_view(acting.act), name="act"),
    path("actions/<int:action_id>/decide/", admin.site.admin_view(acting.decide), name="decide"),
    path("actions/<int:action_id>/withdraw/", admin.site.admin_view(acting.withdraw), name="withdraw"),
    path("actions/<int:action_id>/payload/", admin.site.admin_view(inbox.payload), name="payload"),
    path("cases/<int:case_id>/take/", admin.site.admin_view(cases.take), name="take_case"),
    path("cases/<int:case_id>/note/", admin.site.admin_view(cases.note), name="note_case"),
    path("actions/<int:action_id>/person/", admin.site.admin_view(order_acts.person), name="person"),
    path("orders/<int:order_id>/note/", admin.site.admin_view(order_acts.note), name="note"),
    path("orders/<int:order_id>/resend/", admin.site.admin_view(order_acts.resend), name="resend"),
    path("orders/<int:order_id>/ask/", admin.site.admin_view(order_acts.ask), name="ask"),
    path("search/", admin.site.admin_view(search_page.search), name="search"),
]
