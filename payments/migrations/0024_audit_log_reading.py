"""How the audit log is read: its screens' names, and an index of django-auditlog's rows by who acted."""

from django.db import migrations

BY_ACTOR = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS auditlog_logentry_actor
  ON auditlog_logentry ((additional_data -> 'actor'), "timestamp")
"""


class Migration(migrations.Migration):
    atomic = False  # the index is built beside the service, which goes on writing

    dependencies = [
        ('payments', '0023_staff_people'),
        ('auditlog', '0017_add_actor_email'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='auditrecord',
            options={'default_permissions': (), 'ordering': ['-pk'], 'verbose_name': 'audit log entry', 'verbose_name_plural': 'audit log'},
        ),
        migrations.AlterModelOptions(
            name='auditseal',
            options={'default_permissions': (), 'ordering': ['-number'], 'verbose_name': 'audit seal'},
        ),
        migrations.RunSQL(BY_ACTOR, "DROP INDEX CONCURRENTLY IF EXISTS auditlog_logentry_actor"),
    ]
