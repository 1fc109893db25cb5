"""Facts by time: what a receiver missed while it was disabled. Of rows that are only ever appended, an index of a few
pages."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # built beside the service, which goes on writing

    dependencies = [
        ("integrations", "0011_credentials"),
    ]

    operations = [
        AddIndexConcurrently("outboxevent", BrinIndex(fields=["created_at"], name="outbox_time")),
    ]
