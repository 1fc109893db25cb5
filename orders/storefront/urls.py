"""Addresses of the shop up to the placed order; from *pay* onwards they are payments' own."""

from django.urls import path

from orders.storefront import views

app_name = "storefront"

urlpatterns = [
    path("", views.products, name="products"),
    path("products/<slug:slug>/", views.product, name="product"),
    path("currency/", views.currency, name="currency"),
    path("basket/", views.basket, name="basket"),
    path("basket/add/", views.add, name="add"),
    path("basket/change/", views.change, name="change"),
    path("basket/remove/", views.remove, name="remove"),
    path("basket/again/<slug:token>/", views.again, name="again"),
    path("checkout/", views.checkout, name="checkout"),
]
