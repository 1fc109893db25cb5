"""The shop's addresses from *pay* onwards (DESIGN.md, public surface)."""

from django.urls import path

from payments.shop import views

app_name = "payments"
urlpatterns = [
    path("pay/<str:token>/", views.pay, name="pay"),
    path("pay/<str:token>/return/", views.returned, name="return"),
    path("orders/<str:token>/", views.order, name="order"),
    path("orders/<str:token>/status.json", views.status, name="status"),
]
