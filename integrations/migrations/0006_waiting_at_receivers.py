"""What each receiver has not got: the indexes of payments/monitoring/figures.py."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built beside the service, which goes on writing

    dependencies = [
        ('integrations', '0005_receivers'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state__in', ['queued', 'sending'])), fields=['destination', 'state', 'queued_at'], name='delivery_unsent'),
        ),
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'dead')), fields=['destination', 'died_at'], name='delivery_dead_at_receiver'),
        ),
    ]
