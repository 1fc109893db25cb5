"""The API for refunds, for staff tokens only: ask for one, read how it stands. No token approves anything.

Threats: somebody without a token or the role (401, 403; both asked anew at each request); a token above its owner's
limit (202: a second person decides, in the back office); an attempt or capture that is not theirs to name (looked up,
404 or 400); more than is left, or twice (payments/refunds/acts.py, the database, the key); a program that runs wild
(60 a minute); what a person wrote as reason never leaves us.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from payments import idempotency
from payments.models import PaymentAttempt, Refund
from payments.people.tokens import Scope
from payments.shop import api_errors, api_refund_operations, api_refund_schema
from payments.shop.api import tell
from payments.shop.api_refund_schema import RefundAsked
from payments.shop.staff_authentication import StaffApiView


class RefundsView(StaffApiView):
    """Where refunds of an attempt are asked for, and listed."""

    http_method_names = ["get", "head", "post"]
    throttle_scope = "refunds"
    scope = Scope.REFUNDS_REQUEST

    @api_refund_schema.LIST_REFUNDS
    def get(self, request: Request, reference: str) -> Response:
        """Tell of the attempt's refunds, whoever made them."""
        return Response({"refunds": api_refund_operations.refunds_of(_attempt(reference))})

    @api_refund_schema.ASK_REFUND
    def post(self, request: Request, reference: str) -> HttpResponse:
        """Refund, within the owner's limit; else ask a second person."""
        asked, wanted = self.read(request, RefundAsked)
        attempt = _attempt(reference)
        work: Any = partial(
            api_refund_operations.refund, attempt=attempt, user=request.user, clock=timezone.now, **wanted
        )
        return tell(idempotency.once(asked, clock=timezone.now, work=work))


class RefundView(StaffApiView):
    """One refund."""

    http_method_names = ["get", "head"]
    throttle_scope = "refunds"
    scope = Scope.REFUNDS_REQUEST

    @api_refund_schema.READ_REFUND
    def get(self, request: Request, reference: str) -> Response:
        """Tell how it stands, as far as we have heard. Asks no provider."""
        row = Refund.objects.select_related("capture", "attempt").filter(reference=reference).first()
        if row is None:
            raise api_errors.not_found()
        return Response(api_refund_operations.refund_read(row))


def _attempt(reference: str) -> PaymentAttempt:
    attempt = PaymentAttempt.objects.filter(reference=reference).first()
    if attempt is None:
        raise api_errors.not_found()
    return attempt
