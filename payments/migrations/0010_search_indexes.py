"""What staff search for (payments/finding.py): a capture by its id or amount, a correlation id."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built beside the service, which goes on writing

    dependencies = [
        ('payments', '0009_notes'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='capture',
            index=models.Index(fields=['capture_id'], name='capture_by_id'),
        ),
        AddIndexConcurrently(
            model_name='capture',
            index=models.Index(fields=['amount_minor', 'captured_at'], name='capture_amount'),
        ),
        AddIndexConcurrently(
            model_name='providerevent',
            index=models.Index(condition=models.Q(('correlation_id', ''), _negated=True), fields=['correlation_id'], name='event_correlation'),
        ),
        AddIndexConcurrently(
            model_name='staffaction',
            index=models.Index(condition=models.Q(('correlation_id', ''), _negated=True), fields=['correlation_id'], name='action_correlation'),
        ),
    ]
