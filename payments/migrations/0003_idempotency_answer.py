"""A key's row always names its object, and keeps the answer byte for byte.

The table is made anew: its rows live for a day, and what an older version wrote cannot be replayed as it was sent.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_guards")]
    operations = [
        migrations.DeleteModel(name="IdempotencyRecord"),
        migrations.CreateModel(
            name="IdempotencyRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("principal", models.CharField(help_text="`user:7`, or `anonymous`.", max_length=64)),
                ("method", models.CharField(max_length=8)),
                ("path", models.CharField(max_length=300)),
                ("key", models.CharField(max_length=255)),
                ("body_sha256", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(db_index=True)),
                ("lease_until", models.DateTimeField()),
                (
                    "fence",
                    models.PositiveIntegerField(
                        default=1, help_text="Counts claims; an older claim's answer is dropped."
                    ),
                ),
                ("object_kind", models.CharField(max_length=20)),
                ("object_id", models.BigIntegerField()),
                ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "response",
                    models.TextField(blank=True, help_text="The body, byte for byte as it was first answered."),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("principal", "method", "path", "key"), name="idempotency_key_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("response", ""), ("status__isnull", True)),
                            models.Q(("status__range", (200, 299)), models.Q(("response", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="idempotency_only_success_is_kept",
                    ),
                ]
            },
        ),
    ]
