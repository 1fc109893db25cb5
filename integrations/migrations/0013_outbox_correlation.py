"""Facts by correlation id: what the audit log shows together."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built beside the service, which goes on writing

    dependencies = [
        ('integrations', '0012_facts_by_time'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='outboxevent',
            index=models.Index(condition=models.Q(('correlation_id', ''), _negated=True), fields=['correlation_id'], name='outbox_correlation'),
        ),
    ]
