"""Logs: structlog and the standard library through one pipeline, each line scrubbed and with its correlation id.

JSON when deployed, readable otherwise. The order of the processors matters: tracebacks become text *before* the
scrubber runs, or they would pass by it.
"""

from __future__ import annotations

import json as json_module
import logging.config
from collections.abc import Iterable
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from integrations import correlation, redaction

_OUR_OWN = frozenset({"timestamp", "level", "logger"})
_LONG = ("exception", "stack")


def logging_settings(*, level: str, json: bool, secrets: Iterable[str]) -> dict[str, Any]:
    """Return Django's LOGGING: everything to standard error. `secrets` are taken out wherever they occur."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "secrets": tuple(secrets),
        "formatters": {
            "line": {
                "()": "structlog.stdlib.ProcessorFormatter",
                "foreign_pre_chain": _common(),
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *_made_safe(),
                    render_json if json else render_console,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # RequestLogMiddleware writes the one line of each request; Django's own would say it again.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "django.db.backends": {"level": "INFO"},
            # These may log whole requests and answers below this level.
            "stripe": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            "requests": {"level": "WARNING"},
            "django-q": {"level": "INFO"},
            "axes": {"level": "ERROR"},
            "gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
        },
    }


def configure(settings: dict[str, Any]) -> None:
    """Take `logging_settings()` into force: Django calls this once a process (LOGGING_CONFIG)."""
    settings = dict(settings)
    redaction.know_secrets(settings.pop("secrets"))
    logging.config.dictConfig(settings)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a test that captures lines would miss those of loggers used before
    )


def _common() -> list[Processor]:
    """What every line gets, whoever wrote it."""
    return [
        structlog.contextvars.merge_contextvars,
        add_correlation_id,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(allow=None),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _made_safe() -> list[Processor]:
    return [structlog.processors.StackInfoRenderer(), structlog.processors.format_exc_info, scrub_event]


def add_correlation_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the id of what is going on under `correlation_id`; a line that names one keeps it."""
    if not event.get("correlation_id"):
        event.pop("correlation_id", None)
        event.update({"correlation_id": value} if (value := correlation.current()) else {})
    return event


def scrub_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out cards, secrets and personal data from every value, and write out line breaks in all but tracebacks."""
    return {key: value if key in _OUR_OWN else _safe(key, value) for key, value in event.items()}


def render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Return the line as one JSON object."""
    return json_module.dumps(event, default=str, ensure_ascii=True)


def render_console(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Return the line as a person reads it. A traceback's lines are set off, so that none passes for a log line."""
    event = dict(event)
    moment = str(event.pop("timestamp", ""))[11:19]
    level, name, said = (str(event.pop(key, "")) for key in ("level", "logger", "event"))
    long = [str(event.pop(key)) for key in _LONG if event.get(key)]
    rest = " ".join(f"{key}={value}" for key, value in event.items() if value not in (None, ""))
    first = redaction.one_line(f"{moment} {level:<8}{said}  {rest} [{name}]")
    return "\n".join([first, *(f"    | {redaction.one_line(line)}" for text in long for line in text.splitlines())])


def _safe(key: str, value: Any) -> Any:
    scrubbed = redaction.scrub(value, key=key)
    return scrubbed if key in _LONG else _one_line(scrubbed)


def _one_line(value: Any) -> Any:
    if isinstance(value, str):
        return redaction.one_line(value)
    if isinstance(value, dict):
        return {redaction.one_line(key): _one_line(item) for key, item in value.items()}
    return [_one_line(item) for item in value] if isinstance(value, list) else value
