"""Messages over a real socket: to a local Telegram, and to a webhook."""

import logging

import pytest

from apps.core import notices
from apps.core.errors import Denied, Invalid, Unavailable
from tests.servers import telegram_server as telegram


@pytest.fixture
def server(settings):
    with telegram.running() as started:
        settings.TELEGRAM_API_URL = started.root
        settings.NOTICES_TO_PRIVATE_HOSTS = True
        yield started


def test_messages_leave_a_team_deployment_encrypted_only(settings):
    settings.NOTICES_IN_THE_CLEAR, settings.NOTICES_TO_PRIVATE_HOSTS = False, True
    for scheme in ("json", "ntfy", "gotify", "mmost", "matrix", "mailto"):
        with pytest.raises(Invalid, match=f"{scheme}s://"):
            notices.check_address(f"{scheme}://name:word@localhost/room")
    assert notices.check_address("jsons://localhost/hook").scheme == "jsons"
    assert notices._plug("jsons://localhost/hook?verify=no").verify_certificate


def send(address, body="AAPL long < 70 & rising"):
    notices.send(address=address, title="New signals", body=body)


def test_a_message_reaches_the_chat(server):
    send(server.chat)
    assert server.asked == 1
    (told,) = server.messages
    assert told["chat_id"] in {telegram.CHAT, int(telegram.CHAT)}
    assert "New signals" in told["text"]
    assert "&lt; 70 &amp; rising" in told["text"]


def test_a_message_reaches_a_webhook(server):
    send(server.hook)
    (told,) = server.hooks
    assert (told["title"], told["message"]) == ("New signals", "AAPL long < 70 & rising")


def test_too_many_messages_wait_as_telegram_asks(server):
    server.faults = [telegram.too_many(7)]
    with pytest.raises(Unavailable) as raised:
        send(server.chat)
    assert raised.value.retry_after == 7
    assert server.messages == []
    assert server.asked == 1


@pytest.mark.parametrize("fault", [telegram.BROKEN, telegram.CUT])
def test_a_passing_fault_is_told_as_one(server, fault):
    for address in (server.chat, server.hook):
        server.faults = [fault]
        with pytest.raises(Unavailable) as raised:
            send(address)
        assert raised.value.code == "notice.unavailable"


def test_a_server_that_does_not_answer_is_left_in_time(server, monkeypatch):
    monkeypatch.setattr(notices, "READ_SECONDS", 0.3)
    server.faults = [telegram.slow(300)]
    with pytest.raises(Unavailable):
        send(server.chat)
    assert server.messages == []  # it is still busy: nobody waited for its answer


def test_a_refused_token_is_told_without_the_token(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.faults = [telegram.UNAUTHORIZED]
    with pytest.raises(Denied) as raised:
        send(server.chat)
    assert raised.value.code == "notice.refused"
    assert "Unauthorized" in raised.value.message
    for part in telegram.TOKEN.split(":"):
        assert part not in raised.value.message
        assert part not in caplog.text


def test_an_unknown_chat_is_told_in_the_words_of_telegram(server):
    with pytest.raises(Denied, match="chat not found"):
        send(f"tgram://{telegram.TOKEN}/999/")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://example.com",
        "file:///etc/passwd",
        "syslog://",
        "dbus://",
        "tgram://nonsense",
        "slack://a/b",
        f"tgram://{telegram.TOKEN}/",
        f"tgram://{telegram.TOKEN}/1/2",
        "json://host/\npath",
        "json://" + "x" * 2000,
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(Invalid) as raised:
        notices.service_of(address)
    assert raised.value.code == "notice.address"
    assert telegram.TOKEN not in raised.value.message


def test_an_address_can_not_ask_for_redirects_or_long_waits(server):
    plug = notices._plug(f"{server.hook}?redirect=yes&retry=9&rto=600")
    assert (plug.redirects, plug.retry, plug.socket_read_timeout) == (
        False,
        0,
        notices.READ_SECONDS,
    )


def test_our_own_network_is_refused_unless_it_is_allowed(server, settings):
    settings.NOTICES_TO_PRIVATE_HOSTS = False
    for host in ("127.0.0.1", "localhost", "10.0.0.7", "169.254.169.254"):
        with pytest.raises(Invalid) as raised:
            send(f"json://{host}:{server.server_port}{telegram.HOOK}")
        assert raised.value.code == "notice.private"
    assert server.hooks == []
