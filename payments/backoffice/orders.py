"""Orders: their list, and the page of one (payments/backoffice/order_page.py)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed

from orders.models import Order
from payments.backoffice import order_page
from payments.backoffice.base import ReadOnlyAdmin
from payments.backoffice.filtering import recent_values
from payments.masking import masked_address
from payments.roles import Area


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin[Order]):
    """What is owed. Searched by the box in the header (payments/backoffice/search_page.py)."""

    area = Area.ORDER
    list_display = ("number", "state_word", "total", "masked_email", "placed_at", "paid_at")
    list_filter = ("state", recent_values("currency"), "placed_at")

    @admin.display(description="e-mail")
    def masked_email(self, order: Order) -> str:
        """The address for people who need not know it."""
        return masked_address(order.email)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the order's page; nothing is changed here."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        order = self.get_object(request, object_id)
        if order is None:
            raise Http404(f"There is no order {object_id}.")
        return order_page.show(request, order)
