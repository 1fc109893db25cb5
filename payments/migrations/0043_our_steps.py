"""Where a payment is shown, and one payment by token and one capture an attempt at most."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0042_event_reference_index")]

    operations = [
        migrations.AddField(
            model_name="paymentattempt",
            name="presentation",
            field=models.CharField(
                db_default="hosted",
                default="hosted",
                editable=False,
                help_text="Where the shopper pays: on the provider's page (hosted), or in its frame on ours (embedded).",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="providercall",
            constraint=models.UniqueConstraint(
                condition=models.Q(("operation", "pay")), fields=("attempt",), name="call_one_payment_an_attempt"
            ),
        ),
        migrations.AddConstraint(
            model_name="providercall",
            constraint=models.UniqueConstraint(
                condition=models.Q(("operation", "capture"), models.Q(("state", "abandoned"), _negated=True)),
                fields=("attempt",),
                name="call_one_capture_an_attempt",
            ),
        ),
    ]
