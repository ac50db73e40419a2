"""Writes that may be sent twice: the first is carried out, the second gets the same answer.

The key's row is stored before the work starts and outside its transaction, so that two at once
can't both begin. A refusal (400 to 499, 503) is forgotten: nothing was done, the key may be used
again. A defect's 500 is kept and told again, since part of the work may have been committed. A row
left without an answer means that the process died meanwhile; the outcome is unknown and the client
is told to look instead of being served a second execution. Kept answers are encrypted: some hold
a token or a link that is shown once and otherwise stored only as a hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase

from apps.core.actors import Actor, noting_permissions
from apps.core.errors import Conflict, Invalid
from apps.core.models import IdempotencyKey

HEADER = "Idempotency-Key"
KEEP = timedelta(hours=24)
PATIENCE = timedelta(seconds=120)
MAX_KEY = 200
KEPT_HEADERS = ("Location", "Content-Disposition")
SAFE_TO_REPEAT = 503


def once(
    request: HttpRequest,
    work: Callable[[HttpRequest], HttpResponseBase],
    *,
    actor: Actor,
    now: datetime,
) -> HttpResponseBase:
    """Carry the request out unless its key was seen; return the answer, new or kept.

    Raises ``Invalid`` for an unusable key and ``Conflict`` for a key in use or of another request.
    """
    key = request.headers[HEADER].strip()
    if not key.isascii() or not 1 <= len(key) <= MAX_KEY:
        message = f"{HEADER} has {len(key)} characters; send 1 to {MAX_KEY} ASCII ones."
        raise Invalid(message, code="idempotency.key")
    digest = digest_of(request)
    mine = {"team_id": actor.team, "actor": actor.name, "key": key}
    row = _begin(mine, digest, now)
    if row is None:
        return _kept(IdempotencyKey.objects.filter(**mine).first(), digest, actor, now)
    try:
        with noting_permissions() as asked:
            answer = work(request)
    except BaseException:
        row.delete()
        raise
    row.permissions = sorted(asked)
    _finish(row, answer)
    return answer


def digest_of(request: HttpRequest) -> str:
    """Return what identifies the request: address and body, of uploads their fields and files.

    A multipart boundary differs each time a client sends the same upload.
    """
    found = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    is_upload = request.method == "POST" and (request.content_type or "").startswith("multipart/")
    for part in _parts(request) if is_upload else [request.body]:
        found.update(part)
    return found.hexdigest()


def _parts(request: HttpRequest) -> Iterator[bytes]:
    """Yield an upload piece by piece, each field and file headed by its name and length."""
    for name, values in sorted(request.POST.lists()):
        for value in values:
            yield orjson.dumps(["field", name, str(value)])
    for name, files in sorted(request.FILES.lists()):
        for file in files:
            yield orjson.dumps(["file", name, file.name, file.size])
            yield from file.chunks()
            file.seek(0)


def forget_old(*, now: datetime) -> int:
    """Drop the answers that are over a day old; return how many."""
    return IdempotencyKey.objects.filter(created_at__lt=now - KEEP).delete()[0]


def _begin(mine: dict[str, Any], digest: str, now: datetime) -> IdempotencyKey | None:
    IdempotencyKey.objects.filter(**mine, created_at__lt=now - KEEP).delete()
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(**mine, digest=digest, created_at=now)
    except IntegrityError:
        return None


def _kept(row: IdempotencyKey | None, digest: str, actor: Actor, now: datetime) -> HttpResponse:
    if row is None:
        raise _in_progress()
    if row.digest != digest:
        message = f"{HEADER} {row.key!r} was used for another request; take a new key."
        raise Conflict(message, code="idempotency.other_request")
    if row.status is None and now - row.created_at < PATIENCE:
        raise _in_progress()
    if row.status is None:
        message = (
            f"The request with {HEADER} {row.key!r} was cut off and its outcome is unknown; "
            "read the resource to see, then use a new key."
        )
        raise Conflict(message, code="idempotency.unknown_outcome")
    for permission in row.permissions:
        # The key was perhaps first used with a token that may do more than this one.
        actor.require(permission)
    answer = HttpResponse(_opened(row), status=row.status, content_type=row.content_type)
    for name, value in row.headers.items():
        answer[name] = value
    answer["Idempotency-Replayed"] = "true"
    return answer


def _in_progress() -> Conflict:
    message = f"The request with this {HEADER} is still being carried out; try again in a second."
    return Conflict(message, code="idempotency.in_progress")


def _finish(row: IdempotencyKey, answer: HttpResponseBase) -> None:
    refused = 400 <= answer.status_code < 500 or answer.status_code == SAFE_TO_REPEAT
    if refused or not isinstance(answer, HttpResponse):
        row.delete()
        return
    row.status, row.body = answer.status_code, _box().encrypt(answer.content)
    row.content_type = answer.get("Content-Type", "")
    row.headers = {name: answer[name] for name in KEPT_HEADERS if name in answer}
    row.save(update_fields=["status", "body", "content_type", "headers", "permissions"])


def _box() -> Fernet:
    key = hashlib.sha256(b"idempotency:" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def _opened(row: IdempotencyKey) -> bytes:
    try:
        return _box().decrypt(bytes(row.body))
    except InvalidToken as error:
        message = (
            f"The answer kept for {HEADER} {row.key!r} can't be read any more; take a new key."
        )
        raise Conflict(message, code="idempotency.unknown_outcome") from error
