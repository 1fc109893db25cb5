"""A reading of a provider's list of events is resumed where it was broken off."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0038_ledger_indexes'),
    ]

    operations = [
        migrations.AddField(
            model_name='eventwatermark',
            name='cursor',
            field=models.CharField(blank=True, db_default='', default='', max_length=255),
        ),
        migrations.AddField(
            model_name='eventwatermark',
            name='lease_until',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='eventwatermark',
            name='next_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When the list is to be read again.'),
        ),
        migrations.AddField(
            model_name='eventwatermark',
            name='reading_missed',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='eventwatermark',
            name='reading_since',
            field=models.DateTimeField(blank=True, help_text='When the unfinished reading was begun.', null=True),
        ),
        migrations.AlterField(
            model_name='eventwatermark',
            name='checked_at',
            field=models.DateTimeField(blank=True, help_text='When the list was last read without a gap.', null=True),
        ),
    ]
