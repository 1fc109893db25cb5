"""Runs over a provider's lists and what they found, the watermark of its events, and how an event came to us."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0005_search_indexes'),
        ('payments', '0030_choices_as_functions'),
    ]

    operations = [
        migrations.CreateModel(
            name='EventWatermark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=20, unique=True)),
                ('complete_until', models.DateTimeField()),
                ('checked_at', models.DateTimeField(help_text='When the list was last read.')),
                ('missed', models.PositiveIntegerField(default=0, help_text='Events the last reading found that never came to us.')),
                ('missed_at', models.DateTimeField(blank=True, help_text='When such events were last found.', null=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ReconciliationFinding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('difference', models.CharField(choices=[('missing_here', 'Missing here'), ('missing_there', 'Missing there'), ('amount', 'Amount'), ('currency', 'Currency'), ('state', 'State'), ('duplicate', 'Duplicate'), ('unknown_capture', 'Unknown capture'), ('fee', 'Fee'), ('payout_remainder', 'Payout remainder'), ('wrong_mode', 'Wrong mode'), ('wrong_account', 'Wrong account'), ('late', 'Late')], max_length=20)),
                ('upshot', models.CharField(choices=[('settled', 'Settled: a look has made it right'), ('case', 'Case: told to a person'), ('known', 'Known: its case was there before'), ('unconfirmed', 'Unconfirmed: the provider could not be asked; the next run sees it again'), ('suspected', 'Suspected: a dry run, nothing was asked')], max_length=12)),
                ('object_id', models.CharField(help_text="The provider's id of what differs.", max_length=255)),
                ('amount_minor', models.BigIntegerField(blank=True, help_text='Money at stake, in minor units.', null=True)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('ours', models.CharField(max_length=300)),
                ('theirs', models.CharField(max_length=300)),
                ('at', models.DateTimeField()),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ReconciliationRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=20)),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('dry_run', models.BooleanField(default=False, help_text='Looks at nothing and opens no case: it tells suspicions.')),
                ('actor', models.CharField(max_length=80)),
                ('started_at', models.DateTimeField()),
                ('heartbeat_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('ending', models.CharField(blank=True, choices=[('done', 'Done: both sides were read to the end'), ('abandoned', 'Abandoned: a later run asked for more')], default='', max_length=10)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('fence', models.PositiveIntegerField(default=0, help_text="Counts who took it up; an older one's writes are dropped.")),
                ('next_try_at', models.DateTimeField(blank=True, help_text='After the provider could not be asked.', null=True)),
                ('phase', models.CharField(choices=[('captures', 'Payments'), ('refunds', 'Refunds'), ('payouts', 'Payouts'), ('done', 'Done')], default='captures', max_length=10)),
                ('cursor', models.CharField(blank=True, default='', max_length=255)),
                ('ours_read_to', models.DateTimeField(help_text='Our rows from here on have been compared already.')),
                ('listed_to', models.DateTimeField(help_text='The oldest time that the last page told.')),
                ('recent', models.JSONField(default=list, help_text='Ids of the last pages: our rows are read a page behind.')),
                ('pages', models.PositiveIntegerField(default=0)),
                ('listed', models.PositiveIntegerField(default=0)),
                ('compared', models.PositiveIntegerField(default=0, help_text='Our rows.')),
            ],
            options={
                'ordering': ['-pk'],
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='providerevent',
            name='source',
            field=models.CharField(choices=[('webhook', 'Webhook'), ('backfill', "Fetched from the provider's list: its webhook never came")], db_default='webhook', default='webhook', max_length=10),
        ),
        migrations.AddField(
            model_name='reconciliationfinding',
            name='attempt',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.paymentattempt'),
        ),
        migrations.AddField(
            model_name='reconciliationfinding',
            name='case',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.case'),
        ),
        migrations.AddField(
            model_name='reconciliationfinding',
            name='order',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.order'),
        ),
        migrations.AddIndex(
            model_name='reconciliationrun',
            index=models.Index(fields=['provider', '-finished_at'], name='reconciliation_last'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationrun',
            constraint=models.UniqueConstraint(condition=models.Q(('finished_at', None)), fields=('provider',), name='reconciliation_one_a_provider'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationrun',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ending', ''), ('finished_at', None)), models.Q(('finished_at__isnull', False), models.Q(('ending', ''), _negated=True)), _connector='OR'), name='reconciliation_ending'),
        ),
        migrations.AddField(
            model_name='reconciliationfinding',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='findings', to='payments.reconciliationrun'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationfinding',
            constraint=models.UniqueConstraint(fields=('run', 'object_id', 'difference'), name='finding_once_a_run'),
        ),
        migrations.RunSQL(
            sql="""
            CREATE TRIGGER payments_reconciliationfinding_append_only BEFORE UPDATE OR DELETE ON payments_reconciliationfinding
              FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
            CREATE TRIGGER payments_reconciliationfinding_no_truncate BEFORE TRUNCATE ON payments_reconciliationfinding
              FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
            """,
            reverse_sql="""
            DROP TRIGGER payments_reconciliationfinding_append_only ON payments_reconciliationfinding;
            DROP TRIGGER payments_reconciliationfinding_no_truncate ON payments_reconciliationfinding;
            """,
        ),
    ]
