"""POST /webhooks/<provider>/: raw bytes → verify → one durable insert → 2xx. Nothing else happens inside the request.

Threats: forged, mutated, replayed and foreign events (proved by the provider's scheme over the exact bytes, both
secrets while rotating; an event only makes us look), floods (size cap before reading; after many bad signatures from
one address 429, which a verified event never meets), and answers that lose events (2xx only after the commit; 503 when
the database is away). What could not be proved yet is kept within limits and makes nobody look
(payments/unverified.py).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations import flood, providers
from integrations.contract import NotificationRejected, NotificationUnverified, ProviderMisconfigured
from payments import inbox, signatures, unverified

log = structlog.get_logger(__name__)

MAX_BYTES = 1024 * 1024
BAD_SIGNATURES_A_MINUTE = 60
UNVERIFIED_A_MINUTE = 300
"""From one address, of what could not be proved inside its request."""


class AlwaysJSON(BaseContentNegotiation):
    """A provider's Accept header never changes our answer."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0] if parsers else None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class WebhookView(APIView):
    """Receives one provider event. The proof is the signature: no session, no token, no CSRF."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = ()  # the raw bytes are what was signed
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AlwaysJSON
    schema = None  # providers call it, nobody else
    http_method_names = ["post"]

    def post(self, request: Request, provider: str) -> Response:
        """Answer as the public surface says: 200, 400, 403, 404, 405, 413, 415, 429 or 503."""
        refusal = _not_acceptable(request, provider)
        if refusal is not None:
            return refusal
        body: bytes = request._request.body  # noqa: SLF001  (DRF would parse; the raw bytes are what was signed)
        try:
            event = providers.get(provider).verify(headers=request.headers, body=body, now=timezone.now())
        except NotificationRejected as error:
            return _refuse(request, provider, str(error))
        except NotificationUnverified as unproved:
            return _keep_unverified(request, unproved, body=body)
        except ProviderMisconfigured:
            log.exception("webhook_not_verifiable", provider=provider)  # the provider sends it again
            return Response({"error": "try again later"}, status=503, headers={"Retry-After": "60"})
        new = inbox.receive(event, body=body, at=timezone.now())
        # Into the request's one line: a line of its own would cost a tenth of the whole.
        structlog.contextvars.bind_contextvars(provider=provider, event_id=event.event_id, type=event.type, new=new)
        return Response({"received": True})


def _keep_unverified(request: Request, unproved: NotificationUnverified, *, body: bytes) -> Response:
    """Keep what a worker will prove; within limits, for anybody may send it. Whoever meets one is to send it again."""
    provider = unproved.notification.provider
    most = getattr(settings, "WEBHOOK_UNVERIFIED_A_MINUTE", UNVERIFIED_A_MINUTE)
    if flood.too_many(request._request, f"unverified:{provider}", most_a_minute=most) or not unverified.has_room(  # noqa: SLF001
        provider
    ):
        return Response({"error": "too many unproved events"}, status=429, headers={"Retry-After": "60"})
    new = unverified.receive(unproved.notification, headers=request.headers, body=body, at=timezone.now())
    structlog.contextvars.bind_contextvars(provider=provider, type=unproved.notification.type, new=new, proved=False)
    return Response({"received": True})


def _not_acceptable(request: Request, provider: str) -> Response | None:
    """Refuse what need not be read to be refused."""
    if provider not in providers.enabled():
        return Response({"error": "unknown provider"}, status=404)
    if not _comes_from_where_it_may(request, provider):
        return Response({"error": "this address may not send"}, status=403)
    if request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
        return Response({"error": "send application/json"}, status=415)
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        return Response({"error": "send the body without content encoding"}, status=415)
    if _declared_length(request) > MAX_BYTES:
        return Response({"error": "at most 1 MiB"}, status=413)
    return None


def _comes_from_where_it_may(request: Request, provider: str) -> bool:
    """Defence in depth, off unless WEBHOOK_IP_ALLOWLISTS names networks. The address is the client's own."""
    networks = settings.WEBHOOK_IP_ALLOWLISTS.get(provider)
    if not networks:
        return True
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in network for network in networks)


def _declared_length(request: Request) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return MAX_BYTES + 1


def _refuse(request: Request, provider: str, why: str) -> Response:
    """Count bad signatures by address; only the bad ones are ever throttled, for they are proved bad first."""
    address = request.META.get("REMOTE_ADDR", "")
    key = f"bad-signatures:{provider}:{address}"
    cache.add(key, 0, timeout=60)
    try:
        count = cache.incr(key)
    except ValueError:  # it ran out between the two lines
        count = 1
    if count > getattr(settings, "WEBHOOK_BAD_SIGNATURES_A_MINUTE", BAD_SIGNATURES_A_MINUTE):
        return Response({"error": "too many bad signatures"}, status=429, headers={"Retry-After": "60"})
    signatures.note_refused(provider, at=timezone.now())
    log.warning("webhook_refused", provider=provider, why=why[:200])
    return Response({"error": "the signature or the body is not valid"}, status=400)
