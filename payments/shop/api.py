"""The API that shops' own front ends and partners call: place an order, open an attempt to pay it, read how it stands.

Threats and what meets each of them: docs/api.md. Nobody signs in here: a token opens its order, and cookies are not
read. Every POST carries an Idempotency-Key. Answers are kept by no cache; tokens are never logged.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle
from rest_framework.views import APIView

from orders import locales
from orders.models import Order
from payments import idempotency
from payments.shop import api_errors, api_json, api_operations, api_schema
from payments.shop.api_serializers import AttemptAsked, OrderAsked
from payments.webhooks import AlwaysJSON

REPLAYED_HEADER = "Idempotency-Replayed"


class ApiView(APIView):
    """What all addresses of the API have in common."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (AnonRateThrottle, ScopedRateThrottle)
    parser_classes = (JSONParser,)  # names the media type in the schema; bodies are read by read()
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AlwaysJSON

    def get_exception_handler(self) -> Any:
        """Answer errors in this API's one shape."""
        return api_errors.handle

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep tokens and states out of every cache."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response

    def principal(self, request: Request) -> str:
        """Return whose keys they are; here nobody signs in."""
        return idempotency.ANONYMOUS

    def read(self, request: Request, expected: type[Serializer[Any]]) -> tuple[idempotency.Asked, dict[str, Any]]:
        """Return the request's identity and its body as `expected` describes it. Raises what api_errors answers 4xx."""
        body = _body(request)
        asked = idempotency.ask(
            principal=self.principal(request),
            method="POST",
            path=request.path_info,
            key=request.headers.get("Idempotency-Key"),
            body=body,
        )
        serializer = expected(data=api_json.loads(body))
        serializer.is_valid(raise_exception=True)
        return asked, dict(serializer.validated_data)


class OrdersView(ApiView):
    """Where orders are placed."""

    http_method_names = ["post"]
    throttle_scope = "orders"

    @api_schema.PLACE_ORDER
    def post(self, request: Request) -> HttpResponse:
        """Place an order at the catalogue's prices of this moment."""
        asked, wanted = self.read(request, OrderAsked)
        locale = locales.resolve(request.headers.get("Accept-Language", ""))
        work = partial(api_operations.place, locale=locale, clock=timezone.now, **wanted)
        return tell(idempotency.once(asked, clock=timezone.now, work=work))


class OrderView(ApiView):
    """One order."""

    http_method_names = ["get", "head"]

    @api_schema.READ_ORDER
    def get(self, request: Request, token: str) -> Response:
        """Tell how the order stands, as far as we have heard. Asks no provider."""
        return Response(api_operations.order_read(_order(token), at=timezone.now()))


class AttemptsView(ApiView):
    """Where attempts to pay an order are opened."""

    http_method_names = ["post"]
    throttle_scope = "attempts"

    @api_schema.OPEN_ATTEMPT
    def post(self, request: Request, token: str) -> HttpResponse:
        """Open the provider's page for an order, or go on with the one that stands open."""
        asked, wanted = self.read(request, AttemptAsked)
        order = _order(token)
        work = partial(api_operations.open_attempt, order_id=order.pk, clock=timezone.now, **wanted)
        return tell(idempotency.once(asked, clock=timezone.now, work=work))


@csrf_exempt
def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer 404 in the API's own shape below /api/v1/, instead of a page or a redirect that would lose a body."""
    hint = "" if request.path.endswith("/") else " Addresses of this API end with a slash."
    told = api_errors.body("not_found", f"There is nothing at this address.{hint}")
    return HttpResponse(
        JSONRenderer().render(told),
        status=404,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _order(token: str) -> Order:
    order = Order.objects.filter(token=token).first()
    if order is None:
        raise api_errors.not_found()
    return order


def _body(request: Request) -> bytes:
    """Return the raw bytes, having refused what is not plain JSON or too large before reading it."""
    media_type, _, parameters = request.META.get("CONTENT_TYPE", "").partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise api_errors.wrong_media_type()
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise api_errors.wrong_media_type()
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > api_json.MAX_BYTES):
        raise api_errors.too_large()
    try:
        return request.body
    except UnreadablePostError:
        raise api_errors.Refusal("malformed_json", "The body ended before its Content-Length.") from None


def tell(answer: idempotency.Answer) -> HttpResponse:
    """Return an answer, with the header that says where it is a kept one."""
    headers = {REPLAYED_HEADER: "true"} if answer.replayed else {}
    return HttpResponse(answer.body, status=answer.status, content_type="application/json", headers=headers)
