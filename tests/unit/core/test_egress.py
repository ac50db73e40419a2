"""Connections to addresses that somebody typed in reach no network of our own."""

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from apps.core import egress, notices
from apps.core.errors import Invalid, Unavailable

PRIVATE = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::7f00:1", "no address",
)  # fmt: skip
PUBLIC = ("93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101")
# How 127.0.0.1 may be written: as one number, in base 16 or 8, short, as IPv6.
SPELLINGS = ("2130706433", "0x7f000001", "017700000001", "127.1", "0", "[::1]", "[::ffff:7f00:1]")


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_internet_is_told(address):
    assert not egress.is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_of_the_internet_is_let_through(address):
    assert egress.is_public(address)


@contextmanager
def web_server(answer):
    """A server of our own network that notes what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.server.asked.append(self.path)
            answer(self)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def well(handler):
    handler.send_response(200)
    handler.end_headers()


def elsewhere(handler):
    handler.send_response(307)
    handler.send_header("Location", f"http://127.0.0.1:{handler.server.server_port}/inside")
    handler.end_headers()


def send(host, port):
    notices.send(address=f"json://{host}:{port}/hook", title="t", body="b")


def addresses(*found, port=0):
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    return [(*kind, (one, port)) for one in found]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_however_it_is_written_our_own_machine_is_refused(settings, spelling):
    settings.NOTICES_TO_PRIVATE_HOSTS = False
    with web_server(well) as server:
        with pytest.raises(Invalid) as raised:
            send(spelling, server.server_port)
        assert raised.value.code in {"notice.private", "notice.address"}
        assert server.asked == []


@pytest.mark.parametrize("service", ["json", "ntfy", "gotify", "mmost", "matrix"])
def test_a_name_that_means_another_machine_by_then_is_stopped(settings, monkeypatch, service):
    settings.NOTICES_TO_PRIVATE_HOSTS = False
    with web_server(well) as server:
        asked = []

        def resolver(host, port, *args, **kwargs):
            asked.append(host)
            first = len(asked) == 1
            return addresses("93.184.216.34" if first else "127.0.0.1", port=port)

        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        address = f"{service}://rebinds.example:{server.server_port}/aVeryLongToken1"
        if service == "matrix":
            address = f"matrix://u:p@rebinds.example:{server.server_port}/#room"
        with pytest.raises(Invalid) as raised:
            notices.send(address=address, title="t", body="b")
        assert raised.value.code == "notice.private"
        assert len(asked) >= 2
        assert server.asked == []


def test_one_private_address_among_public_ones_is_enough(settings, monkeypatch):
    settings.NOTICES_TO_PRIVATE_HOSTS = False
    found = addresses("93.184.216.34", "10.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Invalid, match="private network"):
        notices.check_address("json://both.example/hook")


def test_nobody_is_followed_elsewhere(settings):
    settings.NOTICES_TO_PRIVATE_HOSTS = True
    with web_server(elsewhere) as server:
        with pytest.raises(Unavailable):
            send("127.0.0.1", server.server_port)
        assert server.asked == ["/hook"]


def test_the_guard_stops_names_sockets_and_nothing_outside_of_it():
    with web_server(well) as server:
        here = ("127.0.0.1", server.server_port)
        with egress.public_only() as stopped:
            for target in (here, ("localhost", server.server_port)):
                with socket.socket() as raw, pytest.raises(egress.ForbiddenError):
                    raw.connect(target)
            with socket.socket(socket.AF_UNIX) as raw, pytest.raises(egress.ForbiddenError):
                raw.connect("/run/postgresql")
        assert stopped == ["127.0.0.1", "localhost", "/run/postgresql"]
        with socket.create_connection(here, timeout=5):
            pass
