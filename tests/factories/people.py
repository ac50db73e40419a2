"""Teams, people and clients for tests."""

import itertools

COUNT = itertools.count(1)


def make_team(_database=None):
    from apps.accounts.models import Team

    number = next(COUNT)
    return Team.objects.create(name=f"Team {number}", slug=f"team-{number}")


def make_user(team, role):
    from apps.accounts.models import Membership, User

    user = User.objects.create_user(f"{role}{next(COUNT)}@example.test", "a good passphrase")
    Membership.objects.create(user=user, team=team, role=role)
    return user


def make_actor(team, role):
    from apps.accounts.selectors import actor_of_user

    return actor_of_user(make_user(team, role), team.pk)


def make_client(team, role):
    from django.test import Client

    client = Client()
    user = make_user(team, role)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    client.user = user
    return client


def make_api_client(team, role):
    from django.test import Client

    from apps.accounts.services import create_token
    from apps.core import clock

    actor = make_actor(team, role)
    _token, plain = create_token(actor=actor, name="tests", scopes=[], now=clock.now())
    client = Client(headers={"authorization": f"Bearer {plain}"})
    client.actor = actor
    return client
