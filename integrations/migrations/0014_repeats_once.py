"""A receiver gets a fact once, repeated mails aside; and what staff search for (payments/finding.py).

Indexes are built beside the service, which goes on writing; the new rule stands before the old one goes.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

ONCE = "(event_id, destination_id) WHERE repeats_id IS NULL"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("integrations", "0013_repeats")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"CREATE UNIQUE INDEX CONCURRENTLY delivery_first_once_a_receiver ON integrations_delivery {ONCE}",
                    "DROP INDEX CONCURRENTLY delivery_first_once_a_receiver",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="delivery",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("repeats__isnull", True)),
                        fields=("event", "destination"),
                        name="delivery_first_once_a_receiver",
                    ),
                ),
            ],
        ),
        migrations.RemoveConstraint(model_name="delivery", name="delivery_once_a_receiver"),
        AddIndexConcurrently(
            model_name="outboxevent",
            index=models.Index(
                condition=models.Q(("correlation_id", ""), _negated=True),
                fields=["correlation_id"],
                name="outbox_correlation",
            ),
        ),
    ]
