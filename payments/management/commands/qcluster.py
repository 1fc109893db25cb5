"""`manage.py qcluster`: django-q2's own command, which has to know its name before Django's settings are read."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import CommandError
from django.db import connections
from django_q.conf import Conf
from django_q.management.commands.qcluster import Command as DjangoQCluster

from integrations import clusters
from integrations.wakeups import CLUSTERS
from payments.management.key_refusal import refuse_forbidden_keys

EXIT_USAGE = 2


class Command(DjangoQCluster):  # type: ignore[misc]  # django-q2 has no types
    """Refuses to run nameless, where it would wait on a queue that nothing is put into; makes `-n` mean what it says.

    On Linux django-q2 reads the name from the environment when it is imported, so `-n` alone comes too late for it.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        name = options.get("cluster_name") or os.environ.get("Q_CLUSTER_NAME", "")
        if name not in CLUSTERS:
            hint = f"Name the cluster: `manage.py qcluster -n NAME`, NAME being {', '.join(CLUSTERS)}."
            raise CommandError(hint, returncode=EXIT_USAGE)
        if name != Conf.CLUSTER_NAME:
            os.environ["Q_CLUSTER_NAME"] = name
            os.execv(sys.executable, [sys.executable, *sys.argv])  # nosec B606: the same command, over again
        clusters.use_our_sentinel()
        refuse_forbidden_keys()
        connections.close_all()  # the workers that are forked from here share none
        super().handle(*args, **options)
