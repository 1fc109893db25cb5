"""Encryption keys as first seen, and every opening of a sealed value; payments/0008 makes both append-only."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0006_waiting_at_receivers'),
    ]

    operations = [
        migrations.CreateModel(
            name='EncryptionKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key_id', models.CharField(max_length=16, unique=True)),
                ('first_seen_at', models.DateTimeField()),
                ('check_value', models.CharField(help_text='64 bits of an HMAC under the key: another key under this id is noticed.', max_length=16)),
            ],
            options={
                'ordering': ['first_seen_at'],
            },
        ),
        migrations.CreateModel(
            name='DecryptionRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('until', models.DateTimeField(blank=True, help_text="A process's own work: it may have opened the value up to here.", null=True)),
                ('key_id', models.CharField(max_length=16)),
                ('table_name', models.CharField(max_length=63)),
                ('column_name', models.CharField(max_length=63)),
                ('row_uid', models.UUIDField(help_text="The row's uid.")),
                ('purpose', models.CharField(choices=[('reveal', 'Shown to a person'), ('rotate', 'Sealed anew with another key'), ('check', 'Proved by doctor'), ('compare', 'Compared with a new value'), ('sign_in', 'A second factor was checked'), ('sign', 'Signs what we send'), ('verify', 'Proves what we receive'), ('call', "Opens a provider's API")], max_length=10)),
                ('actor', models.CharField(help_text='`user:7`, `command:` and who ran it, or `process`.', max_length=100)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('process', models.CharField(help_text='What ran, on which host, under which process id.', max_length=130)),
                ('opened', models.BooleanField(help_text='No: the value did not open.')),
                ('correlation_id', models.CharField(blank=True, max_length=64)),
            ],
            options={
                'ordering': ['-pk'],
                'indexes': [models.Index(fields=['row_uid', '-at'], name='decryption_row')],
                'constraints': [models.CheckConstraint(condition=models.Q(('purpose__in', ['reveal', 'rotate', 'check', 'compare', 'sign_in', 'sign', 'verify', 'call'])), name='decryption_purpose_known'), models.CheckConstraint(condition=models.Q(('actor', ''), _negated=True), name='decryption_has_actor'), models.CheckConstraint(condition=models.Q(models.Q(('purpose', 'reveal'), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='decryption_reveal_has_reason')],
            },
        ),
    ]
