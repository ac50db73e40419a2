"""Messages to browsers: Redis streams behind one reader per process.

A message is added to its topic's short stream (so that a client that reconnects asks for what it
missed by id) and announced on one channel. Every web process reads that channel once and hands
messages to its own sockets; a slow socket has a bounded queue and is dropped, not waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import defaultdict
from typing import Any

import orjson
import redis
import redis.asyncio
import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

CHANNEL = "live"
KEEP = 1000
KEEP_SECONDS = 3600
QUEUE_SIZE = 512


def topic_of(team_id: int | None, topic: str) -> str:
    """Return the full name of a topic: a team's, or everybody's when ``team_id`` is None."""
    return f"{'all' if team_id is None else f't{team_id}'}:{topic}"


@functools.lru_cache(maxsize=1)
def client() -> Any:
    """Return this process's Redis client."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=2, health_check_interval=30
    )


def publish(topic: str, kind: str, data: dict[str, Any]) -> str | None:
    """Send a message; return its id, or None when Redis is away (readers refetch on reconnect)."""
    body = orjson.dumps({"kind": kind, "data": data}, option=orjson.OPT_SERIALIZE_NUMPY)
    try:
        redis_client = client()
        key = f"live:{topic}"
        added = redis_client.xadd(key, {"b": body}, maxlen=KEEP, approximate=True)
        message_id: str = added.decode()
        envelope = orjson.dumps({"topic": topic, "id": message_id}) + b"\n" + body
        with redis_client.pipeline(transaction=False) as pipe:
            pipe.expire(key, KEEP_SECONDS)
            pipe.publish(CHANNEL, envelope)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("live.publish_failed", topic=topic, error=repr(error))
        return None
    return message_id


class Hub:
    """Hands every message of the channel to the local sockets that asked for its topic."""

    def __init__(self) -> None:
        self.readers: dict[str, set[asyncio.Queue[bytes | None]]] = defaultdict(set)
        self.task: asyncio.Task[None] | None = None

    def subscribe(self, topic: str, queue: asyncio.Queue[bytes | None]) -> None:
        """Deliver ``topic`` to ``queue`` from now on."""
        self.readers[topic].add(queue)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._read())

    def unsubscribe(self, queue: asyncio.Queue[bytes | None]) -> None:
        """Deliver nothing more to ``queue``."""
        for topic in [t for t, queues in self.readers.items() if queue in queues]:
            self.readers[topic].discard(queue)
            if not self.readers[topic]:
                del self.readers[topic]

    async def missed(self, topic: str, last_id: str) -> list[bytes] | None:
        """Return the messages after ``last_id``; None when the stream no longer reaches back."""
        client: Any
        async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
            oldest = await client.xrange(f"live:{topic}", count=1)
            if not oldest or _order(oldest[0][0].decode()) > _order(last_id):
                return None
            rows = await client.xrange(f"live:{topic}", min=f"({last_id}")
        return [frame(topic, row_id.decode(), fields[b"b"]) for row_id, fields in rows]

    async def _read(self) -> None:
        while self.readers:
            try:
                await self._listen()
            except (redis.RedisError, OSError) as error:
                log.warning("live.reader_lost", error=repr(error))
                self._tell_all(b'{"op":"resync"}')
                await asyncio.sleep(1)

    async def _listen(self) -> None:
        async with (
            redis.asyncio.Redis.from_url(settings.REDIS_URL) as client,
            client.pubsub(ignore_subscribe_messages=True) as channel,
        ):
            await channel.subscribe(CHANNEL)
            while self.readers:
                message = await channel.get_message(timeout=5.0)
                if message is not None:
                    self._deliver(message["data"])

    def _deliver(self, envelope: bytes) -> None:
        head, _, body = envelope.partition(b"\n")
        named = orjson.loads(head)
        queues = self.readers.get(named["topic"])
        if queues:
            text = frame(named["topic"], named["id"], body)
            for queue in tuple(queues):
                self._put(queue, text)

    def _tell_all(self, text: bytes) -> None:
        for queue in {q for queues in self.readers.values() for q in queues}:
            self._put(queue, text)

    def _put(self, queue: asyncio.Queue[bytes | None], text: bytes) -> None:
        try:
            queue.put_nowait(text)
        except asyncio.QueueFull:
            self.unsubscribe(queue)
            with contextlib.suppress(asyncio.QueueEmpty):
                queue.get_nowait()
            queue.put_nowait(None)


def frame(topic: str, message_id: str, body: bytes) -> bytes:
    """Return one websocket message; the body is JSON already."""
    short = topic.partition(":")[2]
    head = orjson.dumps({"op": "message", "topic": short, "id": message_id})
    return head[:-1] + b"," + body[1:]


def _order(message_id: str) -> tuple[int, int]:
    milliseconds, _, number = message_id.partition("-")
    return int(milliseconds or 0), int(number or 0)


hub = Hub()
