"""What the demo is made of: addresses, the environment of its processes, and the programs with their order."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from integrations.sandbox.loopback import HOST, free_port
from payments.management.demo import people
from payments.management.demo.people import SignIn
from payments.management.demo.place import Addresses, Place, new_stripe_key, new_stripe_webhook_secret
from payments.management.demo.processes import Program

SHOP_PORT, SANDBOX_PORT, RECEIVER_PORT = 8000, 4010, 4020
CLUSTERS = ("look", "deliver", "keep")
WORKING = (*CLUSTERS, "tick")
"""The programs that say themselves that they work (integrations/heartbeat.py)."""
WEB_WORKERS, WEB_THREADS = 2, 4
LINGER_SECONDS = 5

# Whatever the shell has of these is for another purpose than the demo.
_OURS = ("STRIPE_", "PAYPAL_", "SQUARE_", "NMI_")
_OUR_OWN = {"PAYMENTS_PROVIDERS", "PUBLIC_BASE_URL", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "WEBHOOK_IP_ALLOWLISTS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What the demo makes up for itself, once."""

    stripe_key: str
    stripe_webhook_secret: str
    receiver_secret: str
    staff: Mapping[str, SignIn]


def secrets_of(place: Place) -> Secrets:
    """Return the demo's secrets, making them the first time."""
    return Secrets(
        stripe_key=place.secret("stripe_key", new_stripe_key),
        stripe_webhook_secret=place.secret("stripe_webhook_secret", new_stripe_webhook_secret),
        receiver_secret=place.secret("receiver_secret", _new_receiver_secret),
        staff=people.sign_ins_of(place),
    )


def choose_addresses() -> Addresses:
    """Return where the demo's servers shall listen: their usual ports, or free ones where those are taken."""
    shop, sandbox, receiver = (free_port(port) for port in (SHOP_PORT, SANDBOX_PORT, RECEIVER_PORT))
    return Addresses(f"http://{HOST}:{shop}", f"http://{HOST}:{sandbox}", f"http://{HOST}:{receiver}")


def shared_environment(addresses: Addresses, known: Secrets, *, environment: str) -> dict[str, str]:
    """Return the variables that make a process part of this demo."""
    return {
        "ENVIRONMENT": environment,
        "PUBLIC_BASE_URL": addresses.shop,
        "PAYMENTS_PROVIDERS": "stripe",
        "STRIPE_API_KEY": known.stripe_key,
        "STRIPE_API_BASE": addresses.sandbox,
        "STRIPE_WEBHOOK_SECRETS": known.stripe_webhook_secret,
        "EMAIL_URL": "console:",
    }


def programs(
    place: Place, addresses: Addresses, known: Secrets, *, environment: str, inherited: Mapping[str, str] = os.environ
) -> list[Program]:
    """Return every program of the demo, in the order to start them."""
    common = {
        **_without_our_own(inherited),
        **shared_environment(addresses, known, environment=environment),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
    }
    return [
        *stand_ins(place, addresses, known, common),
        Program(name="web", command=_web(addresses), environment=common, wave=2),
        *(
            Program(
                name=cluster, command=_manage("qcluster"), environment={**common, "Q_CLUSTER_NAME": cluster}, wave=1
            )
            for cluster in CLUSTERS
        ),
        Program(name="tick", command=_manage("tick"), environment=common, wave=2),
    ]


def stand_ins(place: Place, addresses: Addresses, known: Secrets, environment: Mapping[str, str]) -> list[Program]:
    """Return the programs that play other companies: the provider's sandbox, and the receiver of our facts."""
    sandbox = (
        *_module("integrations.sandbox"),
        *("--provider", "stripe", "--port", _port(addresses.sandbox), "--state-dir", str(place.sandbox_state)),
        *("--webhook-url", f"{addresses.shop}/webhooks/stripe/", "--webhook-secret", known.stripe_webhook_secret),
    )
    receiver = (
        *_module("integrations.sandbox.receiver"),
        *("--port", _port(addresses.receiver), "--state-dir", str(place.receiver_state)),
        *("--secret", known.receiver_secret),
    )
    return [
        Program(name="sandbox", command=sandbox, environment=environment),
        Program(name="receiver", command=receiver, environment=environment),
    ]


def _without_our_own(inherited: Mapping[str, str]) -> dict[str, str]:
    def is_ours(name: str) -> bool:
        plain = name.removesuffix("_FILE")
        return name.startswith(_OURS) or plain in _OUR_OWN or plain == "EMAIL_URL"

    return {name: value for name, value in inherited.items() if not is_ours(name)}


def _web(addresses: Addresses) -> tuple[str, ...]:
    return (
        *_module("gunicorn"),
        *("config.wsgi", "--bind", addresses.shop.removeprefix("http://"), "--no-control-socket"),
        *("--worker-class", "gthread", "--workers", str(WEB_WORKERS), "--threads", str(WEB_THREADS)),
        *("--graceful-timeout", str(LINGER_SECONDS)),
    )


def _manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "manage.py", *arguments)


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def _new_receiver_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
