"""What the demo is made of: addresses, the environment of its processes, and the programs with their order."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from integrations.sandbox.loopback import HOST
from payments.management.demo import people
from payments.management.demo.people import SignIn
from payments.management.demo.place import Addresses, Place
from payments.management.demo.ports import Ports
from payments.management.demo.processes import Program
from payments.management.demo.stand_ins import STAND_INS, Where

SHOP_PORT, RECEIVER_PORT = 8000, 4020
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

    of_providers: Mapping[str, Mapping[str, str]]
    """By provider and name (stand_ins.py)."""
    receiver_secret: str
    staff: Mapping[str, SignIn]


def secrets_of(place: Place) -> Secrets:
    """Return the demo's secrets, making them the first time."""
    return Secrets(
        of_providers={
            provider: {name: place.secret(name, make) for name, make in stand_in.secrets.items()}
            for provider, stand_in in STAND_INS.items()
        },
        receiver_secret=place.secret("receiver_secret", _new_receiver_secret),
        staff=people.sign_ins_of(place),
    )


def choose_addresses(ports: Ports) -> Addresses:
    """Return where the demo's servers shall listen: their usual ports, or free ones where those are taken."""
    return Addresses(
        shop=_address(ports.choose(SHOP_PORT)),
        receiver=_address(ports.choose(RECEIVER_PORT)),
        sandboxes={provider: _address(ports.choose(stand_in.port)) for provider, stand_in in STAND_INS.items()},
    )


def _address(port: int) -> str:
    return f"http://{HOST}:{port}"


def shared_environment(place: Place, addresses: Addresses, known: Secrets, *, environment: str) -> dict[str, str]:
    """Return the variables that make a process part of this demo."""
    common = {
        "ENVIRONMENT": environment,
        "PUBLIC_BASE_URL": addresses.shop,
        "PAYMENTS_PROVIDERS": ",".join(STAND_INS),
        "EMAIL_URL": "console:",
    }
    for provider, stand_in in STAND_INS.items():
        common |= stand_in.variables(_where(provider, place, addresses, known))
    return common


def _where(provider: str, place: Place, addresses: Addresses, known: Secrets) -> Where:
    return Where(
        sandbox=addresses.sandboxes[provider],
        shop=addresses.shop,
        secrets=known.of_providers[provider],
        state_dir=place.sandbox_state,
    )


def programs(
    place: Place, addresses: Addresses, known: Secrets, *, environment: str, inherited: Mapping[str, str] = os.environ
) -> list[Program]:
    """Return every program of the demo, in the order to start them."""
    common = {
        **_without_our_own(inherited),
        **shared_environment(place, addresses, known, environment=environment),
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
    """Return the programs that play other companies: the providers' sandboxes, and the receiver of our facts."""
    receiver = (
        *_module("integrations.sandbox.receiver"),
        *("--port", _port(addresses.receiver), "--state-dir", str(place.receiver_state)),
        *("--secret", known.receiver_secret),
    )
    return [
        *(
            Program(
                name=f"sandbox-{provider}",
                command=_sandbox(provider, _where(provider, place, addresses, known)),
                environment=environment,
            )
            for provider in STAND_INS
        ),
        Program(name="receiver", command=receiver, environment=environment),
    ]


def is_stand_in(program: Program) -> bool:
    """Return whether it plays another company, and so never asks the database."""
    return program.name == "receiver" or program.name.startswith("sandbox-")


def _sandbox(provider: str, where: Where) -> tuple[str, ...]:
    stand_in = STAND_INS[provider]
    signing = ("--webhook-secret", where.secrets[stand_in.signing]) if stand_in.signing else ()
    return (
        *_module("integrations.sandbox"),
        *("--provider", provider, "--port", _port(where.sandbox), "--state-dir", str(where.state_dir)),
        *("--webhook-url", f"{where.shop}/webhooks/{provider}/", *signing),
        *stand_in.arguments(where),
    )


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
