"""Cases of what is away; and who let facts pass a dead delivery is never rewritten."""

from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER integrations_deliveryskip_append_only BEFORE UPDATE OR DELETE ON integrations_deliveryskip
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER integrations_deliveryskip_no_truncate BEFORE TRUNCATE ON integrations_deliveryskip
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
UNDO = """
DROP TRIGGER integrations_deliveryskip_no_truncate ON integrations_deliveryskip;
DROP TRIGGER integrations_deliveryskip_append_only ON integrations_deliveryskip;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0017_time_indexes'),
        ('integrations', '0009_breakers'),
        ('orders', '0002_guards'),
    ]

    operations = [
        migrations.AlterField(
            model_name='case',
            name='kind',
            field=models.CharField(choices=[('amount_mismatch', 'Amount differs'), ('currency_mismatch', 'Currency differs'), ('reference_mismatch', "The provider's object names another payment"), ('wrong_account', 'Another account'), ('wrong_mode', 'Test among live, or live among test'), ('late_money', 'Paid after it had ended'), ('double_payment', 'Paid more than once'), ('provider_refund', 'Refunded at the provider'), ('provider_dispute', 'Disputed at the provider'), ('parked_event', 'An event matches nothing here'), ('dead_event', 'An event could not be processed'), ('dead_delivery', 'A fact could not be delivered'), ('away', 'A provider or receiver is away'), ('unknown_object', 'The provider does not know this payment'), ('call_refused', 'The provider refused our request'), ('provider_configuration', 'The provider refuses our keys'), ('forbidden_transition', 'The provider says what our states do not allow')], max_length=30),
        ),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
