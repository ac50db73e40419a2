"""The matrix of doors, for sockets: every route, every role, own and foreign team."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async

from apps.core import live
from quantsite.routing import websocket_urlpatterns
from tests.factories import people
from tests.factories.recipes import MAY
from tests.integration.test_accounts_sockets import socket_of

ROUTES = {"ws/live"}
TOPICS = ("jobs", "account.1", "approvals", "alerts", "risk")


@pytest.mark.usefixtures("live_db")
async def test_sockets_hear_their_own_team_only_whatever_the_role(team, other_team):
    from quantsite.asgi import application

    assert {str(route.pattern) for route in websocket_urlpatterns} == ROUTES
    for role in MAY:
        client = await sync_to_async(people.make_client)(team, role)
        socket = socket_of(application, client)
        assert (await socket.open())["type"] == "websocket.accept"
        for topic in TOPICS:
            assert (await socket.ask(op="subscribe", topic=topic))["op"] == "subscribed"
            for whose, says in ((other_team, "theirs"), (team, "ours")):
                full = live.topic_of(whose.pk, topic)
                await asyncio.to_thread(live.publish, full, "test", {"says": says})
            heard = json.loads((await socket.receive_output(timeout=30))["text"])
            assert heard["data"] == {"says": "ours"}, (role, topic)
        for forged in (f"t{other_team.pk}:jobs", f"{other_team.pk}.jobs", "jobs:1", "*"):
            assert (await socket.ask(op="subscribe", topic=forged))["op"] == "error"
        await socket.leave()
