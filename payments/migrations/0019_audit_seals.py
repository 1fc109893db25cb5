"""Seals of the audit log: append-only, by role (payments/grants.py) and by trigger."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

TABLES = ("payments_auditseal", "payments_sealedrows")

APPEND_ONLY = "".join(
    f"""
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
    for table in TABLES
)


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0018_case_away'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditSeal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveBigIntegerField(help_text='1, 2, 3 …, without gaps.', unique=True)),
                ('day', models.DateField(help_text='The day (UTC) whose end it tells, or on which it was made before the end.')),
                ('closes_day', models.BooleanField(help_text='Every row of the day and the days before is sealed by now.')),
                ('sealed_at', models.DateTimeField()),
                ('row_count', models.PositiveIntegerField()),
                ('previous_digest', models.CharField(blank=True, help_text='Of the seal before; empty for the first.', max_length=64)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('key_id', models.CharField(help_text='Of ENCRYPTION_KEYS: the key that `mac` is made with.', max_length=16)),
                ('mac', models.CharField(help_text='HMAC of the digest: whoever owns the database cannot make one.', max_length=64)),
            ],
            options={
                'ordering': ['-number'],
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('closes_day', True)), fields=['-number'], name='seal_closing')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('number', 1), ('previous_digest', '')), models.Q(('number__gt', 1), models.Q(('previous_digest', ''), _negated=True)), _connector='OR'), name='seal_names_its_predecessor')],
            },
        ),
        migrations.CreateModel(
            name='SealedRows',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('table_name', models.CharField(max_length=63)),
                ('columns', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=63), help_text='What of each row entered its digest.', size=None)),
                ('from_key', models.BigIntegerField(help_text='Rows above this key …')),
                ('to_key', models.BigIntegerField(help_text='… up to this one, and earlier ones that were still open.')),
                ('keys', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='The rows that are sealed here.', size=None)),
                ('digests', models.BinaryField(help_text='32 bytes for each of them, in the order of `keys`.')),
                ('open_keys', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='Rows up to `to_key` that are not final yet.', size=None)),
                ('digest', models.CharField(help_text='Of keys and digests.', max_length=64)),
                ('seal', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='parts', to='payments.auditseal')),
            ],
            options={
                'ordering': ['seal', 'table_name'],
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('seal', 'table_name'), name='seal_once_a_table')],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, migrations.RunSQL.noop),
    ]
