"""Which method and path is what. Each handler takes the scope, the ids of its path and the body or query, read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.paypal import captures, disputes, notifications, orders, reporting
from integrations.sandbox.paypal.schema import Group, Items, Member
from integrations.sandbox.paypal.scope import Scope
from integrations.sandbox.wire import Json, Request

Handler = Callable[[Scope, str, Any], tuple[int, Json]]
_ID = "([A-Za-z0-9-]{1,60})"
_ORDERS, _PAYMENTS = "/v2/checkout/orders", "/v2/payments"
_DISPUTES, _EVENTS = "/v1/customer/disputes", "/v1/notifications/webhooks-events"


@dataclass(frozen=True)
class Route:
    """`body`: how the body is read, None for none. `queries`: the query parameters it knows. `shows`: the kind whose
    present state a repeated request is answered with.
    """

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    body: Member | None = None
    queries: tuple[str, ...] = ()
    remembers: bool = False


def find(request: Request) -> tuple[Route, str] | None:
    """The route of a request and the id in its path."""
    for route in ROUTES:
        match = route.pattern.fullmatch(request.path)
        if match and route.method == request.method:
            return route, (match.groups() or ("",))[0]
    return None


def _create_order(scope: Scope, _: str, body: Json) -> tuple[int, Json]:
    return 201, orders.show(scope, orders.create(scope, body))


def _get_order(scope: Scope, order_id: str, _: Json) -> tuple[int, Json]:
    return 200, orders.show(scope, scope.get("order", order_id))


def _patch_order(scope: Scope, order_id: str, operations: Any) -> tuple[int, Json]:
    orders.patch(scope, scope.get("order", order_id), operations)
    return 204, {}


def _capture_order(scope: Scope, order_id: str, _: Json) -> tuple[int, Json]:
    return 201, orders.show(scope, orders.capture(scope, scope.get("order", order_id)))


def _authorize_order(scope: Scope, order_id: str, _: Json) -> tuple[int, Json]:
    return 201, orders.show(scope, orders.authorize(scope, scope.get("order", order_id)))


def _get(kind: str) -> Handler:
    def handler(scope: Scope, object_id: str, _: Json) -> tuple[int, Json]:
        return 200, captures.alone(scope, scope.get(kind, object_id))

    return handler


def _refund(scope: Scope, capture_id: str, body: Json) -> tuple[int, Json]:
    capture = scope.get("capture", capture_id)
    disputes.refuse_while_disputed(scope, capture)
    pending = bool(scope.tx.setting("refunds_pending", 0))
    return 201, captures.show(scope, captures.refund(scope, capture, body, pending=pending))


def _capture_authorized(scope: Scope, object_id: str, _: Json) -> tuple[int, Json]:
    captured = captures.capture_authorized(scope, scope.get("authorization", object_id))
    return 201, captures.alone(scope, captured)


def _void(scope: Scope, object_id: str, _: Json) -> tuple[int, Json]:
    return 200, captures.show(scope, captures.void(scope, scope.get("authorization", object_id)))


def _get_dispute(scope: Scope, dispute_id: str, _: Json) -> tuple[int, Json]:
    return 200, disputes.show(scope, scope.get("dispute", dispute_id))


def _provide(scope: Scope, dispute_id: str, body: Json) -> tuple[int, Json]:
    return 200, disputes.provide(scope, scope.get("dispute", dispute_id), body)


def _accept(scope: Scope, dispute_id: str, body: Json) -> tuple[int, Json]:
    return 200, disputes.accept(scope, scope.get("dispute", dispute_id), body)


def _get_event(scope: Scope, event_id: str, _: Json) -> tuple[int, Json]:
    return 200, notifications.shown(scope.get("event", event_id))


def _resend(scope: Scope, event_id: str, body: Json) -> tuple[int, Json]:
    return 202, notifications.resend(scope, scope.get("event", event_id), body)


def _listed(listing: Callable[[Scope, dict[str, str]], Json]) -> Handler:
    def handler(scope: Scope, _: str, query: Any) -> tuple[int, Json]:
        return 200, listing(scope, query)

    return handler


_SEARCH = (
    "start_date", "end_date", "transaction_id", "fields", "page_size", "page", "balance_affecting_records_only",
    "transaction_status", "transaction_type", "transaction_currency",
)  # fmt: skip
_DISPUTE_QUERY = ("disputed_transaction_id", "page_size", "next_page_token", "start_time", "update_time_after")
_EVENT_QUERY = ("page_size", "start_time", "end_time", "event_type", "next_page_token", "transaction_id")


def _route(method: str, path: str, handler: Handler, **more: Any) -> Route:
    return Route(method, re.compile(path.replace("{id}", _ID)), handler, **more)


ROUTES = (
    _route("POST", _ORDERS, _create_order, body=Group(orders.CREATE), remembers=True),
    _route("GET", f"{_ORDERS}/{{id}}", _get_order, queries=("fields",)),
    _route("PATCH", f"{_ORDERS}/{{id}}", _patch_order, body=Items(Group(orders.PATCH))),
    _route("POST", f"{_ORDERS}/{{id}}/capture", _capture_order, body=Group({}), remembers=True),
    _route("POST", f"{_ORDERS}/{{id}}/authorize", _authorize_order, body=Group({}), remembers=True),
    _route("GET", f"{_PAYMENTS}/captures/{{id}}", _get("capture")),
    _route("POST", f"{_PAYMENTS}/captures/{{id}}/refund", _refund, body=Group(captures.REFUND), remembers=True),
    _route("GET", f"{_PAYMENTS}/refunds/{{id}}", _get("refund")),
    _route("GET", f"{_PAYMENTS}/authorizations/{{id}}", _get("authorization")),
    _route("POST", f"{_PAYMENTS}/authorizations/{{id}}/capture", _capture_authorized, body=Group({}), remembers=True),
    _route("POST", f"{_PAYMENTS}/authorizations/{{id}}/void", _void, body=Group({}), remembers=True),
    _route("GET", _DISPUTES, _listed(disputes.listing), queries=_DISPUTE_QUERY),
    _route("GET", f"{_DISPUTES}/{{id}}", _get_dispute),
    _route("POST", f"{_DISPUTES}/{{id}}/provide-evidence", _provide, body=Group(disputes.PROVIDE)),
    _route("POST", f"{_DISPUTES}/{{id}}/accept-claim", _accept, body=Group(disputes.ACCEPT)),
    _route("GET", _EVENTS, _listed(notifications.listing), queries=_EVENT_QUERY),
    _route("GET", f"{_EVENTS}/{{id}}", _get_event),
    _route("POST", f"{_EVENTS}/{{id}}/resend", _resend, body=Group(notifications.RESEND)),
    _route("GET", "/v1/reporting/transactions", _listed(reporting.search), queries=_SEARCH),
    _route("GET", "/v1/reporting/balances", _listed(reporting.balances), queries=("as_of_time", "currency_code")),
)
