"""Bad input by every method at every door: a typed refusal or what is said, never a silent number.

One table; the doors are the kernel, ``manage.py risk`` and ``POST /api/v1/risk``.
"""

import contextlib
import io
import json
import math

import numpy as np
import pytest
from django.core.management import call_command

from apps.core.errors import Invalid
from apps.risk.kernel.measures import METHODS, measure_book, terms_of
from tests.integration.test_trading_rest import post

DRAWS, DAYS = 512, 210
GOOD = (np.random.default_rng(14).standard_t(5, DAYS) * 0.01).round(6).tolist()
HOLED = [None if i in (3, 50, 90) else value for i, value in enumerate(GOOD)]
INF = [math.inf, *GOOD[1:]]
FLAT = [0.0] * DAYS
HALF = {"A": 0.5, "B": 0.5}
# Name: columns, weights, and what every door answers: a code, or words that must be in the notes
# and the figures expected (None: any that are finite).
TABLE = {
    "an empty book": ({"A": FLAT}, {"Z": 1.0}, "risk.weights"),
    "nothing at all": ({"A": [], "B": []}, HALF, "risk.empty"),
    "one observation": ({"A": GOOD[:1], "B": GOOD[:1]}, HALF, "risk.too_few"),
    "nothing but gaps": ({"A": [None] * DAYS, "B": [None] * DAYS}, HALF, "risk.empty"),
    "a position without a price": ({"A": [None] * DAYS, "B": GOOD}, HALF, "risk.empty"),
    "an infinite return": ({"A": INF, "B": GOOD}, HALF, "risk.not_finite"),
    "an absurd return": ({"A": [1e300, *GOOD[1:]], "B": GOOD}, HALF, "risk.absurd"),
    "an absurd quantity": ({"A": GOOD, "B": GOOD}, {"A": 1e300, "B": 1.0}, "risk.absurd"),
    "an infinite quantity": ({"A": FLAT}, {"A": math.inf}, "risk.weights"),
    "constant prices": ({"A": FLAT, "B": FLAT}, HALF, ("Nothing varies", 0.0)),
    "a hedge of everything": ({"A": GOOD, "B": GOOD}, {"A": 1, "B": -1}, ("Nothing varies", 0.0)),
    "gaps": ({"A": HOLED, "B": GOOD}, HALF, ("left out", None)),
    "a singular covariance": ({"A": GOOD, "B": GOOD}, HALF, ("", None)),
}
# What JSON can't hold is refused before anybody measures; empty files before they are read as
# returns; numbers over a million by the shape of the body.
REST_REFUSES = ("an infinite return", "an absurd return", "an infinite quantity")
NO_FILE = ("nothing at all",)


def kernel(columns, weights, method):
    try:
        arrays = {name: np.array(values, dtype=float) for name, values in columns.items()}
        found = measure_book(arrays, weights, method, terms_of(draws=DRAWS))
    except Invalid as error:
        return error.code
    return found.var, found.es, " ".join(found.notes)


def command(columns, weights, method, path):
    rows = zip(*columns.values(), strict=True)
    lines = [",".join("" if v is None else repr(v) for v in ("x", *row)) for row in rows]
    path.write_text("\n".join([",".join(["date", *columns]), *lines]))
    out, err = io.StringIO(), io.StringIO()
    shares = ",".join(f"{name}={share}" for name, share in weights.items())
    arguments = (str(path), "--weights", shares, "--method", method, "--draws", str(DRAWS))
    with contextlib.suppress(SystemExit):
        call_command("risk", *arguments, stdout=out, stderr=err)
    if err.getvalue():
        return err.getvalue().rpartition("[")[2].strip().rstrip("]")
    found = json.loads(out.getvalue())["portfolio"]
    return found["var"], found["es"], " ".join(found["notes"])


def rest(columns, weights, method, api):
    body = {
        "returns": columns,
        "weights": weights,
        "methods": [method],
        "levels": [0.95],
        "terms": {"draws": DRAWS},
    }
    made = post(api, "/risk", body)
    if made.status_code == 422:
        return made.json()["code"]
    assert made.status_code == 201, made.content
    book = made.json()["columns"]["portfolio"]
    found = book["measures"][0]
    assert book["components"], "what each position adds, or why not"
    return found["var"], found["es"], " ".join(found["notes"])


def check(case, expected, answer):
    if isinstance(expected, str):
        assert answer == expected, case
        return
    assert isinstance(answer, tuple), (case, answer)
    var, es, notes = answer
    words, figure = expected
    assert words in notes, case
    assert math.isfinite(var), case
    assert math.isfinite(es), case
    assert es >= var, case
    if figure is not None:
        assert (var, es) == (figure, figure), case


@pytest.mark.parametrize("method", METHODS)
def test_the_kernel_refuses_or_says(method):
    for case, (columns, weights, expected) in TABLE.items():
        check(case, expected, kernel(columns, weights, method))


@pytest.mark.parametrize("method", METHODS)
def test_the_command_refuses_or_says(method, tmp_path):
    for case, (columns, weights, expected) in TABLE.items():
        answer = command(columns, weights, method, tmp_path / "returns.csv")
        check(case, "file.empty" if case in NO_FILE else expected, answer)


@pytest.mark.parametrize("method", METHODS)
def test_rest_refuses_or_says(team, api_as, method):
    api = api_as("viewer")
    for case, (columns, weights, expected) in TABLE.items():
        if case not in REST_REFUSES:
            check(case, expected, rest(columns, weights, method, api))


@pytest.mark.parametrize("case", REST_REFUSES)
def test_what_json_cannot_hold_is_no_request(team, api_as, case):
    columns, weights, _ = TABLE[case]
    text = json.dumps({"returns": columns, "weights": weights})
    refused = api_as("viewer").post("/api/v1/risk", text, content_type="application/json")
    assert refused.status_code in {400, 422}, refused.content


def test_a_singular_book_has_the_risk_of_its_one_series():
    for method in METHODS:
        both = kernel({"A": GOOD, "B": GOOD}, HALF, method)
        alone = kernel({"A": GOOD}, {"A": 1.0}, method)
        near = 0.35 if method == "monte_carlo" else 1e-9
        assert both[:2] == pytest.approx(alone[:2], rel=near)
