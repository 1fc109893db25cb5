"""The one merchant and the one location this sandbox plays: GET /v2/merchants/{id}, /v2/locations(/{id})."""

from __future__ import annotations

from integrations.sandbox.square import errors
from integrations.sandbox.square.scope import Scope, written
from integrations.sandbox.wire import Json

_COUNTRIES = {"AUD": "AU", "CAD": "CA", "EUR": "IE", "GBP": "GB", "JPY": "JP", "USD": "US"}
_BEGAN = written(1_700_000_000).replace(".000", "")


def merchant(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """The merchant, by id or as `me`."""
    if ids[0] not in ("me", scope.account.merchant_id):
        raise errors.not_found("merchant", ids[0])
    return {
        "merchant": {
            "id": scope.account.merchant_id,
            "business_name": "Sandbox Shop",
            "country": _COUNTRIES[scope.account.currency],
            "language_code": "en-US",
            "currency": scope.account.currency,
            "status": "ACTIVE",
            "main_location_id": scope.account.location_id,
            "created_at": _BEGAN,
        }
    }


def location(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """The location, by id or as `main`."""
    if ids[0] not in ("main", scope.account.location_id):
        raise errors.not_found("location", ids[0])
    return {"location": _location(scope)}


def locations(scope: Scope, _values: Json, _ids: tuple[str, ...]) -> Json:
    """All locations: the one."""
    return {"locations": [_location(scope)]}


def _location(scope: Scope) -> Json:
    return {
        "id": scope.account.location_id,
        "name": "Sandbox Shop",
        "timezone": "Etc/UTC",
        "capabilities": ["CREDIT_CARD_PROCESSING", "AUTOMATIC_TRANSFERS"],
        "status": "ACTIVE",
        "created_at": _BEGAN,
        "merchant_id": scope.account.merchant_id,
        "country": _COUNTRIES[scope.account.currency],
        "language_code": "en-US",
        "currency": scope.account.currency,
        "business_name": "Sandbox Shop",
        "type": "PHYSICAL",
        "mcc": "5399",
    }
