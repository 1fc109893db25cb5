"""The database refuses every edge of a delivery that DESIGN.md does not list, and any change of its key."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION delivery_edges() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.key <> OLD.key OR NEW.event_id <> OLD.event_id OR NEW.destination_id <> OLD.destination_id THEN
        RAISE EXCEPTION 'delivery %: its key, event and destination never change', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('queued', 'sending'), ('sending', 'delivered'), ('sending', 'dead'), ('sending', 'queued'), ('dead', 'queued')
    ) THEN
        RAISE EXCEPTION 'delivery %: no edge from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER delivery_edges BEFORE UPDATE ON integrations_delivery
    FOR EACH ROW EXECUTE FUNCTION delivery_edges();
"""

BACKWARD = """
DROP TRIGGER delivery_edges ON integrations_delivery;
DROP FUNCTION delivery_edges();
"""


class Migration(migrations.Migration):
    dependencies = [("integrations", "0001_initial")]
    operations = [migrations.RunSQL(sql=FORWARD, reverse_sql=BACKWARD)]
