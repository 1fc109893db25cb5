"""Tries of deliveries by their time, so that the figures of an hour read the rows of that hour only."""

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # the index is built beside the service, which goes on writing

    dependencies = [
        ('integrations', '0016_public_key_empty'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='deliveryattempt',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['started_at'], name='delivery_attempt_time'),
        ),
    ]
