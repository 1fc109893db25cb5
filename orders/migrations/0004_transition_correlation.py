"""The correlation id of each passage: what was going on when it was written."""

import integrations.correlation
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0003_last_transition'),
    ]

    operations = [
        migrations.AddField(
            model_name='transition',
            name='correlation_id',
            field=models.CharField(blank=True, db_default='', default=integrations.correlation.current, editable=False, max_length=64),
        ),
    ]
