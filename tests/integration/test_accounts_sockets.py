"""Who may open the live socket, and how soon it closes on who may no longer look."""

import json
import sys
import time

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.sessions.models import Session

from apps.accounts import backends
from apps.accounts.models import Membership, User

SOON = 30  # seconds, on a busy machine; the recheck is due after a tenth of one

AS_DEPLOYED = backends.RECHECK_SECONDS


@pytest.fixture
def application(live_db, monkeypatch):
    from quantsite.asgi import application

    monkeypatch.setattr(backends, "RECHECK_SECONDS", 0.1)
    backends._checked.clear()
    return application


class Socket(ApplicationCommunicator):
    """A browser's end of a websocket, in this process."""

    def __init__(self, application, headers):
        scope = {"type": "websocket", "path": "/ws/live", "query_string": b"", "headers": headers}
        super().__init__(application, {**scope, "subprotocols": []})

    async def open(self):
        await self.send_input({"type": "websocket.connect"})
        return await self.receive_output(timeout=SOON)

    async def ask(self, **message):
        await self.send_input({"type": "websocket.receive", "text": json.dumps(message)})
        return json.loads((await self.receive_output(timeout=SOON))["text"])

    async def leave(self):
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()


def socket_of(application, client=None, origin=b"http://localhost"):
    headers = [(b"origin", origin), (b"host", b"localhost")]
    if client is not None:
        cookie = f"sessionid={client.cookies['sessionid'].value}"
        headers.append((b"cookie", cookie.encode()))
    return Socket(application, headers)


async def test_the_socket_of_a_signed_out_person_is_refused(application):
    answer = await socket_of(application).open()
    assert (answer["type"], answer["code"]) == ("websocket.close", 4401)


async def test_a_socket_from_another_site_is_refused(application, team, client_as):
    client = await sync_to_async(client_as)("viewer")
    answer = await socket_of(application, client, b"http://evil.example").open()
    assert answer["type"] == "websocket.close"


async def test_a_member_subscribes_and_is_answered(application, team, client_as):
    socket = socket_of(application, await sync_to_async(client_as)("viewer"))
    assert (await socket.open())["type"] == "websocket.accept"
    assert (await socket.ask(op="subscribe", topic="jobs"))["op"] == "subscribed"
    await socket.leave()


@pytest.mark.parametrize("how", ["removed", "disabled", "session ended"])
async def test_the_socket_closes_on_who_may_no_longer_look(application, team, client_as, how):
    client = await sync_to_async(client_as)("viewer")
    socket = socket_of(application, client)
    assert (await socket.open())["type"] == "websocket.accept"
    assert await socket.receive_nothing(timeout=0.5)
    shut = {
        "removed": Membership.objects.filter(user=client.user).delete,
        "disabled": lambda: User.objects.filter(pk=client.user.pk).update(is_active=False),
        "session ended": Session.objects.filter(pk=client.cookies["sessionid"].value).delete,
    }[how]
    await sync_to_async(shut)()
    closed = await socket.receive_output(timeout=SOON)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
    await socket.wait()


async def test_talking_on_does_not_keep_a_socket_open(application, team, client_as):
    client = await sync_to_async(client_as)("viewer")
    socket = socket_of(application, client)
    assert (await socket.open())["type"] == "websocket.accept"
    assert (await socket.ask(op="ping"))["op"] == "pong"
    await sync_to_async(Membership.objects.filter(user=client.user).delete)()
    backends._checked.clear()
    await socket.send_input({"type": "websocket.receive", "text": '{"op": "ping"}'})
    closed = await socket.receive_output(timeout=SOON)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
    await socket.wait()


@pytest.mark.parametrize("origin", [b"null", b"http://localhost.evil.example", b"file://", b""])
async def test_a_socket_from_nowhere_is_refused(application, team, client_as, origin):
    client = await sync_to_async(client_as)("viewer")
    answer = await socket_of(application, client, origin).open()
    assert answer["type"] == "websocket.close"


async def test_the_socket_of_a_disabled_person_closes_within_seconds(
    application, team, client_as, monkeypatch, capsys
):
    """As deployed, asked every three seconds; the time it took is told."""
    monkeypatch.setattr(backends, "RECHECK_SECONDS", AS_DEPLOYED)
    assert AS_DEPLOYED <= 4.0
    client = await sync_to_async(client_as)("viewer")
    socket = socket_of(application, client)
    assert (await socket.open())["type"] == "websocket.accept"
    assert (await socket.ask(op="subscribe", topic="jobs"))["op"] == "subscribed"
    await sync_to_async(User.objects.filter(pk=client.user.pk).update)(is_active=False)
    began = time.monotonic()
    closed = await socket.receive_output(timeout=60)
    with capsys.disabled():
        sys.stdout.write(f"\nsocket of a disabled person: {time.monotonic() - began:.2f} s\n")
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
    await socket.wait()
