"""The shop's addresses from *pay* onwards (DESIGN.md, public surface)."""

from django.urls import path

from payments.shop import form_page, views

app_name = "payments"
urlpatterns = [
    path("pay/<slug:token>/", views.pay, name="pay"),
    path("pay/<slug:token>/return/", views.returned, name="return"),
    path("pay/<slug:token>/<slug:provider>/", form_page.form, name="form"),
    path("orders/<slug:token>/", views.order, name="order"),
    path("orders/<slug:token>/status.json", views.status, name="status"),
]
