"""Drive the running feeds, replayed and live, and step the deployments until told to stop."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from apps.core import alive, clock, telemetry
from apps.market import selectors as market
from apps.market import services as market_services
from apps.market.selectors import FeedState
from apps.risk import services as risk_services
from apps.trading import services

log = structlog.get_logger(__name__)

TELL_SECONDS = 3.0
# A turn that takes longer is taken for hung, and the process no longer tells that it lives.
PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 1.0
RETRY_SECONDS = 1.0
FAULT_SECONDS = 10.0
SHORTEST_WAIT = 0.01


class Command(BaseCommand):
    help = "Drive the running feeds, replayed and live, and step the deployments on them."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Stream until SIGTERM or SIGINT."""
        telemetry.start("stream")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        stream = Stream(stop.wait)
        voice = threading.Thread(target=tell_while_alive, args=(stream, stop), daemon=True)
        voice.start()
        risk = risk_services.start_teller(clock=clock.now, stop=stop)
        while not stop.is_set():
            stream.turn()
        stream.live.stop()
        voice.join(timeout=1)
        risk.join(timeout=5)
        connection.close()


def tell_while_alive(stream: Stream, stop: threading.Event) -> None:
    """Tell every few seconds that the stream lives, as long as its turns end."""
    name = own_name()
    while not stop.is_set():
        if time.monotonic() - stream.turned < PATIENCE_SECONDS:
            alive.tell(
                "stream",
                name,
                now=clock.now(),
                bars=stream.bars,
                feeds=len(stream.due),
                live=len(stream.live.runners),
            )
        stop.wait(TELL_SECONDS)


def own_name() -> str:
    """Return the name under which this process is known."""
    return f"{socket.gethostname()}-{os.getpid()}"


class Stream:
    """Turns of the loop; survives a database or a Redis that goes away and comes back.

    Parameters
    ----------
    wait
        Waits the given seconds, or less when the process is to stop.
    """

    def __init__(self, wait: Callable[[float], object]) -> None:
        self.wait = wait
        self.due: dict[int, float] = {}
        self.behind: set[str] = set()
        self.feeds: dict[int, FeedState] = {}
        self.looked = float("-inf")
        self.turned = time.monotonic()
        self.bars = 0
        # Each live feed has threads of its own, so that neither waits for the other.
        self.live = market_services.LiveFeeds(own_name())

    def turn(self) -> None:
        """Look at the feeds, advance those that are due, wait for the next."""
        self.turned = time.monotonic()
        try:
            self.look()
            for feed in list(self.feeds.values()):
                if self.due[feed.id] <= time.monotonic():
                    self.advance(feed)
        except (OperationalError, InterfaceError) as error:
            self.reconnect(error)
            return
        self.wait(self.until_next())

    def look(self) -> None:
        """See which feeds run; a feed seen first is caught up with before its next bar."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        close_old_connections()
        # A strategy that hangs can hold up this process; the workers finish halts as well.
        services.finish_halts(now=clock.now())
        services.watch_stops(now=clock.now())
        self.live.look()
        self.feeds = {feed.id: feed for feed in market.list_running_feeds()}
        for feed in self.feeds.values():
            if feed.id not in self.due:
                self.due[feed.id] = now
                self.behind.add(feed.name)
        self.due = {feed_id: self.due[feed_id] for feed_id in self.feeds}

    def advance(self, feed: FeedState) -> None:
        """Hand out one bar and step the accounts; a fault of one feed leaves the others alone."""
        began = time.monotonic()
        try:
            if feed.name in self.behind:
                services.catch_up(feed_name=feed.name, now=clock.now())
                self.behind.discard(feed.name)
            batch = market_services.advance_feed(session_id=feed.id, now=clock.now())
            if batch is not None:
                self.bars += 1
                services.step_deployments(batch=batch, now=clock.now())
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("stream.step_failed", feed=feed.name)
            self.behind.add(feed.name)
            self.due[feed.id] = time.monotonic() + FAULT_SECONDS
            return
        self.due[feed.id] = began + feed.seconds_per_bar

    def reconnect(self, error: Exception) -> None:
        """Let go of a connection that broke; every feed is caught up with afterwards."""
        log.warning("stream.database_away", error=repr(error))
        connection.close()
        self.behind |= {feed.name for feed in self.feeds.values()}
        self.looked = float("-inf")
        self.wait(RETRY_SECONDS)

    def until_next(self) -> float:
        """Return the seconds until something is due."""
        now = time.monotonic()
        soonest = min([*self.due.values(), self.looked + LOOK_SECONDS])
        return max(SHORTEST_WAIT, soonest - now)
