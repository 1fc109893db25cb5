"""The API's description for programs (OpenAPI), and the page that shows it to people, without any other host."""

from __future__ import annotations

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle

# Swagger UI's style sheet holds its icons as data: pictures. Nothing else of the policy is widened.
ICONS = {"img-src": ["data:"]}


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, as YAML or (Accept) JSON; the same for everybody."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (AnonRateThrottle,)

    def _get_version_parameter(self, request: Request) -> str:
        """Return no version: there is one, and the package would write what was asked for into a header."""
        return ""


@require_safe
@csp_update(ICONS)
def docs(request: HttpRequest) -> HttpResponse:
    """Show the description with Swagger UI from our own static files; its script and styles are files, never inline."""
    return HttpResponse(render_to_string("payments/api_docs.html"))
