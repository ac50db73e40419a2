"""The application server side: one thread per request, whole and streamed answers."""

import asyncio
import threading

import pytest
from asgiref.testing import ApplicationCommunicator
from django.http import FileResponse, HttpResponse, StreamingHttpResponse

from apps.core.serving import ThreadedHandler

THREADS = []


def whole(request):
    THREADS.append(threading.get_ident())
    response = HttpResponse(request.body[::-1], status=201, headers={"X-One": "1"})
    response.set_cookie("a", "b")
    return response


TOGETHER = threading.Barrier(3, timeout=60)


def together(request):
    TOGETHER.wait()
    return HttpResponse("met")


def streamed(request):
    def pieces():
        for number in range(3):
            THREADS.append(threading.get_ident())
            yield f"{number},"

    return StreamingHttpResponse(pieces())


def file(request):
    return FileResponse(open(__file__, "rb"))  # noqa: PTH123 closed by the response


async def asynchronous(request):
    await asyncio.sleep(0)
    return HttpResponse("async")


@pytest.fixture
def ask(settings):
    from django.urls import clear_url_caches, path

    class Urls:
        urlpatterns = (
            path("whole", whole),
            path("streamed", streamed),
            path("file", file),
            path("async", asynchronous),
            path("together", together),
        )

    settings.ROOT_URLCONF = Urls
    settings.MIDDLEWARE = []
    settings.ALLOWED_HOSTS = ["*"]
    clear_url_caches()
    THREADS.clear()
    handler = ThreadedHandler()

    async def send(path, body=b""):
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [],
        }
        talk = ApplicationCommunicator(handler, scope)
        await talk.send_input({"type": "http.request", "body": body[:2], "more_body": True})
        await talk.send_input({"type": "http.request", "body": body[2:]})
        head, got, more = await talk.receive_output(3), b"", True
        while more:
            message = await talk.receive_output(3)
            got, more = got + message["body"], message.get("more_body", False)
        await talk.wait()
        return head["status"], dict(head["headers"]), got

    yield send
    clear_url_caches()


async def test_a_whole_answer_has_status_headers_cookies_and_body(ask):
    status, headers, body = await ask("/whole", b"abcdef")
    assert (status, body) == (201, b"fedcba")
    assert headers[b"X-One"] == b"1"
    assert headers[b"Set-Cookie"].startswith(b"a=b")


async def test_a_streamed_answer_is_made_in_one_thread(ask):
    status, _, body = await ask("/streamed")
    assert (status, body) == (200, b"0,1,2,")
    assert len(set(THREADS)) == 1
    assert THREADS[0] != threading.get_ident()


async def test_files_and_async_views_are_served(ask):
    with open(__file__, "rb") as source:  # noqa: PTH123, ASYNC230
        wanted = source.read()
    assert (await ask("/file"))[2] == wanted
    assert (await ask("/async"))[2] == b"async"


async def test_requests_run_side_by_side(ask):
    answers = await asyncio.gather(*(ask("/together") for _ in range(3)))
    assert all(status == 200 for status, _, _ in answers)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_large_is_refused_unread(settings, announced):
    settings.BODY_MAX_BYTES = 1000
    headers = [(b"host", b"testserver")] + [(b"content-length", b"5000")] * announced
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": headers,
        "query_string": b"",
    }
    client = ApplicationCommunicator(ThreadedHandler(), scope)
    await client.send_input({"type": "http.request", "body": b"x" * 600, "more_body": True})
    await client.send_input({"type": "http.request", "body": b"x" * 600, "more_body": True})
    started = await client.receive_output(30)
    assert started["status"] == 413
    assert b"more than 1,000 bytes" in (await client.receive_output(30))["body"]
