"""Of each provider the newest event, by index; the same index serves the figures of an hour."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built beside the service, which goes on writing

    dependencies = [
        ('payments', '0025_alerts'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='providerevent',
            index=models.Index(fields=['provider', 'received_at'], name='event_of_provider'),
        ),
        RemoveIndexConcurrently(
            model_name='providerevent',
            name='event_received',
        ),
    ]
