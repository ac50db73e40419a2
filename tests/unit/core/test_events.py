"""A message that can't be sent never undoes or fails what was done."""

from django.db import transaction

from apps.core import events


def test_what_can_not_be_sent_fails_nobody(live_db):
    done = []
    with transaction.atomic():
        events.emit(team_id=1, topic="jobs", kind="test.thing.made", data={"no": {1, 2}})
        transaction.on_commit(lambda: done.append("next"))
    assert done == ["next"]
