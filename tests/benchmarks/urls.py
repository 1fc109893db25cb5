"""All addresses of the service, and two views that do nothing: what intake is measured against."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


@csrf_exempt
def null(request: HttpRequest) -> HttpResponse:
    """Answer 200, and read nothing. With a length, which without middleware nobody would add (then it is chunked)."""
    return HttpResponse(headers={"Content-Length": "0"})


# /null/ goes through all of the service's middleware, /bare/ through none (tests/benchmarks/wsgi.py).
urlpatterns = [path("null/", null), path("bare/", null), *urlpatterns]
