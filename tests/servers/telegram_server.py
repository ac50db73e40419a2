"""A local server that speaks the Telegram Bot API as documented, faults included; and a webhook.

References: core.telegram.org/bots/api#making-requests, #sendmessage, #formatting-options (HTML),
core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this. Faults are scripted: each
message takes the next; without any it is delivered.
"""

import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
CHAT = "12315544"
HOOK = "/hooks/T0psecretpath"
MOST_TEXT = 4096
TAGS = {"b", "strong", "i", "em", "u", "s", "a", "code", "pre", "blockquote", "tg-spoiler"}
TAG = re.compile(r"<(/?)([a-zA-Z-]*)")
ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#\d+);")


def too_many(seconds):
    """The fault of a bot that sends too much."""
    return {"status": 429, "retry_after": seconds}


UNAUTHORIZED = {"status": 401}
BROKEN = {"status": 502}
CUT = {"cut": True}
SAID = {
    401: "Unauthorized",
    404: "Not Found",
    502: "Bad Gateway",
}


def slow(seconds):
    """The fault of a server that takes long to answer."""
    return {"delay": seconds}


class Server(ThreadingHTTPServer):
    """Keeps faults to come, messages delivered and how often it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.messages, self.hooks = [], [], []
        self.asked = 0
        self.lock = threading.Lock()
        self.ended = threading.Event()

    @property
    def root(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def chat(self):
        """The address of the bot's chat, as a user would enter it."""
        return f"tgram://{TOKEN}/{CHAT}/"

    @property
    def hook(self):
        return f"json://127.0.0.1:{self.server_port}{HOOK}"

    def next_fault(self):
        with self.lock:
            self.asked += 1
            return self.faults.pop(0) if self.faults else {}

    def handle_error(self, request, client_address):
        """A client that gave up is part of the play."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.server.next_fault()
        self.server.ended.wait(fault.get("delay", 0))
        if fault.get("cut"):
            self.close_connection = True
            return self.connection.close()
        if self.path == HOOK:
            return self.take_hook(body, fault)
        return self.answer(*self.method(body, fault))

    def take_hook(self, body, fault):
        if fault.get("status"):
            return self.send(fault["status"], {"error": "no"})
        self.server.hooks.append(body)
        return self.send(200, {"ok": True})

    def method(self, body, fault):
        """Status and description, or the result."""
        if fault.get("status") == 429:
            return 429, f"Too Many Requests: retry after {fault['retry_after']}", fault
        if fault.get("status"):
            return fault["status"], SAID[fault["status"]], {}
        named = re.fullmatch(r"/bot(\d+:[\w-]+)/(\w+)", self.path)
        if not named:
            return 404, "Not Found", {}
        if named.group(1) != TOKEN:
            return 401, "Unauthorized", {}
        if named.group(2).lower() != "sendmessage":
            return 404, "Not Found", {}
        wrong = fault_of(body)
        return (400, wrong, {}) if wrong else (200, self.deliver(body), {})

    def deliver(self, body):
        self.server.messages.append(body)
        return {
            "message_id": len(self.server.messages),
            "date": int(time.time()),
            "chat": {"id": int(CHAT), "type": "private", "first_name": "Ann"},
            "from": {"id": 110201543, "is_bot": True, "first_name": "Lab"},
            "text": body["text"],
        }

    def answer(self, status, said, fault):
        if status == 200:
            return self.send(200, {"ok": True, "result": said})
        told = {"ok": False, "error_code": status, "description": said}
        headers = {}
        if status == 429:
            told["parameters"] = {"retry_after": fault["retry_after"]}
            headers["Retry-After"] = str(fault["retry_after"])
        return self.send(status, told, headers)

    def send(self, status, body, headers=()):
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **dict(headers)}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def fault_of(body):
    """What Telegram finds wrong with a message, in its words."""
    text = body.get("text", "")
    if str(body.get("chat_id")) != CHAT:
        return "Bad Request: chat not found"
    if not text.strip():
        return "Bad Request: message text is empty"
    if len(ENTITY.sub("x", TAG.sub("", text))) > MOST_TEXT:
        return "Bad Request: message is too long"
    if body.get("parse_mode") == "HTML":
        wrong = [name for _, name in TAG.findall(text) if name.lower() not in TAGS]
        if wrong:
            return f'Bad Request: can\'t parse entities: Unsupported start tag "{wrong[0]}"'
    return ""


@contextmanager
def running():
    """A server on a free port until the block ends."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
