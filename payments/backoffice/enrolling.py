"""Showing the key of an authenticator to the person who enrols it: as a picture from our own origin, and as text.

Threats: a key shown to somebody else (the picture asks for the same session as its page, and is kept by no cache); a
key that is not the one in the page (the session remembers which enrolment it began).
"""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import qrcode
from django.http import HttpRequest, HttpResponse
from qrcode.image.svg import SvgPathFillImage

from payments.models import TotpDevice
from payments.people import mfa

_KEY = "enrolling"


def device_of(request: HttpRequest, *, user: Any, at: datetime) -> TotpDevice:
    """Return the authenticator that this session enrols for the person, beginning one if there is none."""
    device = mfa.in_enrolment(user)
    if device is None or request.session.get(_KEY) != device.pk:
        device = mfa.begin(user=user, at=at)
        request.session[_KEY] = device.pk
    return device


def forget(request: HttpRequest) -> None:
    """Let the next enrolment of this session begin anew."""
    request.session.pop(_KEY, None)


def picture(request: HttpRequest, *, user: Any) -> HttpResponse:
    """Return the QR code of the enrolment that this session has begun; 404 if none."""
    device = mfa.in_enrolment(user)
    if device is None or request.session.get(_KEY) != device.pk:
        return HttpResponse(status=404)
    stream = io.BytesIO()
    qrcode.make(mfa.key_uri(device), image_factory=SvgPathFillImage, box_size=20, border=4).save(stream)
    return HttpResponse(stream.getvalue(), content_type="image/svg+xml", headers={"Cache-Control": "no-store"})
