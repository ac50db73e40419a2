"""Whether the process of this container lives: ``healthcheck.py KIND``, exit 0 or 1.

KIND is ``web``, or what the process calls itself in Redis: worker, scheduler, sequencer, stream.
"""

import os
import socket
import sys
import urllib.request
from pathlib import Path

import redis


def variable(name):
    """Return a variable, or what is in the file that its ``_FILE`` sister names."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text(encoding="utf-8").strip() if path else os.environ.get(name, "")


def web_answers():
    """Tell whether the site of this container answers."""
    with urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=4) as answer:
        return answer.status == 200


def tells(kind):
    """Tell whether a process of this kind on this host told lately that it lives."""
    client = redis.Redis.from_url(variable("REDIS_URL"), socket_timeout=4)
    names = [key.decode() for key in client.scan_iter(match=f"alive:{kind}:*", count=200)]
    return any(kind == "scheduler" or socket.gethostname() in name for name in names)


def main(kind):
    """Ask, and say no for every error."""
    try:
        return 0 if (web_answers() if kind == "web" else tells(kind)) else 1
    except (OSError, redis.RedisError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
