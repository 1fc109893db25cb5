"""The catalogue, which may be edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from orders.models import Price, Product
from payments.backoffice.base import AreaAdmin
from payments.roles import Area, Verb, may


class PriceInline(admin.StackedInline[Price, Product]):
    model = Price
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.VIEW, Area.CATALOGUE)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.DO, Area.CATALOGUE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.DO, Area.CATALOGUE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.DO, Area.CATALOGUE)


@admin.register(Product)
class ProductAdmin(AreaAdmin[Product]):
    """The catalogue may be edited: orders keep the prices of their moment."""

    area = Area.CATALOGUE
    edits = Verb.DO
    list_display = ("name", "sku", "active", "max_quantity")
    search_fields = ("name", "sku")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (PriceInline,)

    # Never deleted: take it off sale instead, baskets refer to it.
