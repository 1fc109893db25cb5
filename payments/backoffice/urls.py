"""The back office's own pages beside the admin's: each behind the admin's sign-in, each with its own permission."""

from django.contrib import admin
from django.urls import path

from payments.backoffice import acting

app_name = "backoffice"
urlpatterns = [
    path("act/<slug:operation>/<int:subject_id>/", admin.site.admin_view(acting.act), name="act"),
    path("actions/<int:action_id>/decide/", admin.site.admin_view(acting.decide), name="decide"),
    path("actions/<int:action_id>/withdraw/", admin.site.admin_view(acting.withdraw), name="withdraw"),
]
