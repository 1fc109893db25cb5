"""All addresses of payments: the shop's pages, the machine's."""

from django.urls import include, path, re_path

from payments.webhooks import WebhookView

urlpatterns = [
    path("", include("payments.shop.urls")),
    path("api/", include("payments.shop.api_urls")),
    re_path(r"^webhooks/(?P<provider>[a-z0-9_-]{1,20})/$", WebhookView.as_view(), name="webhook"),
]
