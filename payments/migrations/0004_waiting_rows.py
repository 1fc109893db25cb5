"""What waits, and when a provider last answered: the indexes of payments/monitoring/figures.py."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built beside the service, which goes on writing

    dependencies = [
        ('orders', '0003_last_transition'),
        ('payments', '0003_posted_in_full'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('looked_at__isnull', False)), fields=['provider', 'looked_at'], name='attempt_last_look'),
        ),
        AddIndexConcurrently(
            model_name='providercall',
            index=models.Index(condition=models.Q(('state__in', ['prepared', 'sent', 'unknown'])), fields=['state', 'created_at'], name='call_waiting'),
        ),
        AddIndexConcurrently(
            model_name='providerevent',
            index=models.Index(condition=models.Q(('state__in', ['received', 'failed', 'parked', 'unverified', 'dead'])), fields=['state', 'received_at'], name='event_waiting'),
        ),
    ]
