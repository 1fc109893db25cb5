"""Django settings, from the environment."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

ENVIRONMENT = os.environ.get("ENVIRONMENT", "demo")
SECRET_KEY = os.environ.get("SECRET_KEY", "demo-only")
DEBUG = False
ALLOWED_HOSTS = ["*"]
PUBLIC_BASE_URL = os.environ.get("PUBLIC_BASE_URL", "http://127.0.0.1:8000")

INSTALLED_APPS = [
    "payments",
    "orders",
    "integrations",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "auditlog",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

ENCRYPTION_KEYS = {"demo": hashlib.sha256(SECRET_KEY.encode()).digest()}

ORDER_LIFETIME_MINUTES = 60

from config.postgres import address  # noqa: E402

_embedded = address(BASE_DIR)
DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", **_embedded.app, "TEST": {"MIRROR": "owner"}},
    "owner": {"ENGINE": "django.db.backends.postgresql", **_embedded.owner},
}

from config import queue  # noqa: E402

Q_CLUSTER = queue.q_cluster()
WAKEUP_TASKS = queue.WAKEUP_TASKS
WAKEUP_DUE = {
    "look": "payments.working.looks_due",
    "deliver": "integrations.delivery.has_due",
    "keep": "payments.working.keeping_due",
}
LOOK_SECONDS = queue.LOOK_SECONDS
TASK_SECONDS = queue.TASK_SECONDS
LEASE_SECONDS = queue.LEASE_SECONDS
DRAIN_SECONDS = queue.DRAIN_SECONDS
DELIVERY_SEND_SECONDS = queue.DELIVERY_SEND_SECONDS
DELIVERY_BACKOFF_SECONDS = queue.DELIVERY_BACKOFF_SECONDS
DELIVERY_HORIZON_SECONDS = queue.DELIVERY_HORIZON_SECONDS
