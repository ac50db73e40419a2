"""Messages to browsers: Redis streams behind one reader per process.

A message is added to its topic's short stream (so that a client that reconnects asks for what it
missed by id) and announced on one channel. Every web process reads that channel once and hands
messages to its own sockets; a slow socket has a bounded queue and is dropped, not waited for.
"""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import orjson
import redis
import redis.asyncio
import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

# What a socket is to send; None ends it.
Frames = asyncio.Queue[list[bytes] | None]
CHANNEL = "live"
KEEP = 1000
KEEP_SECONDS = 3600
QUEUE_SIZE = 512
CONFIRM_SECONDS = 10.0
RETRY_SECONDS = 1.0
# Stored and announced in one step, so that messages are announced in the order of their ids.
PUBLISH = """
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'b', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5] .. id .. '"}\\n' .. ARGV[1])
return id
"""


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
    head = orjson.dumps({"topic": topic})[:-1] + b',"id":"'
    try:
        added = client().eval(PUBLISH, 1, f"live:{topic}", body, KEEP, KEEP_SECONDS, CHANNEL, head)
    except redis.RedisError as error:
        log.warning("live.publish_failed", topic=topic, error=repr(error))
        return None
    message_id: str = added.decode()
    return message_id


@dataclass(slots=True, eq=False)
class Subscription:
    """A topic of one socket. What comes while it catches up is held, then follows in order."""

    topic: str
    queue: Frames
    after: tuple[int, int] = (0, 0)
    held: list[tuple[str, bytes]] | None = field(default_factory=list)

    def is_new(self, message_id: str) -> bool:
        """Tell whether a message was not sent yet, and remember that it is now."""
        place = _order(message_id)
        if place <= self.after:
            return False
        self.after = place
        return True


class Hub:
    """Hands every message of the channel to the local sockets that asked for its topic."""

    def __init__(self) -> None:
        self.readers: dict[str, set[Subscription]] = defaultdict(set)
        self.task: asyncio.Task[None] | None = None
        self.reading = asyncio.Event()
        self.has_gap = False

    async def subscribe(self, topic: str, queue: Frames, last_id: str = "") -> None:
        """Deliver ``topic`` to ``queue``: the answer, what came after ``last_id``, then all else.

        The answer says ``current``, or ``resync`` when what was missed can't be told. It is given
        once Redis has confirmed that it delivers, so that nothing falls between.
        """
        self._drop(queue, topic)
        mine = Subscription(topic, queue)
        self.readers[topic].add(mine)
        if self.task is None or self.task.done():
            self.reading = asyncio.Event()
            self.task = asyncio.create_task(self._read())
        missed = await self._catch_up(topic, last_id)
        if mine not in self.readers.get(topic, ()):
            return
        state = "resync" if missed is None else "current"
        frames = [answer(topic, state)]
        if missed is not None:
            mine.after = _order(last_id)
        held, mine.held = mine.held or [], None
        frames += [
            text for message_id, text in [*(missed or []), *held] if mine.is_new(message_id)
        ]
        self._put(queue, frames)

    async def _catch_up(self, topic: str, last_id: str) -> list[tuple[str, bytes]] | None:
        try:
            await asyncio.wait_for(self.reading.wait(), CONFIRM_SECONDS)
            return await self.missed(topic, last_id) if last_id else None
        except (TimeoutError, redis.RedisError, OSError) as error:
            log.warning("live.catch_up_failed", topic=topic, error=repr(error))
            self.has_gap = self.has_gap or not self.reading.is_set()
            return None

    def unsubscribe(self, queue: Frames) -> None:
        """Deliver nothing more to ``queue``."""
        for topic in list(self.readers):
            self._drop(queue, topic)

    def _drop(self, queue: Frames, topic: str) -> None:
        left = {one for one in self.readers.get(topic, ()) if one.queue is not queue}
        if left:
            self.readers[topic] = left
        else:
            self.readers.pop(topic, None)

    async def missed(self, topic: str, last_id: str) -> list[tuple[str, bytes]] | None:
        """Return the messages after ``last_id``; None when the stream no longer reaches back."""
        client: Any
        async with (
            redis.asyncio.Redis.from_url(settings.REDIS_URL) as client,
            client.pipeline(transaction=True) as pipe,
        ):
            pipe.xrange(f"live:{topic}", count=1)
            pipe.xrange(f"live:{topic}", min=f"({last_id}")
            oldest, rows = await pipe.execute()
        if not oldest or _order(oldest[0][0].decode()) > _order(last_id):
            return None
        return [
            (row_id.decode(), frame(topic, row_id.decode(), fields[b"b"]))
            for row_id, fields in rows
        ]

    async def _read(self) -> None:
        while self.readers:
            try:
                await self._listen()
            except (redis.RedisError, OSError) as error:
                log.warning("live.reader_lost", error=repr(error))
                self.has_gap = True
                await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        async with (
            redis.asyncio.Redis.from_url(settings.REDIS_URL) as client,
            client.pubsub() as channel,
        ):
            await channel.subscribe(CHANNEL)
            try:
                while self.readers:
                    message = await channel.get_message(timeout=5.0)
                    if message is not None:
                        self._take(message)
            finally:
                self.reading.clear()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            self._deliver(message["data"])
        elif message["type"] == "subscribe":
            # A second one: the client library connected anew, and what came between is lost.
            if self.has_gap or self.reading.is_set():
                self._tell_all(b'{"op":"resync"}')
            self.has_gap = False
            self.reading.set()

    def _deliver(self, envelope: bytes) -> None:
        head, _, body = envelope.partition(b"\n")
        named = orjson.loads(head)
        message_id: str = named["id"]
        readers = self.readers.get(named["topic"])
        if not readers:
            return
        text = frame(named["topic"], message_id, body)
        for one in tuple(readers):
            if one.held is None:
                if one.is_new(message_id):
                    self._put(one.queue, [text])
            elif len(one.held) < QUEUE_SIZE:
                one.held.append((message_id, text))
            else:
                self._shut(one.queue)

    def _tell_all(self, text: bytes) -> None:
        for queue in {one.queue for readers in self.readers.values() for one in readers}:
            self._put(queue, [text])

    def _put(self, queue: Frames, texts: list[bytes]) -> None:
        try:
            queue.put_nowait(texts)
        except asyncio.QueueFull:
            self._shut(queue)

    def _shut(self, queue: Frames) -> None:
        """Let a socket go that is too slow: it comes back and catches up."""
        self.unsubscribe(queue)
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(None)


def answer(topic: str, state: str) -> bytes:
    """Return the answer to a subscription."""
    return orjson.dumps({"op": "subscribed", "topic": topic.partition(":")[2], "state": state})


def frame(topic: str, message_id: str, body: bytes) -> bytes:
    """Return one websocket message; the body is JSON already."""
    short = topic.partition(":")[2]
    head = orjson.dumps({"op": "message", "topic": short, "id": message_id})
    return head[:-1] + b"," + body[1:]


def _order(message_id: str) -> tuple[int, int]:
    milliseconds, _, number = message_id.partition("-")
    return int(milliseconds or 0), int(number or 0)


hub = Hub()
