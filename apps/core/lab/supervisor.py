"""The supervisor: checks, starts, watches and stops everything a lab consists of."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from apps.core.errors import LabError
from apps.core.lab import adoption, children, preflight, processes, servers, upgrade
from apps.core.lab.adoption import Nursery
from apps.core.lab.children import Backoff, Child, Supervised
from apps.core.lab.home import Home, write_private
from apps.core.lab.options import Options
from apps.core.lab.plan import plan_children
from apps.core.lab.postgres import PostgresServer
from apps.core.lab.preparation import Preparation, Refused
from apps.core.lab.processes import ProcessId
from apps.core.lab.redis import RedisServer

READY_SECONDS = 90.0
TICK = 0.1
WAIT_FOR_COMMANDS = 60.0
ROTATE_SECONDS = 60.0
OK = 200
STOP_LEFTOVER = ((signal.SIGTERM, 3.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 3.0))
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A person or the system asked the lab to stop."""


@dataclass(slots=True)
class Watched:
    """Something that is restarted when it dies."""

    child: Supervised
    backoff: Backoff = field(default_factory=Backoff)
    again_at: float | None = None


class Supervisor:
    """One lab on one LAB_HOME and port, from the first check to the last stopped child."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self.options = options
        self.say = say
        self.home = Home(options.home.resolve())
        self.began = time.monotonic()
        self.postgres = PostgresServer(self.home.root)
        self.redis = RedisServer(self.home.root)
        given = options.addresses
        self.embedded: list[PostgresServer | RedisServer] = []
        self.embedded += [] if "REDIS_URL" in given else [self.redis]
        self.embedded += [] if "DATABASE_URL" in given else [self.postgres]
        self.preparation = Preparation(options, self.home, say)
        self.nursery = Nursery(self.preparation.child(adoption.SPEC))
        self.watched: list[Watched] = []
        self.ready = False

    def run(self) -> int:
        """Run the lab until it is told to stop; return the exit code."""
        with contextlib.ExitStack() as stack:
            stack.callback(_hear_no_more)
            for number in STOP_SIGNALS:
                signal.signal(number, self._told_to_stop)
            try:
                stack.enter_context(self._sole_lab())
                self._check()
                stack.callback(self.nursery.close)
                self.nursery.start()
                lock = stack.enter_context(servers.servers_lock(self.home.root))
                stack.callback(self._stop)
                self._start_servers(lock)
                self.preparation.run()
                self._start_children()
                self._watch()
            except Stopped:
                return 0
            except Refused as error:
                self.say(str(error))
            except LabError as error:
                self.say(f"The lab could not start: {error.message}")
        return 1

    def _told_to_stop(self, number: int, _frame: object) -> None:
        _hear_no_more()
        self.say(f"\nStopping ({signal.Signals(number).name}) …")
        raise Stopped

    @contextlib.contextmanager
    def _sole_lab(self) -> Iterator[None]:
        """Be the only lab on this LAB_HOME; the lock dies with its holder and is never stale."""
        self.home.prepare()
        with (self.home.run / "lab.lock").open("a+") as file:
            if not servers.try_lock(file, fcntl.LOCK_EX):
                file.seek(0)
                raise Refused(
                    f"A lab already runs on {self.home.root} ({file.read().strip()}). Stop it, or "
                    "run another beside it: make run LAB_HOME=.lab-2 "
                    f"PORT={self.options.port + 1}."
                )
            file.truncate(0)
            file.write(f"process {os.getpid()}, port {self.options.port}")
            file.flush()
            yield

    # Before the start

    def _check(self) -> None:
        given = dict.fromkeys(self.options.addresses, True)
        facts = preflight.gather(self.home, self.options.port, given, self._stop_leftovers())
        findings = preflight.judge(facts)
        for finding in findings:
            self.say(str(finding))
        if any(finding.level == preflight.STOP for finding in findings):
            raise Refused("The lab was not started.")

    def _stop_leftovers(self) -> tuple[str, ...]:
        """Stop the children of an earlier lab of this LAB_HOME that was killed."""
        note = self.home.run / "processes.json"
        try:
            noted = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ()
        left = [(row["name"], ProcessId(row["pid"], row["started"])) for row in noted]
        alive = [(name, process) for name, process in left if process.lives]
        for _, process in alive:
            children.send(process.pid, signal.SIGTERM)
        for _, process in alive:
            processes.stop_by(process, STOP_LEFTOVER)
        note.unlink(missing_ok=True)
        return tuple(name for name, _ in alive)

    # Servers

    def _start_servers(self, lock: IO[str]) -> None:
        """Start the embedded servers, once no other command uses them."""
        if not servers.try_lock(lock, fcntl.LOCK_EX):
            self.say("Another command uses the database of this lab; waiting for it …")
            until = time.monotonic() + WAIT_FOR_COMMANDS
            while not servers.try_lock(lock, fcntl.LOCK_EX):
                if time.monotonic() > until:
                    raise Refused("It still does; stop it, then start again.")
                time.sleep(TICK)
        for server in self.embedded:
            server.prepare()
            server.start()
        for server in self.embedded:
            server.wait_ready()
        servers.write_services(self.embedded)
        fcntl.flock(lock, fcntl.LOCK_SH)

    # Running

    def _start_children(self) -> None:
        if version := upgrade.code_version(self.options.base):
            write_private(self.home.root / "version", version)
        started = time.monotonic()
        self.watched = [Watched(server, Backoff(started=started)) for server in self.embedded]
        plan = plan_children(sys.executable, self.options.port, self.home.state)
        parts = [self.preparation.child(spec) for spec in plan]
        for part in parts:
            children.rotate(part.log)
            self.watched.append(Watched(part, Backoff(started=started)))
        if not self.nursery.deliver(parts):
            for part in parts:
                part.start()
        self._note_processes()

    def _children(self) -> list[Child]:
        return [watched.child for watched in self.watched if isinstance(watched.child, Child)]

    def _note_processes(self) -> None:
        """Write down who runs, for a later lab to stop if this one is killed."""
        found = [(child.name, children.identify(child)) for child in self._children()]
        rows = [
            {"name": name, "pid": process.pid, "started": process.started}
            for name, process in found
            if process is not None
        ]
        write_private(self.home.run / "processes.json", json.dumps(rows))

    def _watch(self) -> None:
        look_at, rotate_at = 0.0, time.monotonic() + ROTATE_SECONDS
        late_at = self.began + READY_SECONDS
        while True:
            for watched in self.watched:
                self._look_after(watched)
            now = time.monotonic()
            if not self.ready and now >= look_at:
                self._look_ready()
                look_at = time.monotonic() + 2 * TICK
            if not self.ready and now >= late_at:
                late_at = now + READY_SECONDS
                self.say(f"Not ready after {now - self.began:.0f} s: {self._why_unready()}")
            if now >= rotate_at:
                rotate_at = now + ROTATE_SECONDS
                for log in self.home.logs.glob("*.log"):
                    children.rotate(log)
            time.sleep(TICK)

    def _look_after(self, watched: Watched) -> None:
        """Notice a death, wait as long as the back-off says, start again."""
        child, now = watched.child, time.monotonic()
        if watched.again_at is not None:
            if now >= watched.again_at:
                watched.again_at = None
                watched.backoff.started = now
                self._start_again(child)
            return
        if children.is_alive(child):
            return
        code = child.process.returncode if child.process is not None else "unknown"
        watched.again_at = watched.backoff.died(now)
        words = child.last_words() if isinstance(child, Child) else ""
        child.stop()
        wait = watched.backoff.wait
        self.say(f"{child.name} ended (exit {code}); again in {wait:.1f} s. {words}".rstrip())

    def _start_again(self, child: Supervised) -> None:
        try:
            child.start()
        except (LabError, OSError) as error:
            self.say(f"{child.name} can't be started: {error}")
        self._note_processes()

    def _look_ready(self) -> None:
        if self._ask()[0] != OK:
            return
        self.ready = True
        spent = time.monotonic() - self.began
        self.say(
            f"\nThe lab is ready after {spent:.1f} s: {self.options.url}\n"
            f"Sign in as {', '.join(self.preparation.people()) or 'the admin you make'};\n"
            f"passwords and API tokens: {self.preparation.credentials}\n"
            f"Logs: {self.home.logs}. Ctrl-C stops everything.\n"
        )

    def _ask(self) -> tuple[int, str]:
        """Ask the site whether it is ready; status 0 means no answer."""
        address = f"http://127.0.0.1:{self.options.port}/health/ready"
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError as error:
            return 0, str(error)

    def _why_unready(self) -> str:
        status, body = self._ask()
        try:
            modules = json.loads(body)["modules"]
        except (ValueError, KeyError, TypeError):
            return f"the site answers {status or 'nothing'}; see {self.home.logs / 'web.log'}"
        bad = [m for m in modules if m.get("status") not in {"ok", "degraded"}]
        return "; ".join(f"{m['name']}: {m['summary']} {m['advice']}" for m in bad)

    def _stop(self) -> None:
        """Stop the children side by side, then the servers."""
        _hear_no_more()
        children.stop_all(self._children())
        for server in reversed(self.embedded):
            server.stop()
        (self.home.run / "processes.json").unlink(missing_ok=True)
        self.say("Stopped.")


def _hear_no_more() -> None:
    """Finish the stop that is under way, however often one is asked for."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
