"""Every migration says how it is taken back; `make soak` takes the newest of each app back."""

from django.db.migrations.loader import MigrationLoader

# What Django brings; theirs are taken back as theirs say.
OURS = "apps."


def test_every_migration_of_ours_can_be_taken_back():
    found = MigrationLoader(None).disk_migrations
    ours = [one for one in found.values() if type(one).__module__.startswith(OURS)]
    stuck = [
        f"{one.app_label}.{one.name}: {operation}"
        for one in ours
        for operation in one.operations
        if not operation.reversible
    ]
    assert len(ours) > 40
    assert stuck == []
