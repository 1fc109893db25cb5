"""D001–D009: settings and secrets, before anything is asked."""

from __future__ import annotations

from django.conf import settings
from django.core import checks
from django.core.checks.messages import WARNING

from integrations.credential_guard import forbids_start
from payments.management.doctor.examination import Place, Skipped, examination


@examination(
    "D001",
    holds="Django's system checks and ours find nothing: key mode against environment, hosts, cookies, time limits",
    remedy="Do what each line's hint says; docs/settings.md lists the checks.",
)
def system_checks(_: Place) -> list[str]:
    deployed = settings.ENVIRONMENT in ("staging", "production")
    found = checks.run_checks(include_deployment_checks=deployed)
    return [
        f"{finding.id}: {finding.msg}" + (f" {finding.hint}" if finding.hint else "")
        for finding in found
        if finding.level >= WARNING and not finding.is_silenced()
    ]


@examination(
    "D002",
    holds="no integration key is of the other mode, and every provider offered has its keys",
    remedy="Revoke the keys that do not belong here, add those that are missing (docs/keys.md).",
)
def integration_keys_fit(_: Place) -> list[str]:
    return forbids_start(settings.PAYMENTS_PROVIDERS)


@examination(
    "D003",
    holds="files with secrets are readable to their owner only",
    remedy="chmod 600 the file, and see who owns it; then change the secret if others could read it.",
)
def files_are_private(_: Place) -> list[str]:
    sources = settings.SECRET_SOURCES
    if not any(source.file for source in sources.values()):
        raise Skipped("No secret stands in a file.")
    return [
        f"{name} comes from {source.where}, which others than its owner may open."
        for name, source in sources.items()
        if source.open_to_others
    ]
