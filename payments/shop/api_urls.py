"""The API's addresses, below /api/. They are fixed (DESIGN.md, public surface)."""

from django.urls import path, re_path

from payments.shop import api, api_docs, api_refunds, api_staff

app_name = "api"
urlpatterns = [
    path("schema/", api_docs.SchemaView.as_view(), name="schema"),
    path("docs/", api_docs.docs, name="docs"),
    path("v1/orders/", api.OrdersView.as_view(), name="orders"),
    path("v1/orders/<slug:token>/", api.OrderView.as_view(), name="order"),
    path("v1/orders/<slug:token>/attempts/", api.AttemptsView.as_view(), name="attempts"),
    path("v1/attempts/<slug:reference>/refunds/", api_refunds.RefundsView.as_view(), name="refunds"),
    path("v1/refunds/<slug:reference>/", api_refunds.RefundView.as_view(), name="refund"),
    path("v1/staff/me/", api_staff.MeView.as_view(), name="staff_me"),
    re_path(r"^v1(?:/.*)?$", api.nothing_here),
]
