"""The indexes behind order per object, groups of dead letters, and the question which of them nobody was told of."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built beside the service, which goes on writing

    dependencies = [
        ("integrations", "0009_breakers"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('case_opened_at__isnull', True), ('state', 'dead')), fields=['died_at'], name='delivery_dead_untold'),
        ),
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'dead')), fields=['error_fingerprint', 'destination', 'died_at'], name='delivery_dead_alike'),
        ),
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(models.Q(('ordering_key', ''), _negated=True), models.Q(('state', 'delivered'), _negated=True), ('skipped_at__isnull', True)), fields=['destination', 'ordering_key', 'id'], name='delivery_in_order'),
        ),
    ]
