"""What staff search for (payments/finding.py): an amount with a day, a correlation id."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built beside the service, which goes on writing

    dependencies = [
        ('orders', '0004_transition_correlation'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(fields=['total_minor', 'placed_at'], name='order_amount'),
        ),
        AddIndexConcurrently(
            model_name='transition',
            index=models.Index(condition=models.Q(('correlation_id', ''), _negated=True), fields=['correlation_id'], name='transition_correlation'),
        ),
    ]
