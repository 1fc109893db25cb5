"""/admin/runbooks/: what each alert means and what to do, as docs/runbooks/ has it. Read-only.

Threats: a code that is a path (only known codes are read), HTML in a page (escaped), a link that leads away (only into
the back office).
"""

from __future__ import annotations

import re

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from payments.backoffice.access import every_role
from payments.backoffice.markdown import html_of, title_of
from payments.cases import runbooks

_OTHER_PAGE = re.compile(r"([a-z-]+)\.md")
_INSIDE = re.compile(r"/admin/[A-Za-z0-9/_?=&.-]*")


@every_role
@require_safe
def runbook(request: HttpRequest, code: str) -> HttpResponse:
    """Show one."""
    try:
        text = runbooks.text_of(code)
    except (KeyError, FileNotFoundError):
        raise Http404("There is no such runbook.") from None
    context = {"title": title_of(text), "page": html_of(text, link_to=_link_to), "code": code}
    return TemplateResponse(request, "admin/runbook.html", {**admin.site.each_context(request), **context})


@every_role
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """List them all."""
    pages = [
        (title_of(runbooks.text_of(code)), reverse("backoffice:runbook", args=[code]))
        for code in runbooks.RUNBOOK_OF.values()
    ]
    return TemplateResponse(
        request,
        "admin/runbooks.html",
        {**admin.site.each_context(request), "title": "Runbooks", "pages": sorted(pages)},
    )


def _link_to(target: str) -> str:
    other = _OTHER_PAGE.fullmatch(target)
    if other is not None and other[1] in runbooks.RUNBOOK_OF.values():
        return reverse("backoffice:runbook", args=[other[1]])
    return target if _INSIDE.fullmatch(target) else ""
