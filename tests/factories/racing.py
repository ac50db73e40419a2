"""Six people at one proposal at the same moment: what may come of it, and what came."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.factories import people, signing

VALIDATORS = 3
PEOPLE = 6


class Table:
    """A team with an author and five who try at once; proposals are raced one after another."""

    def __init__(self, team, now):
        from apps.approvals import services

        self.team, self.now, self.services = team, now, services
        self.author = people.make_actor(team, "researcher")
        self.editor = people.make_actor(team, "trader")
        self.validators = [people.make_actor(team, "validator") for _ in range(VALIDATORS)]
        self.manager = people.make_actor(team, "risk_manager")
        self.outcomes = Counter()
        self.pool = ThreadPoolExecutor(PEOPLE)
        for who in (self.author, self.editor, *self.validators, self.manager):
            signing.passkey_of(who.user_id)

    def propose(self, number):
        return self.services.propose(
            actor=self.author,
            kind="configuration" if number % 2 else "model",
            subject=f"model:{number}",
            title=f"Race {number}",
            digest=f"{number:064x}",
            evidence={},
            rationale="Something to race for.",
            now=self.now,
        )

    def race(self, number):
        """Run one race; returns the violations found, none when all is well."""
        proposal = self.propose(number)
        draw = random.Random(number)  # noqa: S311
        first = draw.choice(self.validators)
        acts = [
            lambda: self.vote(first, proposal, "approve"),
            lambda: self.vote(first, proposal, "approve"),
            lambda: self.vote(self.author, proposal, "approve"),
            lambda: self.vote(draw.choice(self.validators), proposal, "reject"),
            lambda: self.vote(self.manager, proposal, "approve"),
            lambda: self.services.amend(
                actor=self.editor,
                proposal_id=proposal.pk,
                rationale=f"Something else to race for, {number}.",
                now=self.now,
            ),
        ]
        draw.shuffle(acts)
        self.at_once(acts)
        return self.violations(proposal)

    def vote(self, who, proposal, decision):
        signing.decide(who, proposal, self.now, decision)

    def at_once(self, acts):
        """Let everybody act at the same moment; each keeps a connection of their own."""
        barrier = threading.Barrier(len(acts))
        strange = [
            error for error in self.pool.map(self.act, acts, [barrier] * len(acts)) if error
        ]
        if strange:
            raise strange[0]

    @staticmethod
    def act(act, barrier):
        """Act; what a person is told is no error, anything else is handed back."""
        from apps.core.errors import LabError

        barrier.wait()
        try:
            act()
        except LabError:
            return None
        except Exception as error:  # noqa: BLE001 nothing else may happen
            return error
        return None

    def close(self):
        """Close everybody's connection."""
        from django.db import connection

        def leave(barrier):
            barrier.wait()
            connection.close()

        barrier = threading.Barrier(PEOPLE)
        list(self.pool.map(leave, [barrier] * PEOPLE))
        self.pool.shutdown()

    def violations(self, proposal):
        from apps.approvals import selectors
        from apps.approvals.kernel import quorum
        from apps.approvals.models import Proposal
        from apps.audit import selectors as audit

        final = selectors.get_proposal(proposal.pk, self.team.pk)
        votes = list(final.decisions.all())
        names = [vote.decider for vote in votes]
        self.outcomes[final.status] += 1
        after = Proposal.objects.filter(supersedes=proposal.pk)
        events = [
            event.action
            for event in audit.list_events(team_id=self.team.pk, subject=f"proposal:{proposal.pk}")
        ]
        ends = [name for name in events if name.removeprefix("proposal.") in ENDS]
        expected = quorum.outcome(selectors.slots_of(final), selectors.votes_of(final))
        found = {
            "one person, two votes": len(set(names)) != len(names),
            "a vote of the author or an editor": bool(
                {self.author.name, self.editor.name} & set(names)
            ),
            "a vote on other content": any(v.seen_digest != final.digest for v in votes),
            "approved without its quorum": final.status == "approved" and expected != "approved",
            "an outcome against the votes": final.status in {"approved", "rejected"}
            and final.status != expected,
            "amended and decided": final.status in {"approved", "rejected"} and after.exists(),
            "amended twice, or not at all though withdrawn": (final.status == "withdrawn")
            != (after.count() == 1),
            "votes went along": any(row.decisions.exists() for row in after),
            "more than one end": len(ends) != (final.status != "open"),
            "votes without their events": sum(".vote." in name for name in events) != len(votes),
            "changed content": selectors.digest_of(final) != final.digest,
            "unsigned": any(not vote.signature for vote in votes),
        }
        return [name for name, is_so in found.items() if is_so]


ENDS = {"approved", "rejected", "withdrawn", "expired"}
