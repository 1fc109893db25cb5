"""Django settings. Every value that depends on the place comes from the environment, through config/env.py.

Importing this starts nothing and connects to nothing.
"""

from __future__ import annotations

import os
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF

from config import env as _environment
from config import queue as _queue
from config.databases import django_databases
from config.logs import logging_settings
from config.policy import FEATURES_SWITCHED_OFF, pay_page_origins
from integrations.correlation import current as _correlation_id

# django-fsm announces its successor at each import. The project stays with it knowingly.
warnings.filterwarnings("ignore", message="The 'django-fsm' package has been integrated", category=UserWarning)

# Makes ModelAdmin[Order] and the like mean at run time what they mean to the type checker.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

_env = _environment.load(os.environ, base_dir=BASE_DIR)
ENVIRONMENT = _env.environment
DEPLOYED = _env.deployed

# --- the service -------------------------------------------------------------------------------------------

DEBUG = False
SECRET_KEY = _env.secret_key
SECRET_KEY_FALLBACKS = list(_env.secret_key_fallbacks)
ENCRYPTION_KEYS = _env.encryption_keys
ENCRYPTION_KEY_MAX_AGE_DAYS = _env.encryption_key_max_age_days
PUBLIC_BASE_URL = _env.public_base_url
TRUSTED_PROXIES = _env.trusted_proxies
PRIVATE_RECEIVERS = _env.private_receivers
METRICS_TOKEN = _env.metrics_token
SECRET_SOURCES = _env.secret_sources

# Loopback is for probes and for people on this machine; no page builds a link from the request's host.
ALLOWED_HOSTS = [str(urlsplit(PUBLIC_BASE_URL).hostname), *_env.allowed_hosts, "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL]

INSTALLED_APPS = [
    "config",
    "payments",
    "orders",
    "integrations",
    "payments.backoffice.apps.BackofficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
    "django_otp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "auditlog",
    "csp",
]
MIDDLEWARE = [
    "config.middleware.TrustedProxyMiddleware",
    "config.middleware.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.straight_door.StraightDoorMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.PermissionsPolicyMiddleware",
    "config.middleware.StoreAwayMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "payments.backoffice.sessions.StaffSessionMiddleware",
    "config.middleware.AuditMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- languages and time ------------------------------------------------------------------------------------

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
USE_I18N = True
FORMAT_MODULE_PATH = ["config.formats"]

# --- database, cache, queue, mail --------------------------------------------------------------------------

EMBEDDED_DATABASE = _env.embedded_database
if EMBEDDED_DATABASE:
    from config.postgres import address as _embedded_address

    _embedded = _embedded_address(BASE_DIR)
    DATABASES = django_databases(app=dict(_embedded.app), owner=dict(_embedded.owner))
else:
    DATABASES = django_databases(app=_env.database, owner=_env.database_owner, pooler=_env.database_pooler)

# Throttles count in the cache, so every process must see the same one: never LocMemCache.
_SHARED_CACHE: dict[str, Any] = (
    {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _env.redis_url}
    if _env.redis_url
    else {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "config_cache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
)
CACHES = {"default": {**_SHARED_CACHE, "KEY_PREFIX": "shop", "TIMEOUT": 300}}

Q_CLUSTER = _queue.q_cluster(redis_url=_env.redis_url)
WAKEUP_TASKS = _queue.WAKEUP_TASKS
WAKEUP_DUE = {
    "look": "payments.working.looks_due",
    "deliver": "integrations.delivery.has_due",
    "keep": "payments.working.keeping_due",
}
LOOK_SECONDS = _queue.LOOK_SECONDS
TASK_SECONDS = _queue.TASK_SECONDS
LEASE_SECONDS = _queue.LEASE_SECONDS
DRAIN_SECONDS = _queue.DRAIN_SECONDS

DELIVERY_BACKOFF_SECONDS: tuple[int, ...] = _env.delivery.backoff_seconds
DELIVERY_HORIZON_SECONDS = _env.delivery.horizon_seconds
DELIVERY_SEND_SECONDS = _env.delivery.send_seconds
DELIVERY_LOOKUP_SECONDS = _env.delivery.lookup_seconds
DELIVERY_RETRY_AFTER_MAX_SECONDS = _env.delivery.retry_after_max_seconds
DELIVERY_THREADS = _env.delivery.threads
DELIVERY_THREADS_A_RECEIVER = _env.delivery.threads_a_receiver
DELIVERY_AHEAD = _env.delivery.ahead
DELIVERY_REFUSED_TRIES = _env.delivery.refused_tries
DELIVERY_UNFINISHED_TRIES = _env.delivery.unfinished_tries
DELIVERY_ORDER_RECHECK_SECONDS = _env.delivery.order_recheck_seconds
BREAKER_FAILURES = _env.delivery.breaker_failures
BREAKER_COOLDOWN_SECONDS = _env.delivery.breaker_cooldown_seconds
BREAKER_COOLDOWN_MAX_SECONDS = _env.delivery.breaker_cooldown_max_seconds
BREAKER_CASE_AFTER_SECONDS = _env.delivery.breaker_case_after_seconds

for _name, _value in _env.email.items():
    globals()[_name] = _value
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _env.email_from

# --- the shop and its providers ----------------------------------------------------------------------------

ORDER_LIFETIME_MINUTES = _env.order_lifetime_minutes
CORRECTION_CEILINGS = _env.correction_ceilings
SHOP_WRITES_A_MINUTE = 240 if DEPLOYED else 0
"""How often one address may write at the shop's pages: each first time begins a session and a basket. 0: no limit."""
SHOPPER_ASKS_A_MINUTE = 60 if DEPLOYED else 0
"""How often one address may have a provider asked from the shop's pages, as the API's own limit. 0: no limit."""
REFUND_LIMITS = _env.refund_limits

PAYMENTS_PROVIDERS, PAYMENTS_PRESENTATION = _env.payments_providers, _env.payments_presentation
WEBHOOK_IP_ALLOWLISTS, OUTGOING_ADDRESSES = _env.webhook_ip_allowlists, _env.outgoing_addresses
WEBHOOK_MAX_BODY_BYTES = 1024 * 1024

STRIPE_API_KEY, STRIPE_API_BASE = _env.stripe.api_key, _env.stripe.api_base
STRIPE_PUBLISHABLE_KEY = _env.stripe.publishable_key
STRIPE_WEBHOOK_SECRETS, STRIPE_THREE_D_SECURE = _env.stripe.webhook_secrets, _env.stripe.three_d_secure
STRIPE_CONNECT_TIMEOUT_SECONDS = _env.stripe.connect_timeout_seconds
STRIPE_READ_TIMEOUT_SECONDS = _env.stripe.read_timeout_seconds
globals().update(_env.other_providers)

# --- alerts and suspicious patterns ------------------------------------------------------------------------

ALERT_EVENT_SECONDS = _env.watching.alerts["ALERT_EVENT_SECONDS"]
ALERT_DELIVERY_SECONDS = _env.watching.alerts["ALERT_DELIVERY_SECONDS"]
ALERT_HEARTBEAT_SECONDS = _env.watching.alerts["ALERT_HEARTBEAT_SECONDS"]
ALERT_CALL_SECONDS = _env.watching.alerts["ALERT_CALL_SECONDS"]
ALERT_LOOK_SECONDS = _env.watching.alerts["ALERT_LOOK_SECONDS"]
ALERT_SIGNATURE_SECONDS = _env.watching.alerts["ALERT_SIGNATURE_SECONDS"]
ALERT_SILENCE_MINUTES = _env.watching.alerts["ALERT_SILENCE_MINUTES"]
ALERT_SILENCE_ATTEMPTS = _env.watching.alerts["ALERT_SILENCE_ATTEMPTS"]
PATTERN_FAILED_TRIES_BY_ORDER = _env.watching.patterns["PATTERN_FAILED_TRIES_BY_ORDER"]
PATTERN_FAILED_TRIES_BY_EMAIL = _env.watching.patterns["PATTERN_FAILED_TRIES_BY_EMAIL"]
PATTERN_FAILED_TRIES_BY_CLIENT = _env.watching.patterns["PATTERN_FAILED_TRIES_BY_CLIENT"]
PATTERN_CARDS_BY_EMAIL = _env.watching.patterns["PATTERN_CARDS_BY_EMAIL"]
PATTERN_CARDS_BY_CLIENT = _env.watching.patterns["PATTERN_CARDS_BY_CLIENT"]
PATTERN_SMALL_AMOUNTS_BY_EMAIL = _env.watching.patterns["PATTERN_SMALL_AMOUNTS_BY_EMAIL"]
PATTERN_SMALL_AMOUNTS_BY_CLIENT = _env.watching.patterns["PATTERN_SMALL_AMOUNTS_BY_CLIENT"]
PATTERN_REFUNDS = _env.watching.patterns["PATTERN_REFUNDS"]
PATTERN_SMALL_AMOUNTS = _env.watching.small_amounts
PATTERN_REFUND_PERCENT = _env.watching.refund_percent

# --- reconciliation and expected events --------------------------------------------------------------------

RECONCILE_SCHEDULED = _env.reconciling["RECONCILE_SCHEDULED"]
RECONCILE_NIGHT_HOUR = _env.reconciling["RECONCILE_NIGHT_HOUR"]
RECONCILE_PAGES_A_SECOND = _env.reconciling["RECONCILE_PAGES_A_SECOND"]
RECONCILE_OVERLAP_MINUTES = _env.reconciling["RECONCILE_OVERLAP_MINUTES"]
EVENTS_GAP_MINUTES = _env.reconciling["EVENTS_GAP_MINUTES"]
EXPECT_START_SECONDS = _env.reconciling["EXPECT_START_SECONDS"]
EXPECT_CLOSE_SECONDS = _env.reconciling["EXPECT_CLOSE_SECONDS"]
EXPECT_MONEY_SECONDS = _env.reconciling["EXPECT_MONEY_SECONDS"]
EXPECT_PENDING_SECONDS = _env.reconciling["EXPECT_PENDING_SECONDS"]

# --- what a request may be ---------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = WEBHOOK_MAX_BODY_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
DATA_UPLOAD_MAX_NUMBER_FILES = 0
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = WEBHOOK_MAX_BODY_BYTES
ATOMIC_REQUESTS = False

# --- transport, cookies, policies --------------------------------------------------------------------------

SECURE_SSL_REDIRECT = DEPLOYED
# Probes come to the process itself, without TLS (docs/deploy.md).
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
# Believed from TRUSTED_PROXIES only: TrustedProxyMiddleware removes it from everybody else's requests.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 2 * 365 * 24 * 3600 if DEPLOYED else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = DEPLOYED
SECURE_HSTS_PRELOAD = DEPLOYED
SECURE_CONTENT_TYPE_NOSNIFF = True
# Tokens stand in our URLs: no other site shall see where a shopper comes from.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# __Host- ties a cookie to this host, over TLS, for all paths.
_COOKIE_PREFIX = "__Host-" if DEPLOYED else ""
SESSION_COOKIE_NAME = f"{_COOKIE_PREFIX}session"
SESSION_COOKIE_SECURE = DEPLOYED
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
STAFF_SESSION_SECONDS = 8 * 3600
STAFF_IDLE_SECONDS = 30 * 60
CSRF_COOKIE_NAME = f"{_COOKIE_PREFIX}csrf"
CSRF_COOKIE_SECURE = DEPLOYED
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
LANGUAGE_COOKIE_SECURE = DEPLOYED
LANGUAGE_COOKIE_SAMESITE = "Lax"

_API_BASES: dict[str, str] = {name: globals().get(f"{name.upper()}_API_BASE", "") for name in PAYMENTS_PROVIDERS}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        # A form's redirect counts too: "pay" posts to us and ends on the provider's page.
        "form-action": [SELF, *pay_page_origins(PAYMENTS_PROVIDERS, api_bases=_API_BASES)],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        **({"upgrade-insecure-requests": True} if DEPLOYED else {}),
    }
}
PERMISSIONS_POLICY = FEATURES_SWITCHED_OFF

# --- signing in --------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
if ENVIRONMENT == "test":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; no password there is worth a thing
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_URL = "admin:login"
MFA_ISSUER = f"Shop back office ({urlsplit(PUBLIC_BASE_URL).hostname})"
STEP_UP_SECONDS = 5 * 60
INVITATION_HOURS = 72
SIGN_INS_A_MINUTE = 30 if DEPLOYED else 0
"""From one address: each costs the hash of a password (payments/flood.py). 0: no limit, where tests and demos run."""
STAFF_TOKEN_MAX_DAYS = 90

AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HANDLER = "payments.backoffice.lockout.CountingHandler"
AXES_USERNAME_CALLABLE = "config.signing_in.name_for_axes"
AXES_LOCKOUT_CALLABLE = "config.errors.locked_out"
# TrustedProxyMiddleware has put the client's own address there; no header is believed a second time.
AXES_IPWARE_META_PRECEDENCE_ORDER = ["REMOTE_ADDR"]
AXES_VERBOSE = False
AXES_ALLOWED_CORS_ORIGINS = PUBLIC_BASE_URL
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "password", "code", "csrfmiddlewaretoken"]

# --- audit -------------------------------------------------------------------------------------------------

AUDITLOG_CID_GETTER = _correlation_id
AUDITLOG_MASK_CALLABLE = "integrations.redaction.mask"

# --- API ---------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    # Never by cookie. A view that anybody may call says so itself.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
        "rest_framework.throttling.ScopedRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anon": "240/min",
        "user": "600/min",
        "orders": "60/min",
        "attempts": "60/min",
        "refunds": "60/min",
    },
    # REMOTE_ADDR is the client's own address already (TrustedProxyMiddleware).
    "NUM_PROXIES": 0,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": True,
    "STRICT_JSON": True,
    "UPLOADED_FILES_USE_URL": False,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Orders and payments",
    "DESCRIPTION": "Place orders, open payment attempts, read their state. Amounts are integers in minor units.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "ENUM_NAME_OVERRIDES": {
        "OrderState": "orders.states.OrderState.choices",
        "AttemptState": "payments.states.AttemptState.choices",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- static files ------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_USE_FINDERS = not DEPLOYED
STATIC_ROOT: Path | None = BASE_DIR / "var" / "static" if DEPLOYED else None
_STATIC_STORAGE = (
    "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if DEPLOYED
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": _STATIC_STORAGE},
}

# --- logs --------------------------------------------------------------------------------------------------

LOGGING_CONFIG = "config.logs.configure"
LOGGING = logging_settings(level=_env.log_level, json=DEPLOYED, secrets=_env.secret_values)
