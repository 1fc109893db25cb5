"""Our captures in the order of a provider's list, by index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the index is built beside the service, which goes on writing

    dependencies = [
        ('payments', '0031_reconciliation'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='capture',
            index=models.Index(fields=['provider', 'captured_at', 'id'], name='capture_of_provider'),
        ),
    ]
