"""Every environment variable that the service reads: its name, what it means, its default, where it is required.

`config/env.py` reads no other name, and a test holds docs/settings.md against this table.
"""

from __future__ import annotations

from dataclasses import dataclass

DEPLOYED = ("staging", "production")
"""The environments in which strangers can reach the service."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. `default` is what a reader is told; a `secret` may also stand in the file that NAME_FILE names."""

    name: str
    meaning: str
    default: str = "empty"
    required_in: tuple[str, ...] = ()
    secret: bool = False


GENERAL = (
    Variable(
        "ENVIRONMENT",
        "`demo`, `test`, `staging` or `production`.",
        "`demo`, only while DATABASE_URL and all provider keys are empty; otherwise the start is refused",
        DEPLOYED,
    ),
    Variable(
        "SECRET_KEY",
        "Signs sessions, CSRF tokens and queue messages; at least 50 random characters.",
        "generated into `var/secrets/`",
        DEPLOYED,
        secret=True,
    ),
    Variable(
        "SECRET_KEY_FALLBACKS",
        "Former values of SECRET_KEY, comma list: sessions signed with them stay valid.",
        secret=True,
    ),
    Variable(
        "ENCRYPTION_KEYS",
        "Comma list of `id:base64 of 32 bytes`. The first one writes, all of them read: put a new key first and keep "
        "the old ones until nothing is sealed with them.",
        "generated into `var/secrets/`",
        DEPLOYED,
        secret=True,
    ),
    Variable(
        "ENCRYPTION_KEY_MAX_AGE_DAYS",
        "At this age of the first of ENCRYPTION_KEYS a Case and `doctor` ask for a new one (docs/keys.md), 1 to 3650.",
        "`365`",
    ),
    Variable(
        "PUBLIC_BASE_URL",
        "Where shoppers and providers reach the shop: scheme, host and port, no path. `https` when deployed.",
        "`http://127.0.0.1:8000`",
        DEPLOYED,
    ),
    Variable("ALLOWED_HOSTS", "Further host names to answer to, comma list.", "the host of PUBLIC_BASE_URL, loopback"),
    Variable(
        "TRUSTED_PROXIES",
        "Comma list of the addresses or networks of your own proxies, or `unix` for a proxy that comes over a unix "
        "socket. Only from them are X-Forwarded-For, X-Forwarded-Proto and X-Request-ID believed.",
        required_in=DEPLOYED,
    ),
    Variable(
        "PRIVATE_RECEIVERS",
        "Comma list of host names that may stand in the networks of our own house (10/8, 172.16/12, 192.168/16, "
        "fc00::/7), such as an ERP's; over https all the same. Every other host that we call must be public.",
    ),
    Variable(
        "METRICS_TOKEN", "Bearer token that opens /metrics to others than loopback and trusted networks.", secret=True
    ),
    Variable("LOG_LEVEL", "`DEBUG`, `INFO`, `WARNING` or `ERROR`.", "`INFO`"),
)

STORES = (
    Variable(
        "DATABASE_URL",
        "PostgreSQL as the application's role, e.g. `postgresql://shop_app:…@db.example/shop?sslmode=verify-full`. "
        "libpq's parameters are passed on.",
        "empty: an embedded server in this checkout",
        DEPLOYED,
        secret=True,
    ),
    Variable(
        "DATABASE_OWNER_URL",
        "The same database as the role that owns the tables; `migrate` uses it. Another role than DATABASE_URL's.",
        "DATABASE_URL",
        ("production",),
        secret=True,
    ),
    Variable(
        "DATABASE_POOLER",
        "`1` if DATABASE_URL leads to PgBouncer in transaction mode: no server-side cursors, no prepared statements, "
        "no start-up options (set the role's timeouts in the database instead, docs/deploy.md).",
        "`0`",
    ),
    Variable("REDIS_URL", "Redis for the queue and the shared cache.", "empty: both live in PostgreSQL", secret=True),
    Variable(
        "EMAIL_URL",
        "`smtp://user:password@host:587` (STARTTLS, unless `?tls=none`), `smtps://…` (TLS from the start), `console:`, "
        "or `file:/directory`.",
        "`console:`",
        DEPLOYED,
        secret=True,
    ),
    Variable("EMAIL_FROM", "Sender of our mail.", "`no-reply@` the host of PUBLIC_BASE_URL"),
)

SHOP = (
    Variable("ORDER_LIFETIME_MINUTES", "How long an order may be paid, 30 to 1440.", "`60`"),
    Variable(
        "CORRECTION_CEILINGS",
        "The most money a correction may move, in minor units by currency, e.g. `EUR:500000,JPY:800000`.",
        "empty: no ceiling",
    ),
    Variable(
        "REFUND_LIMITS",
        "What one person may refund of an order without a second one, in minor units by currency. It counts all that "
        "was refunded of the order here. A currency that is not named always needs a second person.",
        "`EUR:10000,USD:10000,GBP:10000,JPY:15000`",
    ),
)

_WINDOW = "Written `count/minutes`; `0`: off. Over it, a Case."

WATCHING = (
    Variable("ALERT_EVENT_SECONDS", "The oldest event that waits in the inbox may be so old, 30 to 86400.", "`300`"),
    Variable(
        "ALERT_DELIVERY_SECONDS",
        "The oldest delivery on its way to a receiver that is neither paused nor disabled, 30 to 259200.",
        "`900`",
    ),
    Variable("ALERT_HEARTBEAT_SECONDS", "`tick` and each cluster must have worked within this, 20 to 3600.", "`120`"),
    Variable("ALERT_CALL_SECONDS", "The oldest call to a provider whose outcome is unknown, 60 to 86400.", "`900`"),
    Variable("ALERT_LOOK_SECONDS", "How late the oldest look that is due may be, 60 to 86400.", "`600`"),
    Variable(
        "ALERT_SIGNATURE_SECONDS",
        "For how long every webhook of a provider may fail our signature check, 0 to 86400.",
        "`120`",
    ),
    Variable(
        "ALERT_SILENCE_MINUTES",
        "A provider may send no verified webhook for so long while payments are found by looking, or while "
        "ALERT_SILENCE_ATTEMPTS attempts were opened, 5 to 1440.",
        "`30`",
    ),
    Variable("ALERT_SILENCE_ATTEMPTS", "Attempts opened in that time that make silence strange, 1 to 10000.", "`10`"),
    Variable("PATTERN_FAILED_TRIES_BY_ORDER", f"Declined tries for one order. {_WINDOW}", "`6/60`"),
    Variable("PATTERN_FAILED_TRIES_BY_EMAIL", f"Declined tries for one e-mail address. {_WINDOW}", "`10/60`"),
    Variable("PATTERN_FAILED_TRIES_BY_CLIENT", f"Declined tries from one network address. {_WINDOW}", "`15/60`"),
    Variable("PATTERN_CARDS_BY_EMAIL", f"Different cards for one e-mail address. {_WINDOW}", "`5/1440`"),
    Variable("PATTERN_CARDS_BY_CLIENT", f"Different cards from one network address. {_WINDOW}", "`6/1440`"),
    Variable("PATTERN_SMALL_AMOUNTS_BY_EMAIL", f"Small attempts for one e-mail address. {_WINDOW}", "`6/60`"),
    Variable("PATTERN_SMALL_AMOUNTS_BY_CLIENT", f"Small attempts from one network address. {_WINDOW}", "`8/60`"),
    Variable(
        "PATTERN_SMALL_AMOUNTS",
        "Up to what an amount is small, in minor units by currency; a currency that is not named has no small ones.",
        "`EUR:200,USD:200,GBP:200,JPY:300`",
    ),
    Variable("PATTERN_REFUNDS", f"Refunds seen at a provider. {_WINDOW}", "`10/1440`"),
    Variable("PATTERN_REFUND_PERCENT", "And they are so many of the captures in that time, 1 to 100.", "`10`"),
)

WAY_OUT = (
    Variable(
        "DELIVERY_BACKOFF_SECONDS",
        "Comma list: the longest wait after the 1st, 2nd … failed try, the last one repeated; each wait is drawn "
        "between 1 s and it. Never falling.",
        "`5,30,120,600,1800,3600,7200,14400,28800`",
    ),
    Variable(
        "DELIVERY_HORIZON_SECONDS",
        "A delivery is tried for at least this long before it is a dead letter, 60 to 2592000.",
        "`288000` (80 hours)",
    ),
    Variable("DELIVERY_SEND_SECONDS", "The most one try may take on the network, look-up included, 1 to 9.", "`8`"),
    Variable(
        "DELIVERY_LOOKUP_SECONDS",
        "The part of it for asking the receiver whether it has the message already, 1 to 8; less than the whole.",
        "`3`",
    ),
    Variable(
        "DELIVERY_RETRY_AFTER_MAX_SECONDS",
        "How long a receiver's Retry-After is honoured at most, 1 to 172800; less than the horizon.",
        "`21600` (6 hours)",
    ),
    Variable("DELIVERY_THREADS", "Tries at once in one worker, 1 to 256.", "`16`"),
    Variable(
        "DELIVERY_THREADS_A_RECEIVER",
        "Of these, how many for one receiver, 1 to 64; less than all, so that one that hangs leaves some to others.",
        "`4`",
    ),
    Variable(
        "DELIVERY_AHEAD",
        "How many more deliveries a worker claims for a receiver that answers quickly, to write them in batches, 0 to "
        "256.",
        "`28`",
    ),
    Variable(
        "DELIVERY_REFUSED_TRIES",
        "A message that is refused, or that we cannot send for a reason of our own, is a dead letter after so many "
        "tries, 1 to 1000.",
        "`8`",
    ),
    Variable(
        "DELIVERY_UNFINISHED_TRIES",
        "A message whose worker died so often in a row is taken for the cause of it and is a dead letter, 2 to 100.",
        "`5`",
    ),
    Variable(
        "DELIVERY_ORDER_RECHECK_SECONDS",
        "A delivery that waits for an earlier one about the same order is woken by it; should that fail, it looks "
        "again after this, 1 to 3600.",
        "`30`",
    ),
    Variable(
        "BREAKER_FAILURES",
        "After so many failures in a row that say it is away, a provider or receiver is left alone, 1 to 1000.",
        "`5`",
    ),
    Variable(
        "BREAKER_COOLDOWN_SECONDS", "For how long, until one try finds out; doubled each time, 1 to 3600.", "`15`"
    ),
    Variable("BREAKER_COOLDOWN_MAX_SECONDS", "How long it becomes at most; less than the horizon.", "`300`"),
    Variable(
        "BREAKER_CASE_AFTER_SECONDS", "One that stays away for so long is a Case, 0 to 604800.", "`900` (15 minutes)"
    ),
)

RECONCILING = (
    Variable(
        "RECONCILE_SCHEDULED",
        "`on` or `off`: whether the workers reconcile each provider's lists hourly and each night and fetch missed "
        "events (docs/reconciliation.md). `off` where another service does it by `manage.py reconcile`.",
        "`on`; `off` in tests",
    ),
    Variable(
        "RECONCILE_NIGHT_HOUR", "From which hour (UTC) the last 48 hours are reconciled each night, 0 to 23.", "`2`"
    ),
    Variable("RECONCILE_PAGES_A_SECOND", "How many pages of a provider's lists are asked for, 1 to 50.", "`5`"),
    Variable(
        "RECONCILE_OVERLAP_MINUTES",
        "How far behind the end of the last run the next one begins, since lists may lag, 5 to 2880.",
        "`120`",
    ),
    Variable(
        "EVENTS_GAP_MINUTES",
        "After so long without any sign of life of ours, events are fetched and the last hours reconciled, 5 to 1440.",
        "`15`",
    ),
    Variable("EXPECT_START_SECONDS", "The outcome of opening a page is known by then, 60 to 86400.", "`120`"),
    Variable("EXPECT_CLOSE_SECONDS", "That of closing a page or releasing money, 60 to 86400.", "`600`"),
    Variable("EXPECT_MONEY_SECONDS", "That of a capture or refund, 60 to 86400.", "`300`"),
    Variable(
        "EXPECT_PENDING_SECONDS",
        "A payment that has not ended was told of, or answered a look, within this time, 1860 to 86400.",
        "`2700`",
    ),
)

PROVIDERS = (
    Variable(
        "PAYMENTS_PROVIDERS",
        "Comma list of the providers offered, in the order shown.",
        "those whose keys are set",
    ),
    Variable(
        "PAYMENTS_PRESENTATION",
        "Where shoppers pay: `hosted` (the provider's page) or `embedded` (its frame on ours), for all or by provider: "
        "`hosted,square=embedded`. One that does not offer it is shown as it offers.",
        "as is usual for each provider",
    ),
    Variable(
        "WEBHOOK_IP_ALLOWLISTS",
        "Addresses that may post webhooks, e.g. `stripe=3.18.12.63,3.130.192.0/24;paypal=64.4.240.0/21`. A provider "
        "that is not named may post from anywhere; signatures are checked in any case.",
    ),
    Variable(
        "OUTGOING_ADDRESSES",
        "Comma list of the public addresses and networks that our calls to providers leave from. `doctor` lists them "
        "beside what each provider offers to restrict its key to them.",
    ),
    Variable("STRIPE_API_KEY", "`sk_…` or a restricted `rk_…`.", secret=True),
    Variable(
        "STRIPE_WEBHOOK_SECRETS",
        "Comma list of `whsec_…`; each is tried, so that a new one can be put beside the old.",
        secret=True,
    ),
    Variable(
        "STRIPE_PUBLISHABLE_KEY",
        "`pk_…`: set, Stripe's page can be shown in its frame on a page of ours (PAYMENTS_PRESENTATION).",
    ),
    Variable("STRIPE_API_BASE", "Stripe's API.", "`https://api.stripe.com`; in the demo the sandbox"),
    Variable("STRIPE_THREE_D_SECURE", "3-D Secure: `automatic`, `any` or `challenge`.", "`automatic`"),
    Variable("STRIPE_CONNECT_TIMEOUT_SECONDS", "1 to 10.", "`3`"),
    Variable("STRIPE_READ_TIMEOUT_SECONDS", "1 to 12: a look ends within 15 s.", "`10`"),
    Variable("PAYPAL_CLIENT_ID", "PayPal's client id."),
    Variable("PAYPAL_CLIENT_SECRET", "PayPal's client secret.", secret=True),
    Variable("PAYPAL_WEBHOOK_ID", "The id of our webhook at PayPal."),
    Variable(
        "PAYPAL_API_BASE",
        "PayPal's API. Outside production `https://api-m.sandbox.paypal.com`: only the host tells test from live.",
        "empty: `https://api-m.paypal.com`",
    ),
    Variable(
        "PAYPAL_WEBHOOK_ROOTS",
        "PEM file of the root that vouches for the webhooks of a stand-in on this machine. Never in production.",
        "empty: the public roots",
    ),
    Variable("SQUARE_ACCESS_TOKEN", "Square's access token.", secret=True),
    Variable("SQUARE_LOCATION_ID", "The location that takes the money."),
    Variable(
        "SQUARE_APPLICATION_ID",
        "The application's id, `sandbox-sq0idb-…` or live `sq0idp-…`; every shopper's browser gets it.",
    ),
    Variable("SQUARE_CURRENCY", "The location's currency: orders in another are not offered Square."),
    Variable(
        "SQUARE_WEBHOOK_SIGNATURE_KEYS",
        "Comma list of signature keys; each is tried, so that a new one can be put beside the old.",
        secret=True,
    ),
    Variable(
        "SQUARE_WEBHOOK_URL",
        "The notification URL exactly as set at Square; it is part of what is signed.",
        "`PUBLIC_BASE_URL` and `/webhooks/square/`",
    ),
    Variable(
        "SQUARE_API_BASE",
        "Square's API. Its tokens carry no mark of test or live, so this decides: outside production it must be "
        "`https://connect.squareupsandbox.com`, or the sandbox of the demo.",
        "`https://connect.squareup.com`",
    ),
    Variable("SQUARE_CONNECT_TIMEOUT_SECONDS", "1 to 10.", "`3`"),
    Variable("SQUARE_READ_TIMEOUT_SECONDS", "1 to 12: a look ends within 15 s.", "`10`"),
    Variable("NMI_SECURITY_KEY", "NMI's private security key.", secret=True),
    Variable("NMI_TOKENIZATION_KEY", "NMI's public key for Collect.js; every shopper's browser gets it."),
    Variable(
        "NMI_WEBHOOK_SIGNING_KEYS",
        "Comma list of NMI's signing keys; each is tried, so that a new one can be put beside the old.",
        secret=True,
    ),
    Variable("NMI_MERCHANT_ID", "The account's number, as webhooks name it (`event_body.merchant.id`)."),
    Variable(
        "NMI_API_BASE",
        "NMI's gateway. Its keys carry no mark of test or live, so this decides: outside production it must be "
        "`https://sandbox.nmi.com`, or the sandbox of the demo.",
        "empty: `https://secure.nmi.com`",
    ),
)

TABLE = {
    variable.name: variable for variable in (*GENERAL, *STORES, *SHOP, *WAY_OUT, *WATCHING, *RECONCILING, *PROVIDERS)
}

PROVIDER_KEYS = {
    "stripe": ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS"),
    "paypal": ("PAYPAL_CLIENT_ID", "PAYPAL_CLIENT_SECRET", "PAYPAL_WEBHOOK_ID"),
    "square": (
        "SQUARE_ACCESS_TOKEN",
        "SQUARE_LOCATION_ID",
        "SQUARE_APPLICATION_ID",
        "SQUARE_CURRENCY",
        "SQUARE_WEBHOOK_SIGNATURE_KEYS",
    ),
    "nmi": ("NMI_SECURITY_KEY", "NMI_TOKENIZATION_KEY", "NMI_WEBHOOK_SIGNING_KEYS", "NMI_MERCHANT_ID"),
}
"""The variables that make a provider usable. Setting any of them ends the silent demo (DESIGN.md, ENVIRONMENT)."""

KEYS_MAY_BE_ROWS = frozenset(
    (
        "STRIPE_API_KEY STRIPE_WEBHOOK_SECRETS PAYPAL_CLIENT_SECRET SQUARE_ACCESS_TOKEN SQUARE_WEBHOOK_SIGNATURE_KEYS "
        "NMI_SECURITY_KEY NMI_WEBHOOK_SIGNING_KEYS"
    ).split()
)
"""Of those, what may stand as an integration key instead (integrations/credentials.py): name its provider in
PAYMENTS_PROVIDERS."""
