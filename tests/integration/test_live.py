"""Messages to browsers over a real Redis: none lost, none twice, all in order."""

import asyncio
import json

import pytest
import redis.asyncio
from asgiref.testing import ApplicationCommunicator

from apps.core import consumers, live
from apps.core.actors import system

TEAM = 7
TOPIC = f"t{TEAM}:jobs"
PATIENCE = 30


@pytest.fixture
def hub(live_db, monkeypatch):
    fresh = live.Hub()
    live.client.cache_clear()
    live.client().delete(f"live:{TOPIC}")
    monkeypatch.setattr(consumers, "hub", fresh)
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.05)
    return fresh


class Page:
    """A browser's end of the socket."""

    def __init__(self):
        scope = {"type": "websocket", "path": "/ws/live", "actor": system("tests", TEAM)}
        self.socket = ApplicationCommunicator(consumers.LiveConsumer.as_asgi(), scope)

    async def __aenter__(self):
        await self.socket.send_input({"type": "websocket.connect"})
        await self.socket.receive_output(timeout=PATIENCE)
        return self

    async def __aexit__(self, *_):
        await self.socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.socket.wait(timeout=PATIENCE)

    async def hear(self):
        return json.loads((await self.socket.receive_output(timeout=PATIENCE))["text"])

    async def subscribe(self, last=""):
        text = json.dumps({"op": "subscribe", "topic": "jobs", "last": last})
        await self.socket.send_input({"type": "websocket.receive", "text": text})
        answer = await self.hear()
        assert answer["op"] == "subscribed", answer
        return answer["state"]

    async def numbers(self, until):
        heard = []
        while not heard or heard[-1] != until:
            message = await self.hear()
            assert message["op"] == "message", message
            heard.append(message["data"]["n"])
        return heard


async def send(*numbers):
    """Publish from another thread, as a worker does from another process."""
    ids = [await asyncio.to_thread(live.publish, TOPIC, "t", {"n": n}) for n in numbers]
    return ids[-1]


async def test_what_is_sent_right_after_the_answer_arrives(hub):
    async with Page() as page:
        assert await page.subscribe() == "resync"
        await send(1)
        assert await page.numbers(until=1) == [1]


async def test_a_page_that_returns_hears_each_message_once_and_in_order(hub, monkeypatch):
    last = await send(1, 2)
    real = hub.missed

    async def busy(topic, last_id):
        await send(4)  # announced and in the stream: comes both ways
        found = await real(topic, last_id)
        await send(5)  # announced only, while the page still catches up
        return found

    async with Page() as other:
        await other.subscribe()  # the reader runs already
        await send(3)
        monkeypatch.setattr(hub, "missed", busy)
        async with Page() as page:
            assert await page.subscribe(last) == "current"
            await send(6)
            assert await page.numbers(until=6) == [3, 4, 5, 6]
        assert await other.numbers(until=6) == [3, 4, 5, 6]


async def test_pages_that_come_and_go_while_much_is_sent_miss_nothing(hub):
    first, most, every = await send(0), 400, 50

    async def tell():
        for n in range(1, most + 1):
            await send(n)

    async def visit():
        last, heard = first, []
        while not heard or heard[-1] < most:
            async with Page() as page:
                assert await page.subscribe(last) == "current"
                for _ in range(every):
                    message = await page.hear()
                    heard.append(message["data"]["n"])
                    last = message["id"]
                    if heard[-1] == most:
                        break
        return heard

    _, *visits = await asyncio.gather(tell(), *(visit() for _ in range(4)))
    for heard in visits:
        assert heard == list(range(1, most + 1))


async def test_many_senders_are_heard_in_the_order_of_ids(hub):
    async with Page() as page:
        await page.subscribe()
        await asyncio.gather(*(send(*range(k, 200, 8)) for k in range(8)))
        await send(-1)
        ids = []
        while True:
            message = await page.hear()
            ids.append(tuple(map(int, message["id"].split("-"))))
            if message["data"]["n"] == -1:
                break
    assert ids == sorted(set(ids))
    assert len(ids) == 201


async def test_a_connection_to_redis_that_broke_is_told_once_it_is_back(hub, servers):
    from django.conf import settings

    async with Page() as page:
        await page.subscribe()
        async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
            await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert (await page.hear())["op"] == "resync"
        await send(9)
        assert await page.numbers(until=9) == [9]


async def test_without_redis_a_page_is_told_to_fetch_again(hub, monkeypatch, settings):
    there = settings.REDIS_URL
    monkeypatch.setattr(live, "CONFIRM_SECONDS", 0.2)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    async with Page() as page:
        assert await page.subscribe("1-1") == "resync"
        settings.REDIS_URL = there
        assert (await page.hear())["op"] == "resync"
        await send(3)
        assert await page.numbers(until=3) == [3]


async def test_a_page_that_was_away_too_long_fetches_again(hub):
    await send(1)
    async with Page() as page:
        assert await page.subscribe("1-1") == "resync"
