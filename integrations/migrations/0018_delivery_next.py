"""The claim's index holds the key too, in which a claim takes what is due at the same moment."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # built beside the service, which goes on writing

    dependencies = [
        ("integrations", "0017_delivery_attempt_time"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "sending"])),
                fields=["destination", "not_before", "id"],
                name="delivery_next",
            ),
        ),
        RemoveIndexConcurrently(model_name="delivery", name="delivery_due"),
    ]
