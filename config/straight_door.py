"""The way of a webhook: from here to its view, past what stands before pages.

No session, no CSRF token, no person, no message and no policy for a page is about a request whose proof is a signature
over its bytes; that half of the middlewares took a fifth of each. What holds for every request (whom to believe, its
log line, HTTPS) has been done before. Threat: a view for people under this path would be without all that; the tests
hold that none but the webhook's is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import resolve

from config.errors import is_store_away, store_away
from payments.audit import recording as audit

PATH = "/webhooks/"


class StraightDoorMiddleware:
    """Answers what is under PATH by its view alone; passes everything else on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.answer = cast("Callable[[HttpRequest], HttpResponse]", convert_exception_to_response(_answer))

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PATH):
            return self.get_response(request)
        answer = self.answer(request)
        answer.headers["Content-Length"] = str(len(answer.content))
        answer.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return answer


def _answer(request: HttpRequest) -> HttpResponse:
    """Return the view's answer; 503 where the database or the cache is away. Raises what the view does, Resolver404."""
    found = request.resolver_match = resolve(request.path_info)
    with audit.acting(actor="webhook", client=request.META.get("REMOTE_ADDR", "")):
        try:
            answer: HttpResponse = found.func(request, *found.args, **found.kwargs)
        except Exception as error:
            if not is_store_away(error):
                raise
            answer = store_away(request, error)
    if isinstance(answer, SimpleTemplateResponse) and not answer.is_rendered:  # as the REST framework's are
        answer.render()
    return answer
