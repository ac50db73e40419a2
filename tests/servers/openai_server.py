"""A local server that speaks chat completions as OpenAI and Groq document them, faults included.

References: platform.openai.com/docs/api-reference/chat, console.groq.com/docs/api-reference.
Answers are scripted: each request takes the next script; the last one stays.
"""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-local-test"
PATHS = {"/v1/chat/completions", "/openai/v1/chat/completions"}
ERRORS = {
    400: ("invalid_request_error", None, "We could not parse the JSON body of your request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}
IDEAS = [
    {
        "statement": "What fell over a week comes back.",
        "economic_reason": "Liquidity providers are paid by hurried sellers.",
        "expression": "-delta(close, 5) / ts_std(close, 20)",
    },
    {
        "statement": "This one does not parse.",
        "economic_reason": "None.",
        "expression": "rank(delay(close, -1))",
    },
]


def ideas(*hypotheses):
    """The script of a good answer."""
    return {"content": json.dumps({"hypotheses": list(hypotheses) or IDEAS})}


def program(text, **more):
    """The script of a strategy's text."""
    return {"content": json.dumps({"reasoning": "Trends go on.", "text": text, **more})}


def status(code, headers=()):
    """The script of an HTTP error."""
    return {"status": code, "headers": dict(headers)}


MALFORMED = {"content": '{"hypotheses": [{"statement": 7'}
OUT_OF_SHAPE = {"content": '{"ideas": []}'}
EMPTY = {"content": '{"hypotheses": []}'}
NOT_JSON = {"body": b"<html>502 Bad Gateway</html>"}
SLOW = {"delay": 3.0, **ideas()}
CUT = {"cut": True}
REFUSAL = {"refusal": "I can't help with that."}
TOO_LONG = {"content": '{"reasoning": "because", "text": "x', "finish": "length"}


class Server(ThreadingHTTPServer):
    """Keeps the scripts, and every request it was sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripts, self.requests = [ideas()], []
        self.lock = threading.Lock()

    @property
    def root(self):
        return f"http://127.0.0.1:{self.server_port}"

    def play(self, *scripts):
        self.scripts = list(scripts)

    def next_script(self):
        with self.lock:
            return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]

    def handle_error(self, request, client_address):
        """A client that gave up is part of the play."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append({"path": self.path, "body": body})
        fault = self.fault_of(body)
        if fault:
            return self.refuse(fault)
        script = self.server.next_script()
        time.sleep(script.get("delay", 0))
        if script.get("cut"):
            self.close_connection = True
            return self.connection.close()
        if "status" in script:
            return self.refuse(script["status"], script["headers"])
        if "body" in script:
            return self.send(200, script["body"], {"Content-Type": "text/html"})
        return self.send(200, json.dumps(completion(body, script)).encode())

    def fault_of(self, body):
        if self.path not in PATHS:
            return 404
        if self.headers.get("Authorization") not in {f"Bearer {KEY}", "Bearer none"}:
            return 401
        known = body.get("model") and body.get("messages")
        roles = {message["role"] for message in body.get("messages", [])}
        return 0 if known and roles <= {"system", "user", "assistant", "tool"} else 400

    def refuse(self, code, headers=()):
        kind, name, message = ERRORS[code]
        error = {"message": message, "type": kind, "param": None, "code": name}
        self.send(code, json.dumps({"error": error}).encode(), dict(headers))

    def send(self, code, content, headers=()):
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **dict(headers)}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("x-request-id", "req_local")
        self.end_headers()
        self.wfile.write(content)


def completion(body, script):
    """A chat completion object; a required tool is called with the content."""
    content, refusal = script.get("content"), script.get("refusal")
    message = {"role": "assistant", "content": content, "refusal": refusal}
    reason = script.get("finish", "stop")
    if body.get("tools") and not refusal:
        function = {"name": body["tools"][0]["function"]["name"], "arguments": content}
        call = {"id": "call_1", "type": "function", "function": function}
        message = {**message, "content": None, "tool_calls": [call]}
        reason = script.get("finish", "tool_calls")
    return {
        "id": "chatcmpl-local",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": {"prompt_tokens": 812, "completion_tokens": 96, "total_tokens": 908},
        "system_fingerprint": "fp_local",
    }


@contextmanager
def running():
    """A server on a free port until the block ends."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
