"""The one websocket: a browser subscribes to topics of its team."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from apps.core.live import QUEUE_SIZE, Frames, hub, topic_of

TOPIC = re.compile(r"[a-z]+(\.[a-z0-9-]+)?")
MESSAGE_ID = re.compile(r"\d{1,18}-\d{1,18}")
SHARED = frozenset({"feed", "health"})
MAX_TOPICS = 32


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """``{"op": "subscribe", "topic": "jobs", "last": "id of the last message seen"}``.

    ``scope["actor"]`` is set by the accounts middleware; without one the socket is refused.
    """

    async def connect(self) -> None:
        """Accept people who belong to a team."""
        self.queue: Frames = asyncio.Queue(QUEUE_SIZE)
        self.topics: set[str] = set()
        self.sender: asyncio.Task[None] | None = None
        if self.scope.get("actor") is None:
            await self.close(code=4401)
            return
        await self.accept()
        self.sender = asyncio.create_task(self._send_queued())

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 the framework's signature
        """Forget the subscriptions."""
        hub.unsubscribe(self.queue)
        if self.sender:
            self.sender.cancel()

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Subscribe to a topic, or answer a ping."""
        op = content.get("op") if isinstance(content, dict) else None
        if op == "ping":
            await self.send_json({"op": "pong"})
        elif op == "subscribe":
            await self._subscribe(str(content.get("topic", "")), str(content.get("last") or ""))
        else:
            await self.send_json({"op": "error", "message": "op is subscribe or ping"})

    async def _subscribe(self, topic: str, last: str) -> None:
        if not TOPIC.fullmatch(topic) or len(self.topics) >= MAX_TOPICS:
            await self.send_json({"op": "error", "topic": topic, "message": "unknown topic"})
            return
        full = topic_of(None if topic in SHARED else self.scope["actor"].team_id, topic)
        self.topics.add(full)
        await hub.subscribe(full, self.queue, last if MESSAGE_ID.fullmatch(last) else "")

    async def _send_queued(self) -> None:
        while (texts := await self.queue.get()) is not None:
            for text in texts:
                await self.send(text_data=text.decode())
        await self.close(code=4408)
