"""Probes and metrics: is the process alive, can it serve, how much work is waiting. Strangers learn names only."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from config import gauges
from config.middleware import FORWARDED_MARK

PROBE_TIMEOUT_MS = 2000

_log = structlog.get_logger("shop.health")


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; nothing else is asked, so that a database outage restarts nobody."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether this process can serve: 200, or 503 with the names of the checks that fail."""
    checks = {name: _passes(name, check) for name, check in READY_CHECKS.items()}
    ready = all(checks.values())
    body = {
        "status": "ok" if ready else "unavailable",
        "checks": {k: "ok" if v else "failed" for k, v in checks.items()},
    }
    return JsonResponse(body, status=200 if ready else 503)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus with gauges read from the database now, so that any one process tells the same."""
    if not _may_see_metrics(request):
        told = {"code": "permission_denied", "message": "Metrics are for this machine, or with METRICS_TOKEN."}
        return JsonResponse({"error": told}, status=403)
    return HttpResponse(gauges.exposition(now=timezone.now()), content_type=CONTENT_TYPE_LATEST)


def _passes(name: str, check: Callable[[], bool]) -> bool:
    try:
        return check()
    except DatabaseError as error:
        _log.warning("not ready", check=name, error=str(error)[:200])
        return False


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [str(PROBE_TIMEOUT_MS)])
        try:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
        finally:
            cursor.execute("RESET statement_timeout")


def _migrations_applied() -> bool:
    """Say whether the database is at this code's migrations. Once it is, it stays so for the life of the process."""
    if not _known.migrated:
        executor = MigrationExecutor(connection)
        _known.migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _known.migrated


class _Known:
    migrated = False


_known = _Known()

READY_CHECKS: dict[str, Callable[[], bool]] = {"database": _database_answers, "migrations": _migrations_applied}


def _may_see_metrics(request: HttpRequest) -> bool:
    """Allow loopback and trusted networks that come straight to this process, and whoever knows METRICS_TOKEN."""
    given = request.headers.get("Authorization", "")
    token = settings.METRICS_TOKEN
    if token and hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {token}".encode()):
        return True
    if request.META.get(FORWARDED_MARK):
        return False
    peer = request.META.get("REMOTE_ADDR", "")
    return _is_loopback(peer) or peer in settings.TRUSTED_PROXIES


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
