"""A dynamic segment's condition: JSON in its row, SQL when it is asked.

A condition is `{"field": F, OPERATOR: VALUE}` with the operators `is`, `is_not`, `at_least`, `at_most` and
`one_of`, or `{"all": [...]}`, `{"any": [...]}`, `{"not": {...}}` over conditions. Fields are columns of
`profiles`.
"""

from __future__ import annotations

import json
from typing import Final, cast

__all__ = ["BrokenCondition", "compile_condition"]

FIELDS: Final = frozenset({"email", "country", "age", "registered"})
OPERATORS: Final = {"is": "=", "is_not": "<>", "at_least": ">=", "at_most": "<="}
MAX_DEPTH: Final = 32

Value = str | int | float


class BrokenCondition(ValueError):
    """The condition cannot be asked of any profile."""


def compile_condition(text: str) -> tuple[str, list[Value]]:
    """SQL over `profiles`, with its parameters in order. Raises BrokenCondition."""
    try:
        condition = json.loads(text)
    except (ValueError, RecursionError):
        raise BrokenCondition("the condition is not JSON") from None
    parameters: list[Value] = []
    return _compile(condition, parameters, MAX_DEPTH), parameters


def _compile(condition: object, parameters: list[Value], depth: int) -> str:
    if depth == 0:
        raise BrokenCondition("the condition is nested too deeply")
    if not isinstance(condition, dict):
        raise BrokenCondition(f"not a condition: {condition!r}")
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
    return _compare(members, parameters)


def _compare(condition: dict[str, object], parameters: list[Value]) -> str:
    field = condition.get("field")
    if not isinstance(field, str) or field not in FIELDS:
        raise BrokenCondition(f"no such field: {field!r}")
    operators = [word for word in condition if word != "field"]
    if len(operators) != 1:
        raise BrokenCondition(f"one operator is needed for {field}, not {len(operators)}")
    value = condition[operators[0]]
    if operators[0] == "one_of" and isinstance(value, list):
        values = [_scalar(item) for item in cast("list[object]", value)]
        parameters.extend(values)
        return f"({field} IN ({', '.join('?' * len(values))}))"
    if operators[0] not in OPERATORS:
        raise BrokenCondition(f"no such operator: {operators[0]}")
    parameters.append(_scalar(value))
    return f"({field} {OPERATORS[operators[0]]} ?)"


def _scalar(value: object) -> Value:
    if isinstance(value, (str, int, float)):
        return value
    raise BrokenCondition(f"cannot compare with {value!r}")
