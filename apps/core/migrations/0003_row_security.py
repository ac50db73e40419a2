"""A team's jobs and kept answers are seen by itself only; the functions all policies call."""

from django.db import migrations

from apps.core.row_security import functions, guard


class Migration(migrations.Migration):
    dependencies = [("core", "0002_answer_permissions")]
    operations = [functions(), *guard("core_job", "core_idempotencykey")]
