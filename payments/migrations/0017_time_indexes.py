"""Attempts and events by their time, so that the figures of an hour read the rows of that hour only."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built beside the service, which goes on writing

    dependencies = [
        ('payments', '0016_period_figures'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='paymentattempt',
            index=models.Index(fields=['created_at'], name='attempt_created'),
        ),
        AddIndexConcurrently(
            model_name='providerevent',
            index=models.Index(fields=['received_at'], name='event_received'),
        ),
    ]
