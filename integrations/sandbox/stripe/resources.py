"""The endpoints: which path takes which parameters and answers with which kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from integrations.sandbox import objects, webhooks
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.stripe import disputes, errors, intents, payouts, present, refunds, sessions
from integrations.sandbox.stripe.errors import ApiError
from integrations.sandbox.stripe.schema import EXPAND, PAGING, Currency, Email, Field, Flag, Hash, Items, Text
from integrations.sandbox.stripe.scope import LINKS, PRIVATE_LINKS, Scope
from integrations.sandbox.wire import Json

DEFAULT_LIMIT = 10
EVENTS_KEPT_SECONDS = 30 * 24 * 3600

#: A handler returns the object to show, or an ApiError whose effects stay (a decline).
Handler = Callable[[Scope, Json, Sequence[str]], Stored | ApiError]


@dataclass(frozen=True)
class Route:
    """One endpoint. A route without a handler lists its kind by `filters`."""

    method: str
    pattern: re.Pattern[str]
    kind: str
    schema: Mapping[str, Field]
    handler: Handler | None = None

    @property
    def many(self) -> bool:
        """Whether it answers with a list."""
        return self.handler is None


def list_kind(scope: Scope, route: Route, params: Json, path: str, ids: Sequence[str]) -> Json:
    """Any list endpoint: newest first, cursors, creation time, the kind's own filters."""
    if route.kind == "item":
        return _list_line_items(scope, params, path, ids)
    expand = present.check_expand(route.kind, params.get("expand", []), many=True)
    if "payout" in params:
        payouts.check_listable(scope, params["payout"])
    found, has_more = objects.page(
        scope.tx,
        kind=route.kind,
        window=_window(scope, route.kind, params),
        filters=_filters(route.kind, params),
        accept=_predicate(scope, params),
    )
    shown = [present.show(scope, stored, expand) for stored in found]
    return present.listing(shown, url=path, has_more=has_more)


def _predicate(scope: Scope, params: Json) -> Callable[[Stored], bool] | None:
    if "delivery_success" in params:
        wanted = params["delivery_success"]
        return lambda event: (webhooks.pending_count(scope.tx, event.id) == 0) == wanted
    if "arrival_date" in params:
        first, last = params["arrival_date"]
        return lambda payout: first <= payout.data["arrival_date"] <= last
    if "customer_details" in params:
        email = params["customer_details"]["email"].lower()
        return lambda session: ((session.data["customer_details"] or {}).get("email") or "").lower() == email
    return None


def _window(scope: Scope, kind: str, params: Json) -> Window:
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise errors.invalid(
            "ending_before", "You may only specify one of these parameters: ending_before, starting_after."
        )
    for name in ("starting_after", "ending_before"):
        if name in params:
            scope.get(kind, params[name], param=name)
    since, until = params.get("created", (0, 2**60))
    if kind == "event":
        since = max(since, scope.now - EVENTS_KEPT_SECONDS)
    if lag := int(scope.tx.setting("list_lag_seconds", 0)):
        until = min(until, scope.now - lag)
    return Window(limit=params.get("limit", DEFAULT_LIMIT), after_id=after, before_id=before, since=since, until=until)


def _filters(kind: str, params: Json) -> dict[str, list[str]]:
    if "*" in params.get("type", ""):
        raise errors.invalid("type", "The sandbox does not model wildcards: name the types under `types`.")
    names = (*PRIVATE_LINKS.get(kind, ()), *LINKS[kind])
    filters = {name: [params[name]] for name in names if name in params}
    if "types" in params:
        if "type" in params:
            raise errors.invalid("types", "You may only specify one of these parameters: type, types.")
        filters["type"] = params["types"]
    return filters


def _list_line_items(scope: Scope, params: Json, path: str, ids: Sequence[str]) -> Json:
    items = scope.get("checkout.session", ids[0], param="id").private["line_items"]
    names = [item["id"] for item in items]
    limit = params.get("limit", DEFAULT_LIMIT)
    after = params.get("starting_after")
    if after is not None and after not in names:
        raise errors.no_such("line_item", after, param="starting_after")
    start = names.index(after) + 1 if after else 0
    return present.listing(items[start : start + limit], url=path, has_more=len(items) > start + limit)


def _retrieve(kind: str) -> Handler:
    param = {"payment_intent": "intent", "dispute": "dispute", "payout": "payout"}.get(kind, "id")
    return lambda scope, _params, ids: scope.get(kind, ids[0], param=param)


def _create_session(scope: Scope, params: Json, _ids: Sequence[str]) -> Stored:
    return sessions.create(scope, params)


def _expire_session(scope: Scope, _params: Json, ids: Sequence[str]) -> Stored:
    return sessions.expire(scope, scope.get("checkout.session", ids[0]))


def _create_refund(scope: Scope, params: Json, _ids: Sequence[str]) -> Stored:
    return refunds.create(scope, params)


def _cancel_refund(scope: Scope, _params: Json, ids: Sequence[str]) -> Stored:
    return refunds.cancel(scope, scope.get("refund", ids[0]))


def _update_dispute(scope: Scope, params: Json, ids: Sequence[str]) -> Stored:
    return disputes.update(scope, scope.get("dispute", ids[0], param="dispute"), params)


def _close_dispute(scope: Scope, _params: Json, ids: Sequence[str]) -> Stored:
    return disputes.close(scope, scope.get("dispute", ids[0], param="dispute"))


def _route(method: str, path: str, kind: str, schema: Mapping[str, Field], handler: Handler | None = None) -> Route:
    pattern = re.compile("^/v1/" + path.replace("{id}", "([A-Za-z0-9_]{1,255})") + "$")
    return Route(method, pattern, kind, schema, handler)


_ID = "{id}"
ROUTES = (
    _route("POST", "checkout/sessions", "checkout.session", sessions.CREATE, _create_session),
    _route("GET", "checkout/sessions", "checkout.session", {
        **PAGING, "payment_intent": Text(), "status": Text(choices=("open", "complete", "expired")),
        "customer_details": Hash({"email": Email(required=True)})}),
    _route("GET", f"checkout/sessions/{_ID}", "checkout.session", EXPAND, _retrieve("checkout.session")),
    _route("POST", f"checkout/sessions/{_ID}/expire", "checkout.session", EXPAND, _expire_session),
    _route("GET", f"checkout/sessions/{_ID}/line_items", "item", PAGING),
    _route("POST", "payment_intents", "payment_intent", intents.CREATE, intents.create),
    _route("GET", "payment_intents", "payment_intent", PAGING),
    _route("GET", f"payment_intents/{_ID}", "payment_intent", {"client_secret": Text(), **EXPAND},
           _retrieve("payment_intent")),
    _route("POST", f"payment_intents/{_ID}/confirm", "payment_intent", intents.CONFIRM, intents.confirm),
    _route("POST", f"payment_intents/{_ID}/cancel", "payment_intent", intents.CANCEL, intents.cancel),
    _route("POST", f"payment_intents/{_ID}/capture", "payment_intent", intents.CAPTURE, intents.capture),
    _route("GET", "charges", "charge", {**PAGING, "payment_intent": Text()}),
    _route("GET", f"charges/{_ID}", "charge", EXPAND, _retrieve("charge")),
    _route("POST", "refunds", "refund", refunds.CREATE, _create_refund),
    _route("GET", "refunds", "refund", {**PAGING, "charge": Text(), "payment_intent": Text()}),
    _route("GET", f"refunds/{_ID}", "refund", EXPAND, _retrieve("refund")),
    _route("POST", f"refunds/{_ID}/cancel", "refund", EXPAND, _cancel_refund),
    _route("GET", "disputes", "dispute", {**PAGING, "charge": Text(), "payment_intent": Text()}),
    _route("GET", f"disputes/{_ID}", "dispute", EXPAND, _retrieve("dispute")),
    _route("POST", f"disputes/{_ID}", "dispute", disputes.UPDATE, _update_dispute),
    _route("POST", f"disputes/{_ID}/close", "dispute", EXPAND, _close_dispute),
    _route("GET", "balance_transactions", "balance_transaction", {
        **PAGING, "payout": Text(), "source": Text(), "type": Text(), "currency": Currency()}),
    _route("GET", f"balance_transactions/{_ID}", "balance_transaction", EXPAND,
    _retrieve("balance_transaction")),
    _route("GET", "payouts", "payout", payouts.LIST),
    _route("GET", f"payouts/{_ID}", "payout", EXPAND, _retrieve("payout")),
    _route("GET", "events", "event", {
        **PAGING, "type": Text(), "types": Items(Text(), most=20), "delivery_success": Flag()}),
    _route("GET", f"events/{_ID}", "event", EXPAND, _retrieve("event")),
    _route("GET", f"payment_methods/{_ID}", "payment_method", EXPAND, _retrieve("payment_method")),
)  # fmt: skip
