"""Terms, signatures and lapses; four eyes hold in the database too."""

import django.db.models.deletion
from django.db import migrations, models

from apps.core.row_security import guard

LAPSES = """
CREATE TRIGGER deny_change BEFORE UPDATE OR DELETE ON approvals_lapse
    FOR EACH ROW EXECUTE FUNCTION approvals_deny_change();
CREATE TRIGGER deny_truncate BEFORE TRUNCATE ON approvals_lapse
    FOR EACH STATEMENT EXECUTE FUNCTION approvals_deny_change();
"""
NO_LAPSES = """
DROP TRIGGER deny_change ON approvals_lapse;
DROP TRIGGER deny_truncate ON approvals_lapse;
"""
# The services hold these rules with words for people; here they hold whatever the services do.
FOUR_EYES = """
CREATE OR REPLACE FUNCTION approvals_check_vote() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_catalog, pg_temp
AS $$
DECLARE
    p approvals_proposal%ROWTYPE;
BEGIN
    SELECT * INTO p FROM approvals_proposal WHERE id = NEW.proposal_id FOR UPDATE;
    IF NOT FOUND OR p.team_id <> NEW.team_id OR p.status <> 'open' THEN
        RAISE EXCEPTION 'proposal % is not open to this team', NEW.proposal_id
            USING ERRCODE = '42501';
    END IF;
    IF NEW.decider = p.author OR p.editors ? NEW.decider THEN
        RAISE EXCEPTION '% proposed or edited proposal % and does not decide it',
            NEW.decider, p.id USING ERRCODE = '42501';
    END IF;
    IF NEW.seen_digest <> p.digest THEN
        RAISE EXCEPTION 'the vote is not on the content of proposal %', p.id
            USING ERRCODE = '42501';
    END IF;
    -- The row is held, so that nobody is removed between this look and the commit.
    PERFORM 1 FROM accounts_membership m JOIN accounts_user u ON u.id = m.user_id
        WHERE 'user:' || m.user_id = NEW.decider AND m.team_id = NEW.team_id AND u.is_active
        FOR SHARE OF m;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is no member of the team', NEW.decider USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_vote BEFORE INSERT ON approvals_decision
    FOR EACH ROW EXECUTE FUNCTION approvals_check_vote();
"""
TWO_EYES = """
DROP TRIGGER check_vote ON approvals_decision;
DROP FUNCTION approvals_check_vote();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_row_security"),
        ("approvals", "0003_row_security"),
        ("core", "0003_row_security"),
    ]
    operations = [
        migrations.CreateModel(
            name="Lapse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("expired", "Expired"),
                            ("review", "Review"),
                            ("changed", "Changed"),
                            ("revoked", "Revoked"),
                        ],
                        max_length=12,
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=500)),
                ("created_at", models.DateTimeField()),
                ("event_id", models.UUIDField()),
                (
                    "proposal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lapse",
                        to="approvals.proposal",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.team",
                    ),
                ),
            ],
            options={"ordering": ("created_at", "id")},
        ),
        migrations.AddField(
            model_name="decision", name="signature", field=models.JSONField(default=dict)
        ),
        migrations.AddField(
            model_name="proposal",
            name="format",
            field=models.CharField(default="quantsite-proposal/v1", max_length=40),
        ),
        migrations.AddField(
            model_name="proposal", name="terms", field=models.JSONField(default=dict)
        ),
        migrations.AddField(
            model_name="proposal", name="valid_until", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(
            model_name="proposal", name="review_on", field=models.DateField(null=True)
        ),
        migrations.AddField(
            model_name="proposal", name="supersedes", field=models.UUIDField(null=True)
        ),
        migrations.AddIndex(
            model_name="proposal",
            index=models.Index(
                condition=models.Q(("status", "approved")),
                fields=["decided_at"],
                name="proposal_approved",
            ),
        ),
        migrations.RunSQL(LAPSES, NO_LAPSES),
        migrations.RunSQL(FOUR_EYES, TWO_EYES),
        *guard("approvals_lapse"),
    ]
