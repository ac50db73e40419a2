import base64
from datetime import timedelta

import pytest
from django.test import RequestFactory

from apps.core.errors import Invalid
from apps.core.models import Job
from apps.core.rest import page, to_json


def ask(**query):
    return RequestFactory().get("/api/v1/things", query)


def walk(rows, *, limit, **options):
    seen, cursor = [], ""
    while cursor is not None:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        shown = page(rows, ask(**query), **options)
        seen += shown["items"]
        cursor = shown["next"]
        assert len(shown["items"]) <= limit
    return seen


def make_jobs(team, now, moments):
    return [
        Job.objects.create(
            team=team,
            kind="k",
            title=str(n),
            task="t",
            queue="io",
            created_by="x",
            created_at=now + timedelta(seconds=second),
        )
        for n, second in enumerate(moments)
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
def test_pages_of_a_query_show_every_row_once_in_order(team, now, limit):
    make_jobs(team, now, [0, 1, 1, 1, 2, 3, 3])
    rows = Job.objects.filter(team=team)
    wanted = list(rows.order_by("-created_at", "-id"))
    assert walk(rows, limit=limit) == wanted


def test_rows_added_meanwhile_move_nothing(team, now):
    make_jobs(team, now, range(4))
    rows = Job.objects.filter(team=team)
    first = page(rows, ask(limit=2))
    make_jobs(team, now, [10])
    second = page(rows, ask(limit=2, cursor=first["next"]))
    assert [job.title for job in first["items"] + second["items"]] == ["3", "2", "1", "0"]


def test_pages_use_no_offset(team, now, django_assert_num_queries):
    make_jobs(team, now, range(3))
    first = page(Job.objects.all(), ask(limit=1))
    with django_assert_num_queries(1) as log:
        page(Job.objects.all(), ask(limit=1, cursor=first["next"]))
    assert "OFFSET" not in log.captured_queries[0]["sql"]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_of_a_list_show_every_row_once(limit):
    rows = [{"name": n, "id": i} for i, n in enumerate(["a", "a", "b", "c"])]
    assert walk(rows, limit=limit, order=("name", "id")) == rows


def test_rows_are_formatted():
    shown = page([{"id": 1}], ask(), order=("id",), row=lambda r: r["id"] * 10)
    assert shown == {"items": [10], "next": None}


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", "1e2", "²"])
def test_bad_limits_are_refused(limit):
    with pytest.raises(Invalid) as caught:
        page([], ask(limit=limit))
    assert caught.value.code == "page.limit"


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "%%%",
        base64.urlsafe_b64encode(b'["-other,-id",1,2]').decode(),
        base64.urlsafe_b64encode(b'["-created_at,-id","never","no uuid"]').decode(),
        base64.urlsafe_b64encode(b'["-created_at,-id",null,{}]').decode(),
        base64.urlsafe_b64encode(b'{"a":1}').decode(),
    ],
)
def test_bad_cursors_are_refused(db, cursor):
    with pytest.raises(Invalid) as caught:
        list(page(Job.objects.all(), ask(cursor=cursor))["items"])
    assert caught.value.code == "page.cursor"


def test_json_has_no_nan():
    assert (
        to_json({"sharpe": float("nan"), "high": float("inf")}) == b'{"sharpe":null,"high":null}'
    )
