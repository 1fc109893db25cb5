"""The endpoints the sandbox models, each with what it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from integrations.sandbox.square import disputes, errors, events, links, orders, payments, payouts, refunds, seller
from integrations.sandbox.square.schema import Field
from integrations.sandbox.square.scope import Scope
from integrations.sandbox.wire import Json, Request

Handler = Callable[[Scope, Json, tuple[str, ...]], Json]
NOTHING: Mapping[str, Field] = {}


@dataclass(frozen=True)
class Route:
    """One endpoint. `fields` are its body's (or query's) members."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    fields: Mapping[str, Field]

    @property
    def name(self) -> str:
        """What its idempotency keys are counted under."""
        return f"{self.method} {self.pattern.pattern}"


def _route(method: str, path: str, handler: Handler, fields: Mapping[str, Field] = NOTHING) -> Route:
    pattern = re.compile("/v2/" + path.replace("{id}", r"([A-Za-z0-9_:-]{1,255})"))
    return Route(method, pattern, handler, fields)


ROUTES = (
    _route("GET", "merchants/{id}", seller.merchant),
    _route("GET", "locations", seller.locations),
    _route("GET", "locations/{id}", seller.location),
    _route("POST", "payments", payments.create, payments.CREATE),
    _route("GET", "payments", payments.listing, payments.LIST),
    _route("POST", "payments/cancel", payments.cancel_by_key, payments.CANCEL_BY_KEY),
    _route("GET", "payments/{id}", payments.retrieve),
    _route("POST", "payments/{id}/complete", payments.complete, payments.COMPLETE),
    _route("POST", "payments/{id}/cancel", payments.cancel),
    _route("POST", "refunds", refunds.create, refunds.CREATE),
    _route("GET", "refunds", refunds.listing, refunds.LIST),
    _route("GET", "refunds/{id}", refunds.retrieve),
    _route("POST", "online-checkout/payment-links", links.create, links.CREATE),
    _route("GET", "online-checkout/payment-links/{id}", links.retrieve),
    _route("DELETE", "online-checkout/payment-links/{id}", links.delete),
    _route("POST", "orders", orders.create, orders.CREATE),
    _route("GET", "orders/{id}", orders.retrieve),
    _route("PUT", "orders/{id}", orders.update, orders.UPDATE),
    _route("GET", "disputes", disputes.listing, disputes.LIST),
    _route("GET", "disputes/{id}", disputes.retrieve),
    _route("POST", "disputes/{id}/accept", disputes.accept),
    _route("POST", "disputes/{id}/evidence-text", disputes.add_text, disputes.TEXT),
    _route("GET", "disputes/{id}/evidence", disputes.list_evidence, disputes.EVIDENCE_LIST),
    _route("DELETE", "disputes/{id}/evidence/{id}", disputes.delete_evidence),
    _route("POST", "disputes/{id}/submit-evidence", disputes.submit),
    _route("GET", "payouts", payouts.listing, payouts.LIST),
    _route("GET", "payouts/{id}", payouts.retrieve),
    _route("GET", "payouts/{id}/payout-entries", payouts.entries, payouts.ENTRIES),
    _route("POST", "events", events.search, events.SEARCH),
    _route("PUT", "events/enable", events.enable),
    _route("PUT", "events/disable", events.disable),
)


def find(request: Request) -> tuple[Route, tuple[str, ...]]:
    """The endpoint of a request and the ids in its path. Raises ApiError for a path that is not modelled."""
    for route in ROUTES:
        match = route.pattern.fullmatch(request.path)
        if match and route.method == request.method:
            return route, match.groups()
    raise errors.ApiError(f"No such endpoint: {request.method} {request.path}", status=404, code="NOT_FOUND")
