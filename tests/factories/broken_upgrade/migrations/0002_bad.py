from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("broken_upgrade", "0001_good")]
    operations = [migrations.RunSQL("SELECT no_such_column FROM half_way")]
