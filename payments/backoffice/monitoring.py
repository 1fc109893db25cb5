"""/admin/monitoring/: how payments, webhooks and deliveries have gone, as charts with their tables.

Threats: somebody without a role (the site's sign-in), a role that may not see messages (their charts are left out, by
the roles table), text from outside in names and reasons (escaped where it is drawn), an address that makes the database
work (two lengths only, read from a rollup).
"""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from payments.backoffice import monitoring_charts
from payments.backoffice.access import every_role
from payments.models import PeriodFigures
from payments.models.period import Length
from payments.roles import held_by


@every_role
@every_role
@require_safe
def monitoring(request: HttpRequest) -> HttpResponse:
    """Show the charts that the person's roles allow, over 24 hours or, with `?over=days`, 30 days."""
    if not held_by(request.user):
        raise PermissionDenied("This page is for people with a role.")
    at = timezone.now()
    length = Length.DAY if request.GET.get("over") == "days" else Length.HOUR
    context = {
        **admin.site.each_context(request),
        "title": "Monitoring",
        "charts": monitoring_charts.charts_for(request.user, length, at=at),
        "length": length,
        "computed_at": PeriodFigures.objects.filter(length=length)
        .order_by("-starts_at")
        .values_list("computed_at", flat=True)
        .first(),
    }
    response = TemplateResponse(request, "admin/monitoring.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response
