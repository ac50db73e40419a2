"""Searches over runs as conditions of the database; every text goes there as a parameter.

A comparison with what is not there is false, and its opposite true, as ``kernel.queries.fits`` has
it: what is negated takes null for false first.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

from django.db.models import BooleanField, Case, F, FloatField, Func, Q, TextField, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, NullIf
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IContains,
    In,
    LessThan,
    LessThanOrEqual,
)

from apps.backtests.kernel.queries import (
    NUMBERS,
    TEXTS,
    TIMES,
    And,
    Compare,
    Flag,
    Node,
    Not,
    Or,
    Words,
)
from apps.backtests.kernel.queries.judging import SIGNS
from apps.backtests.kernel.queries.names import DIGESTS
from apps.backtests.selectors.locks import locked_ids

SIZES: dict[str, Any] = {
    "<": LessThan,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    ">=": GreaterThanOrEqual,
}
SUFFIX = {"<": "__lt", "<=": "__lte", ">": "__gt", ">=": "__gte", "=": "", "~": "__icontains"}
YES, NO = Value(value=True), Value(value=False)
# Where the text of a field stands, if not in a column of its name.
BY = Coalesce(NullIf(F("created_by_label"), Value("")), F("created_by"))
STATUS = Coalesce(
    F("job__status"),
    Case(When(finished_at__isnull=True, then=Value("lost")), default=Value("done")),
    output_field=TextField(),
)


def number_in(column: str, key: str) -> Func:
    """Return a number of a document; null when there is none or it is something else."""
    return Func(F(column), Value(key), function="backtests_number", output_field=FloatField())


def condition(node: Node, team_id: int, *, denied: bool = False) -> Q:
    """Return a search as a condition on runs; ``denied`` asks for its opposite."""
    if isinstance(node, Not):
        return condition(node.part, team_id, denied=not denied)
    if isinstance(node, And | Or):
        parts = [condition(part, team_id, denied=denied) for part in node.parts]
        both = isinstance(node, And) != denied
        return reduce(operator.and_ if both else operator.or_, parts)
    found = _leaf(node, team_id)
    return ~_known(found) if denied else found


def _known(found: Q) -> Q:
    """Return a condition that is never null."""
    told = Case(When(found, then=YES), default=NO, output_field=BooleanField())
    return Q(told)


def _leaf(node: Compare | Words | Flag, team_id: int) -> Q:
    if isinstance(node, Words):
        return _words(node.text)
    if isinstance(node, Flag):
        if node.name == "archived":
            return Q(archived_at__isnull=False)
        return Q(pk__in=locked_ids(team_id=team_id))
    root = node.name.root
    if root in {"metrics", "params", "tags"}:
        return _in_document(node)
    if root == "label":
        return _labels(node)
    if root in {"by", "status"}:
        return _of_expression(node, BY if root == "by" else STATUS)
    column = {**NUMBERS, **TEXTS, **TIMES}[root]
    return _of_column(node, "study__name" if root == "study" else column)


def _words(text: str) -> Q:
    found = Q(title__icontains=text) | Q(strategy__icontains=text) | _labels_hold(text)
    if not SIGNS & set(text):
        found |= Q(IContains(Cast(F("tags"), TextField()), text))
    return found | Q(digest__startswith=text)


def _labels_hold(text: str) -> Q:
    joined = Func(F("labels"), Value("\n"), function="array_to_string", output_field=TextField())
    return Q(IContains(joined, text))


def _labels(node: Compare) -> Q:
    if node.op == "empty":
        return Q(labels=[])
    if node.op == "~":
        return _labels_hold(node.values[0].text)
    return reduce(operator.or_, (Q(labels__contains=[one.text]) for one in node.values))


def _of_column(node: Compare, column: str) -> Q:
    if node.op == "empty":
        empty = Q(**{f"{column}__isnull": True})
        return empty if node.name.root not in TEXTS else empty | Q(**{column: ""})
    if node.name.root in DIGESTS and node.op in {"=", "in"}:
        starts = (Q(**{f"{column}__startswith": one.text}) for one in node.values)
        return reduce(operator.or_, starts)
    if node.op == "in":
        whole = (one.plain for one in node.values)
        wanted = [v for v in whole if column != "trades" or float(str(v)).is_integer()]
        return Q(**{f"{column}__in": wanted})
    value = node.values[0]
    if column == "trades":  # a whole number, which half a one never equals
        return Q({**SIZES, "=": Exact}[node.op](Cast(F(column), FloatField()), value.plain))
    if node.op == "=" and value.until is not None:
        return Q(**{f"{column}__gte": value.plain, f"{column}__lt": value.until})
    return Q(**{f"{column}{SUFFIX[node.op]}": value.plain})


def _of_expression(node: Compare, expression: Any) -> Q:
    if node.op == "empty":
        return Q(Exact(expression, Value("")))
    if node.op == "~":
        return Q(IContains(expression, node.values[0].text))
    return Q(In(expression, [one.text for one in node.values]))


def _in_document(node: Compare) -> Q:
    root, key = node.name.root, node.name.key
    column = "figures" if root == "metrics" else root
    if node.op == "empty":
        return ~Q(**{f"{column}__has_key": key})
    if node.op in SIZES:
        return Q(SIZES[node.op](number_in(column, key), node.values[0].plain))
    if node.op == "~":
        return _text_holds(column, key, node.values[0].text)
    return reduce(
        operator.or_,
        (Q(**{f"{column}__contains": {key: _plain(one.plain)}}) for one in node.values),
    )


def _text_holds(column: str, key: str, text: str) -> Q:
    held = KeyTextTransform(key, column)
    is_text = Func(
        Func(F(column), Value(key), template="(%(expressions)s)", arg_joiner=" -> "),
        function="jsonb_typeof",
        output_field=TextField(),
    )
    return Q(Exact(is_text, Value("string"))) & Q(IContains(held, text))


def _plain(value: Any) -> Any:
    """Return a number as JSON has it: 10 rather than 10.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
