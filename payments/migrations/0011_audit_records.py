"""The audit log's own rows. They, django-auditlog's, facts and replays are append-only by trigger, too."""

from django.db import migrations, models

TABLES = ("payments_auditrecord", "auditlog_logentry", "integrations_outboxevent", "integrations_deliveryreplay")

APPEND_ONLY = "".join(
    f"""
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
    for table in TABLES
)
UNDO = "".join(
    f"DROP TRIGGER {table}_no_truncate ON {table}; DROP TRIGGER {table}_append_only ON {table};" for table in TABLES
)


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0010_search_indexes'),
        ('orders', '0002_guards'),
        ('integrations', '0003_replays'),
        ('auditlog', '0017_add_actor_email'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('event', models.CharField(help_text='payments/audit/events.py', max_length=30)),
                ('actor', models.CharField(help_text='`user:7`, `command:<os user>`, `worker:…`, `anonymous`.', max_length=100)),
                ('subject_kind', models.CharField(blank=True, max_length=20)),
                ('subject_id', models.BigIntegerField(default=0, help_text='Primary key; 0 where it is about no one row.')),
                ('reason_code', models.CharField(blank=True, max_length=40)),
                ('reason', models.CharField(blank=True, max_length=1000)),
                ('details', models.JSONField(default=dict, help_text='Plain JSON, scrubbed of secrets and personal data.')),
                ('client', models.GenericIPAddressField(blank=True, help_text='The address it came from.', null=True)),
                ('correlation_id', models.CharField(blank=True, db_index=True, max_length=64)),
            ],
            options={
                'ordering': ['-pk'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['at', 'id'], name='audit_time'), models.Index(fields=['event', 'at'], name='audit_event'), models.Index(fields=['actor', 'at'], name='audit_actor'), models.Index(fields=['subject_kind', 'subject_id', 'at'], name='audit_subject')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('event', ''), _negated=True), models.Q(('actor', ''), _negated=True)), name='audit_who_and_what')],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
