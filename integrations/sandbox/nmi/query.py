"""POST /api/query.php: NMI's reports as XML. https://docs.nmi.com/reference/query-1

Transactions by id, order id, condition, action and time of their last change; `test_mode_status`. A question that is
not understood is refused, where NMI might answer with everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape

from integrations.sandbox import objects
from integrations.sandbox.nmi import events
from integrations.sandbox.nmi.errors import Refused
from integrations.sandbox.nmi.scope import Scope
from integrations.sandbox.nmi.transact import authorised
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.wire import Json

LAG_SETTING = "list_lag_seconds"
CONDITIONS = frozenset("abandoned canceled complete failed in_progress pending pendingsettlement unknown".split())
ACTIONS = frozenset("sale refund credit auth capture void return settle".split())
_FIELDS = frozenset(
    "security_key report_type transaction_id order_id condition action_type start_date end_date result_limit "
    "page_number result_order".split()
)
_STAMP = re.compile(r"[0-9]{14}")
_MANY = 100_000
_SHOWN = (
    "transaction_type condition order_id original_transaction_id ponumber order_description email cc_number cc_exp "
    "cc_hash avs_response csc_response currency"
).split()


def answer(scope: Scope, form: Mapping[str, str]) -> bytes:
    """Answers one question. A refusal is XML too, with HTTP 200."""
    try:
        if not authorised(form.get("security_key", "")):
            raise Refused("Invalid Security Key")
        if unknown := sorted(set(form) - _FIELDS):
            raise Refused(f"Unknown field {unknown[0]}")
        return _document(_report(scope, form))
    except Refused as refused:
        return _document(f"<error_response>{escape(refused.text)}</error_response>")


def _document(inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<nm_response>{inner}</nm_response>\n'.encode()


def _report(scope: Scope, form: Mapping[str, str]) -> str:
    kind = form.get("report_type", "transaction")
    if kind == "test_mode_status":
        return f"<test_mode_enabled>{str(events.is_test_mode(scope.tx)).lower()}</test_mode_enabled>"
    if kind != "transaction":
        raise Refused("Invalid report_type")
    return "".join(_transaction(each) for each in _page(list(_found(scope, form)), form))


def _found(scope: Scope, form: Mapping[str, str]) -> Iterable[Stored]:
    conditions, actions = _words(form, "condition", CONDITIONS), _words(form, "action_type", ACTIONS)
    since, until = _moment(form, "start_date"), _moment(form, "end_date")
    lag = 0 if "transaction_id" in form else int(scope.tx.setting(LAG_SETTING, 0))
    hidden_after = scope.now - lag
    for each in _candidates(scope, form):
        shown = each.data
        kinds = {action["action_type"] for action in shown["actions"]}
        if (
            shown["created"] <= hidden_after
            and (not conditions or shown["condition"] in conditions)
            and (not actions or kinds & actions)
            and (since is None or shown["updated"] >= since)
            and (until is None or shown["updated"] <= until)
        ):
            yield each


def _candidates(scope: Scope, form: Mapping[str, str]) -> list[Stored]:
    if "transaction_id" in form:
        named = [scope.find("transaction", each) for each in form["transaction_id"].split(",")]
        return [each for each in named if each is not None]
    if "order_id" in form:
        return scope.of_order(form["order_id"])
    found, _ = objects.page(scope.tx, kind="transaction", window=Window(limit=_MANY))
    return found[::-1]


def _words(form: Mapping[str, str], name: str, known: frozenset[str]) -> set[str]:
    words = set(filter(None, form.get(name, "").split(",")))
    if words - known:
        raise Refused(f"Invalid {name}")
    return words


def _moment(form: Mapping[str, str], name: str) -> int | None:
    text = form.get(name)
    if text is None:
        return None
    if not _STAMP.fullmatch(text):
        raise Refused(f"Invalid {name}")
    try:
        return int(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise Refused(f"Invalid {name}") from None


def _page(found: list[Stored], form: Mapping[str, str]) -> list[Stored]:
    found.sort(key=lambda each: each.data["updated"], reverse=form.get("result_order", "standard") == "reverse")
    if "result_limit" not in form:
        return found
    limit, number = _whole(form["result_limit"]), _whole(form.get("page_number", "0"))
    return found[limit * number : limit * (number + 1)]


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise Refused("Invalid page")
    return int(text)


def _transaction(stored: Stored) -> str:
    shown = stored.data
    members = "".join(_element(name, shown.get(name, "")) for name in _SHOWN)
    actions = "".join(f"<action>{_action(action)}</action>" for action in shown["actions"])
    return f"<transaction>{_element('transaction_id', stored.id)}{members}{actions}</transaction>"


def _action(action: Json) -> str:
    return "".join(_element(name, value) for name, value in action.items())


def _element(name: str, value: object) -> str:
    return f"<{name}>{escape(str(value))}</{name}>"
