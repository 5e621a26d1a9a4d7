from __future__ import annotations

import json
import sqlite3

import pytest

from altcraft_plugins.sandbox.counting.conditions import InvalidCondition, compile_condition

PEOPLE = [(1, "RS", 17), (2, "RS", 40), (3, "CY", 70), (4, "KZ", 40)]


def matching(condition):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE profiles (id, country, age)")
    connection.executemany("INSERT INTO profiles VALUES (?, ?, ?)", PEOPLE)
    sql, parameters = compile_condition(json.dumps(condition))
    found = [id_ for (id_,) in connection.execute(f"SELECT id FROM profiles WHERE {sql} ORDER BY id", parameters)]
    connection.close()
    return found


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"field": "country", "is": "RS"}, [1, 2]),
        ({"field": "country", "is_not": "RS"}, [3, 4]),
        ({"field": "age", "at_least": 40}, [2, 3, 4]),
        ({"field": "age", "at_most": 40}, [1, 2, 4]),
        ({"field": "country", "one_of": ["CY", "KZ"]}, [3, 4]),
        ({"field": "country", "one_of": []}, []),
        ({"all": [{"field": "country", "is": "RS"}, {"field": "age", "at_least": 18}]}, [2]),
        ({"any": [{"field": "country", "is": "CY"}, {"field": "age", "at_most": 17}]}, [1, 3]),
        ({"not": {"field": "country", "is": "RS"}}, [3, 4]),
        ({"all": []}, [1, 2, 3, 4]),
        ({"any": []}, []),
        ({"not": {"any": [{"not": {"field": "age", "is": 40}}]}}, [2, 4]),
    ],
)
def test_conditions_select(condition, expected):
    assert matching(condition) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "7",
        "[]",
        "{}",
        '{"field": "id; DROP TABLE profiles", "is": 1}',
        '{"field": "age"}',
        '{"field": "age", "is": 1, "at_most": 2}',
        '{"field": "age", "resembles": 1}',
        '{"field": "age", "is": null}',
        '{"field": "age", "is": [1]}',
        '{"field": ["age"], "is": 1}',
        '{"all": {"field": "age", "is": 1}}',
        '{"not": ' * 60 + '{"field": "age", "is": 1}' + "}" * 60,
        "[" * 100_000,
    ],
)
def test_anything_else_is_an_invalid_condition(text):
    with pytest.raises(InvalidCondition):
        compile_condition(text)
