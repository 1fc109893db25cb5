"""What is measured: the service's real processes on the test database, the sandbox in the provider's place, and a
load."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.db import connection
from django.utils import timezone

from integrations import heartbeat
from integrations.sandbox.control import SandboxControl, WebhookAttempt
from integrations.sandbox.loopback import HOST, free_port, status_of
from integrations.wakeups import CLUSTERS
from payments import checkout
from payments.models import PaymentAttempt, ProviderEvent
from payments.states import EventState
from tests.benchmarks import load
from tests.factories import make_order
from tests.processes import ROOT, Processes, eventually
from tests.sandbox.process import API_KEY, SandboxProcess

WEB_WORKERS = 2
"""As in gunicorn.conf.py."""
WAITING = [EventState.RECEIVED, EventState.FAILED]


@dataclass(frozen=True, slots=True)
class Template:
    """A webhook's body as the sandbox sends it, and the texts in it that are another's in each event."""

    body: str
    unique: list[str]


class Stand:
    """The running processes, and what is done to them."""

    def __init__(self, processes: Processes, sandbox: SandboxProcess) -> None:
        self.port = free_port(0)
        self.control: SandboxControl = sandbox.control
        self.webhook_secret = sandbox.webhook_secret
        self._processes, self._sandbox_url = processes, sandbox.url
        self._env = {**settings_of(sandbox), "PUBLIC_BASE_URL": self.shop, "LOG_LEVEL": "INFO"}

    @property
    def shop(self) -> str:
        return f"http://{HOST}:{self.port}"

    # --- processes -------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Start gunicorn as the demo does (gunicorn.conf.py), and wait until it answers."""
        web = self._processes.start(
            "web",
            [
                *(sys.executable, "-m", "gunicorn", "tests.benchmarks.wsgi"),
                *("--bind", f"{HOST}:{self.port}", "--workers", str(WEB_WORKERS)),
            ],
            **self._env,
            DJANGO_SETTINGS_MODULE="tests.benchmarks.settings",
        )
        eventually(lambda: status_of(f"{self.shop}/livez") == 200 or web.code is not None)
        assert web.code is None, web.said()

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Let all clusters and `tick` work meanwhile."""
        began = timezone.now()
        started = [self._processes.cluster(name, **self._env) for name in CLUSTERS]
        started.append(self._processes.manage("tick", **self._env))
        eventually(lambda: all(_has_beaten(name, since=began) for name in (*CLUSTERS, "tick")))
        try:
            yield
        finally:
            for process in started:
                process.kill()

    # --- load ------------------------------------------------------------------------------------------------

    def load(self, path: str, template: Template, *, connections: int, seconds: float, **more: Any) -> load.Outcome:
        """Send posts to `path` from a process of their own (tests/benchmarks/load.py); all must be answered 200."""
        ordered = load.Order(
            port=self.port,
            path=path,
            body=template.body,
            unique=template.unique,
            secret=self.webhook_secret,
            connections=connections,
            workers=WEB_WORKERS,
            seconds=seconds,
            **more,
        )
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.load"],
            cwd=ROOT,
            input=json.dumps(asdict(ordered)),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outcome = load.Outcome(**json.loads(done.stdout))
        assert not outcome.problem, outcome.problem
        return outcome

    def template(self) -> Template:
        """Return a real body: the sandbox's event of a page that was paid, as if about a payment we do not know."""
        attempt = self.open_page()
        paid = self.control.pay(attempt.page_id)
        [sent] = [each for each in self.control.deliveries() if each.type == "checkout.session.completed"]
        body = json.dumps(self.control.get(sent.event_id), indent=2)
        return Template(body, [sent.event_id, attempt.page_id, paid.payment_intent, attempt.reference])

    # --- payments --------------------------------------------------------------------------------------------

    def open_page(self) -> PaymentAttempt:
        """Place an order and open the provider's page for it."""
        order = make_order(now=timezone.now())
        opening = checkout.open_attempt(order_id=order.pk, provider="stripe", clock=timezone.now, actor="shopper")
        return opening.attempt

    def pay(self, attempt: PaymentAttempt) -> Paid:
        """Pay, and wait until the order is seen to be paid and all is quiet again."""
        last_request = max((request.id for request in self.control.requests()), default=0)
        began = time.time()
        self.control.pay(attempt.page_id)
        seen = _when_paid(attempt.order_id)
        asked = {
            f"{request.path}?{urlencode(_flat(request.params), doseq=True)}"
            for request in self.control.requests(method="GET", path_prefix="/v1/", after_id=last_request)
            if request.at <= seen
        }
        sent = eventually(lambda: self._sent_since(began), every=0.02)
        eventually(lambda: not ProviderEvent.objects.filter(state__in=WAITING).exists())
        return Paid(seconds=seen - sent[0].at, asked=sorted(asked))

    def provider_seconds(self, paid: Paid) -> float:
        """Return how long the provider alone takes for what a look asked: the same requests, over a plain
        connection."""
        line = HTTPConnection(urlsplit(self._sandbox_url).netloc, timeout=10)
        line.connect()
        began = time.perf_counter()
        for path in paid.asked:
            line.request("GET", path, headers={"Authorization": f"Bearer {API_KEY}"})
            answer = line.getresponse()
            answer.read()
            assert answer.status == 200, path
        seconds = time.perf_counter() - began
        line.close()
        return seconds

    def _sent_since(self, began: float) -> list[WebhookAttempt]:
        """Return the tries of the webhooks sent since, first to last; nothing while one is still on its way."""
        recent = [each for each in self.control.deliveries() if each.due >= began]
        if any(each.state != "delivered" for each in recent):
            return []
        return sorted((attempt for each in recent for attempt in each.attempts), key=lambda attempt: attempt.at)


@dataclass(frozen=True, slots=True)
class Paid:
    """`seconds`: from the first webhook's sending until a reader saw the order paid. `asked`: what the look asked."""

    seconds: float
    asked: list[str]


def settings_of(sandbox: SandboxProcess) -> dict[str, str]:
    """Return the settings, as variables, that put the sandbox in the provider's place."""
    return {
        "PAYMENTS_PROVIDERS": "stripe",
        "STRIPE_API_KEY": API_KEY,
        "STRIPE_API_BASE": sandbox.url,
        "STRIPE_WEBHOOK_SECRETS": sandbox.webhook_secret,
    }


def _has_beaten(name: str, *, since: Any) -> bool:
    beat = heartbeat.last_beat(name)
    return beat is not None and beat >= since


def _when_paid(order_id: int, *, every_seconds: float = 0.005) -> float:
    """Return when another connection than the worker's first sees the order paid, in seconds of real time."""
    deadline = time.time() + 30
    with connection.cursor() as cursor:
        while time.time() < deadline:
            cursor.execute("SELECT state FROM orders_order WHERE id = %s", [order_id])
            if cursor.fetchone() == ("paid",):
                return time.time()
            time.sleep(every_seconds)
    raise AssertionError("the order was not paid within 30 s")


def _flat(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested parameters as Stripe's forms write them: `expand[0]=…`."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        name = f"{prefix}[{key}]" if prefix else str(key)
        items = dict(enumerate(value)) if isinstance(value, list) else value
        flat.update(_flat(items, name) if isinstance(items, dict) else {name: items})
    return flat
