"""A recording receiver that speaks HubSpot's CRM API as published: contacts, deals and orders, upserts, associations.

After HubSpot's OpenAPI descriptions (contacts, deals, orders v3; associations v4) and its error handling page. Anything
else is refused as HubSpot does: a property it does not know, an idProperty without unique values, a value that is no
text, a stage of another pipeline, more than 100 in a batch. Its search, which lags behind writes, is not offered.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.receivers.server import Answer, Asked

TOKEN = "pat-eu1-00000000-test"  # pragma: allowlist secret
MOST_IN_A_BATCH = 100
STAGES = {"default": {"appointmentscheduled", "closedwon", "closedlost"}}
PROPERTIES = {
    "contacts": {"email", "firstname", "lastname"},
    "deals": {"dealname", "amount", "deal_currency_code", "pipeline", "dealstage", "closedate", "shop_order"},
    "orders": {"hs_order_name", "hs_total_price", "hs_currency_code", "hs_pipeline", "hs_pipeline_stage", "shop_order"},
}
UNIQUE = {"contacts": {"email"}, "deals": {"shop_order"}, "orders": {"shop_order"}}
NUMBERS = {"amount", "hs_total_price"}
_TIME = "2026-11-21T12:00:00.000Z"


class No(Exception):
    """HubSpot's error: status, category, message."""

    def __init__(self, status: int, category: str, message: str) -> None:
        super().__init__(message)
        self.status, self.category = status, category


class HubSpot:
    """One account. `objects`: id → properties, by type; `associated`: (type, id, contact's id)."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, str]]] = {kind: {} for kind in PROPERTIES}
        self.associated: set[tuple[str, str, str]] = set()
        self.writes: Counter[str] = Counter()
        self.over_limit: list[str] = []
        self._next_id = 101

    def answer(self, asked: Asked) -> Answer:
        try:
            if self.over_limit:
                return _over_limit(self.over_limit.pop(0))
            if asked.headers.get("authorization") != f"Bearer {TOKEN}":
                raise No(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
            return Answer(200, self._route(asked))
        except No as error:
            return Answer(error.status, _error(error.category, str(error)))

    def _route(self, asked: Asked) -> Any:
        if asked.method == "POST" and (found := re.fullmatch(r"/crm/v3/objects/(\w+)/batch/upsert", asked.path)):
            return self._upsert(found[1], _json(asked))
        if asked.method == "GET" and (found := re.fullmatch(r"/crm/v3/objects/(\w+)/([^/]+)", asked.path)):
            return self._read(found[1], found[2], asked)
        pattern = r"/crm/v4/objects/(\w+)/(\d+)/associations/default/contacts/(\d+)"
        if asked.method == "PUT" and (found := re.fullmatch(pattern, asked.path)):
            return self._associate(found[1], found[2], found[3])
        raise No(404, "OBJECT_NOT_FOUND", f"no such resource: {asked.method} {asked.path}")

    def _upsert(self, kind: str, body: Any) -> Any:
        if kind not in PROPERTIES:
            raise No(400, "VALIDATION_ERROR", f"Unable to infer object type from: {kind}")
        if not isinstance(body, dict) or set(body) != {"inputs"} or not isinstance(body["inputs"], list):
            raise No(400, "VALIDATION_ERROR", "Invalid input JSON: inputs is required")
        if not 1 <= len(body["inputs"]) <= MOST_IN_A_BATCH:
            raise No(400, "VALIDATION_ERROR", "The maximum number of inputs supported in a batch request is 100")
        for one in body["inputs"]:
            _check_input(kind, one)
        results = [self._upsert_one(kind, one) for one in body["inputs"]]
        return {"status": "COMPLETE", "results": results, "startedAt": _TIME, "completedAt": _TIME}

    def _upsert_one(self, kind: str, one: Any) -> Any:
        value = one["id"].lower() if one["idProperty"] == "email" else one["id"]
        found = self._by_unique(kind, one["idProperty"], value)
        new = found is None
        if found is None:
            found, self._next_id = str(self._next_id), self._next_id + 1
            self.objects[kind][found] = {}
        self.objects[kind][found].update({**one["properties"], one["idProperty"]: value})
        self.writes[kind] += 1
        return {**_object(found, self.objects[kind][found]), "new": new}

    def _read(self, kind: str, value: str, asked: Asked) -> Any:
        if unknown := set(asked.query) - {"idProperty", "properties", "associations", "archived"}:
            raise No(400, "VALIDATION_ERROR", f"unknown parameters {unknown}")
        id_property = asked.query.get("idProperty", "")
        if id_property not in UNIQUE.get(kind, ()):
            raise No(400, "VALIDATION_ERROR", f"Unable to read by non-unique property {id_property}")
        found = self._by_unique(kind, id_property, value)
        if found is None:
            raise No(404, "OBJECT_NOT_FOUND", "resource not found")
        wanted = asked.query.get("properties", "").split(",")
        shown = {name: self.objects[kind][found].get(name) for name in wanted}
        answer = _object(found, shown)
        contacts = sorted(contact for of, one, contact in self.associated if (of, one) == (kind, found))
        if asked.query.get("associations") == "contacts" and contacts:
            results = [{"id": contact, "type": f"{kind[:-1]}_to_contact"} for contact in contacts]
            answer["associations"] = {"contacts": {"results": results}}
        return answer

    def _associate(self, kind: str, one: str, contact: str) -> Any:
        if one not in self.objects.get(kind, {}) or contact not in self.objects["contacts"]:
            raise No(400, "VALIDATION_ERROR", "One or more of the objects do not exist")
        self.associated.add((kind, one, contact))
        return {"status": "COMPLETE", "results": [], "startedAt": _TIME, "completedAt": _TIME}

    def _by_unique(self, kind: str, name: str, value: str) -> str | None:
        return next((one for one, has in self.objects[kind].items() if has.get(name) == value), None)


def _check_input(kind: str, one: Any) -> None:
    if not isinstance(one, dict) or not {"id", "properties", "idProperty"} <= set(one):
        raise No(400, "VALIDATION_ERROR", "Invalid input JSON: id, properties and idProperty are required")
    if unknown := set(one) - {"id", "properties", "idProperty", "objectWriteTraceId"}:
        raise No(400, "VALIDATION_ERROR", f"Invalid input JSON: unknown {unknown}")
    if one["idProperty"] not in UNIQUE[kind]:
        raise No(400, "VALIDATION_ERROR", f"Unable to perform update/upsert by non-unique {kind} {one['idProperty']}")
    properties = one["properties"]
    if not isinstance(one["id"], str) or not all(isinstance(value, str) for value in properties.values()):
        raise No(400, "VALIDATION_ERROR", "Invalid input JSON: values are text")
    if unknown := set(properties) - PROPERTIES[kind]:
        raise No(400, "VALIDATION_ERROR", f"Property values were not valid: PROPERTY_DOESNT_EXIST {unknown}")
    for name in NUMBERS & set(properties):
        try:
            Decimal(properties[name])
        except InvalidOperation as error:
            raise No(400, "VALIDATION_ERROR", f"Property values were not valid: INVALID_INTEGER {name}") from error
    _check_stage(properties)
    email = properties.get("email")
    if email is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise No(400, "VALIDATION_ERROR", "Property values were not valid: INVALID_EMAIL")


def _check_stage(properties: dict[str, str]) -> None:
    for pipeline, stage in (("pipeline", "dealstage"), ("hs_pipeline", "hs_pipeline_stage")):
        if stage in properties and properties[stage] not in STAGES.get(properties.get(pipeline, "default"), ()):
            raise No(400, "VALIDATION_ERROR", f"Property values were not valid: INVALID_OPTION {stage}")


def _json(asked: Asked) -> Any:
    if not asked.headers.get("content-type", "").startswith("application/json"):
        raise No(415, "VALIDATION_ERROR", "Unsupported media type")
    try:
        return asked.json()
    except ValueError as error:
        raise No(400, "VALIDATION_ERROR", "Invalid input JSON") from error


def _object(one: str, properties: dict[str, Any]) -> dict[str, Any]:
    shown = {**properties, "hs_object_id": one}
    return {"id": one, "properties": shown, "createdAt": _TIME, "updatedAt": _TIME, "archived": False}


def _error(category: str, message: str) -> dict[str, Any]:
    return {"status": "error", "message": message, "correlationId": str(uuid.uuid4()), "category": category}


def _over_limit(policy: str) -> Answer:
    body = {**_error("RATE_LIMITS", f"You have reached your {policy} limit."), "policyName": policy}
    headers = {"x-hubspot-ratelimit-max": "190", "x-hubspot-ratelimit-remaining": "0"}
    return Answer(429, {**body, "errorType": "RATE_LIMIT"}, {**headers, "x-hubspot-ratelimit-daily": "625000"})
