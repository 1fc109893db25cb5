"""Integration keys; payments/0020 adds what the database refuses."""

import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0010_delivery_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Credential',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('provider', models.CharField(max_length=20)),
                ('name', models.CharField(help_text='What it is at the provider: `api_key`, `webhook_secret`.', max_length=30)),
                ('mode', models.CharField(choices=[('test', 'test'), ('live', 'live')], max_length=4)),
                ('scope', models.CharField(blank=True, help_text='What it may do there, in words.', max_length=200)),
                ('owner', models.CharField(help_text='Whom to ask about it.', max_length=120)),
                ('value_sealed', models.BinaryField(null=True)),
                ('fingerprint', models.CharField(editable=False, help_text='64 bits of its SHA-256.', max_length=24)),
                ('hint', models.CharField(blank=True, editable=False, help_text="What the provider's own page shows.", max_length=40)),
                ('created_by', models.CharField(max_length=100)),
                ('created_at', models.DateTimeField()),
                ('reason', models.CharField(max_length=300)),
                ('active_from', models.DateTimeField(blank=True, null=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('overlap_until', models.DateTimeField(blank=True, help_text='Another has taken its place; up to then it is accepted still.', null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_by', models.CharField(blank=True, max_length=100)),
                ('revoke_reason', models.CharField(blank=True, max_length=300)),
                ('last_used_at', models.DateTimeField(blank=True, help_text='To the minute.', null=True)),
                ('expiry_told_days', models.PositiveSmallIntegerField(blank=True, help_text='The last warning said that it expires within so many days.', null=True)),
            ],
            options={
                'ordering': ['provider', 'name', '-pk'],
                'indexes': [models.Index(condition=models.Q(('revoked_at__isnull', True)), fields=['expires_at'], name='credential_expiry')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('active_from__isnull', False), ('overlap_until__isnull', True), ('revoked_at__isnull', True)), fields=('provider', 'name'), name='credential_one_current'), models.CheckConstraint(condition=models.Q(('mode__in', ['test', 'live'])), name='credential_mode_known'), models.CheckConstraint(condition=models.Q(models.Q(('revoke_reason', ''), ('revoked_at__isnull', True), ('revoked_by', '')), models.Q(('revoked_at__isnull', False), ('value_sealed__isnull', True), models.Q(('revoked_by', ''), _negated=True), models.Q(('revoke_reason', ''), _negated=True)), _connector='OR'), name='credential_revoked_is_gone'), models.CheckConstraint(condition=models.Q(models.Q(('owner', ''), _negated=True), models.Q(('created_by', ''), _negated=True), models.Q(('reason', ''), _negated=True)), name='credential_answered_for'), models.CheckConstraint(condition=models.Q(('overlap_until__isnull', True), ('active_from__isnull', False), _connector='OR'), name='credential_overlap_of_active')],
            },
        ),
    ]
