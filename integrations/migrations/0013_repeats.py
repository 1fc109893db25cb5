"""A delivered mail may be sent once more, under a key of its own, with who asked for it and why. Nothing else is."""

import django.db.models.deletion
from django.db import migrations, models

GUARD = """
CREATE FUNCTION delivery_repeats() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'delivery %: what it repeats never changes', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM integrations_delivery first JOIN integrations_destination d ON d.id = first.destination_id
        WHERE first.id = NEW.repeats_id AND first.state = 'delivered' AND first.repeats_id IS NULL
          AND first.event_id = NEW.event_id AND first.destination_id = NEW.destination_id AND d.kind = 'mail'
    ) THEN
        RAISE EXCEPTION 'only a delivered mail is sent once more, to where it went'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER delivery_repeats_mail BEFORE INSERT ON integrations_delivery
    FOR EACH ROW WHEN (NEW.repeats_id IS NOT NULL) EXECUTE FUNCTION delivery_repeats();
CREATE TRIGGER delivery_repeats_kept BEFORE UPDATE ON integrations_delivery
    FOR EACH ROW WHEN (OLD.repeats_id IS DISTINCT FROM NEW.repeats_id) EXECUTE FUNCTION delivery_repeats();
"""
UNDO = """
DROP TRIGGER delivery_repeats_kept ON integrations_delivery;
DROP TRIGGER delivery_repeats_mail ON integrations_delivery;
DROP FUNCTION delivery_repeats();
"""


class Migration(migrations.Migration):
    dependencies = [("integrations", "0012_facts_by_time")]
    operations = [
        migrations.AddField(
            model_name="delivery",
            name="repeats",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The delivered mail that a person had sent once more by this (DeliveryRepeat).",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="repetitions",
                to="integrations.delivery",
            ),
        ),
        migrations.CreateModel(
            name="DeliveryRepeat",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(help_text="`user:7`.", max_length=80)),
                ("reason", models.CharField(max_length=300)),
                (
                    "delivery",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="repetition",
                        to="integrations.delivery",
                    ),
                ),
            ],
            options={"ordering": ["-pk"]},
        ),
        migrations.RunSQL(GUARD, UNDO),
    ]
