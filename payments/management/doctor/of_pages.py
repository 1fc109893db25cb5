"""D050–D059: the service as a browser meets it."""

from __future__ import annotations

import json

from integrations import probes
from payments.management.doctor.examination import Place, Unchecked, examination


@examination(
    "D050",
    holds="the first page forbids inline and foreign code (Content-Security-Policy)",
    remedy="Let the proxy pass the header on and add none of its own; config/settings.py sets it.",
)
def content_security_policy(place: Place) -> list[str]:
    answer = probes.ask("GET", f"{place.url}/")
    if answer.status != 200:
        raise Unchecked(f"{place.url}/ answers {answer.status}{_whither(answer)}.")
    policy = answer.headers.get("content-security-policy", "")
    directives = {words[0]: words[1:] for part in policy.split(";") if (words := part.split())}
    if not policy:
        return ["There is no such header."]
    return [
        f"{name} allows {' '.join(directives.get(name, ['everything']))}"
        for name, allowed in (("default-src", {"'none'"}), ("script-src", {"'self'"}), ("style-src", {"'self'"}))
        if set(directives.get(name, ["*"])) - allowed
    ]


@examination(
    "D051",
    holds="the service is ready to serve (/readyz)",
    remedy="The failed checks are named; see D010 and D011.",
)
def ready(place: Place) -> list[str]:
    answer = probes.ask("GET", f"{place.url}/readyz")
    if answer.status == 200:
        return []
    try:
        failed = [name for name, state in json.loads(answer.body)["checks"].items() if state != "ok"]
    except (ValueError, KeyError, AttributeError):
        return [f"{place.url}/readyz answers {answer.status}{_whither(answer)}."]
    return [f"{name} fails." for name in failed]


def _whither(answer: probes.Answer) -> str:
    return f" (to {answer.headers['location']})" if answer.headers.get("location") else ""
