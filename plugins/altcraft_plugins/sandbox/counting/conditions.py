"""The condition of a dynamic segment: stored as JSON, compiled to SQL.

A condition is `{"field": FIELD, OPERATOR: VALUE}` with one of the operators `is`, `is_not`, `at_least`, `at_most` and
`one_of`. Conditions combine as `{"all": [...]}`, `{"any": [...]}` and `{"not": {...}}`. Fields are columns of
`profiles`.
"""

from __future__ import annotations

import json
from typing import Final, cast

__all__ = ["InvalidCondition", "compile_condition"]

FIELDS: Final = frozenset({"email", "country", "age", "registered"})
OPERATORS: Final = {"is": "=", "is_not": "<>", "at_least": ">=", "at_most": "<="}
MAX_DEPTH: Final = 32

Value = str | int | float


class InvalidCondition(ValueError):
    """The condition can't be compiled, so the segment can't be counted."""


def compile_condition(text: str) -> tuple[str, list[Value]]:
    """An SQL expression over `profiles`, and its parameters in order. Raises InvalidCondition."""
    try:
        condition = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidCondition("the condition is not JSON") from None
    parameters: list[Value] = []
    return _compile(condition, parameters, MAX_DEPTH), parameters


def _compile(condition: object, parameters: list[Value], depth: int) -> str:
    if depth == 0:
        raise InvalidCondition("the condition is nested too deeply")
    if not isinstance(condition, dict):
        raise InvalidCondition(f"not a condition: {condition!r}")
    members = cast("dict[str, object]", condition)
    if len(members) == 1:
        ((word, inner),) = members.items()
        if word in ("all", "any") and isinstance(inner, list):
            parts = [_compile(part, parameters, depth - 1) for part in cast("list[object]", inner)]
            if not parts:
                return "1" if word == "all" else "0"
            return "(" + (" AND " if word == "all" else " OR ").join(parts) + ")"
        if word == "not":
            return f"(NOT {_compile(inner, parameters, depth - 1)})"
    return _comparison(members, parameters)


def _comparison(condition: dict[str, object], parameters: list[Value]) -> str:
    field = condition.get("field")
    if not isinstance(field, str) or field not in FIELDS:
        raise InvalidCondition(f"no such field: {field!r}")
    operators = [word for word in condition if word != "field"]
    if len(operators) != 1:
        raise InvalidCondition(f"one operator is needed for {field}, not {len(operators)}")
    value = condition[operators[0]]
    if operators[0] == "one_of" and isinstance(value, list):
        values = [_scalar(item) for item in cast("list[object]", value)]
        parameters.extend(values)
        return f"({field} IN ({', '.join('?' * len(values))}))"
    if operators[0] not in OPERATORS:
        raise InvalidCondition(f"no such operator: {operators[0]}")
    parameters.append(_scalar(value))
    return f"({field} {OPERATORS[operators[0]]} ?)"


def _scalar(value: object) -> Value:
    if isinstance(value, (str, int, float)):
        return value
    raise InvalidCondition(f"a profile's field can't be compared with {value!r}")
