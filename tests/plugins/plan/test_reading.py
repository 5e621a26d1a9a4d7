"""A plan's file: what it says, and every mistake with its line, its key and a suggestion."""

from __future__ import annotations

from pathlib import Path

import pytest

from altcraft.schema import DatabasesRefreshCounters, ResourcesRefreshCounters, SegmentsRefreshCounters
from altcraft_plugins.plan import EXAMPLE, Limits, Mistake, Plan, PlanError, parse_plan, read_plan

PAGES = Path(__file__).parents[3] / "docs"

SHORT = """\
[defaults]
resource = 24
database = 1

[[section]]
name = "Newsletter"

[[section.recount]]
name = "Newsletter, active"
segments = 7
"""


def mistakes(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(PlanError) as caught:
        parse_plan(text, "plan.toml")
    return caught.value.mistakes


def mistake(text: str) -> tuple[int | None, str | None, str]:
    (found,) = mistakes(text)
    return found.line, found.key, found.text


def names(plan: Plan) -> list[str]:
    return [recount.name for recount in plan.recounts]


def test_a_recount_takes_what_it_lacks_from_its_section_and_that_from_the_defaults() -> None:
    plan = parse_plan(
        """
        [defaults]
        resource = 24
        database = 1
        alert_drop = 5
        [[section]]
        name = "A"
        [[section.recount]]
        name = "all from the defaults"
        segments = 7
        [[section]]
        name = "B"
        resource = 12
        alert_drop = 2.5
        [[section.recount]]
        name = "from the section"
        databases = 5
        [[section.recount]]
        name = "its own"
        segments = 7
        resource = 27
        database = 9
        """
    )
    assert [(recount.request, recount.section, recount.alert_drop) for recount in plan.recounts] == [
        (SegmentsRefreshCounters(7, 24, db_id=1), "A", 5.0),
        (DatabasesRefreshCounters(5, 12), "B", 2.5),
        (SegmentsRefreshCounters(7, 27, db_id=9), "B", 2.5),
    ]


def test_lists_and_ranges_become_recounts_of_their_own_in_their_order() -> None:
    plan = parse_plan(SHORT.replace("segments = 7", 'segments = [9, "20-22", 8]'))
    assert names(plan) == [f"Newsletter, active {id}" for id in (9, 20, 21, 22, 8)]
    plan = parse_plan(SHORT.replace("segments = 7", 'segments = "20 - 21"').replace("Newsletter, active", "No. {id}!"))
    assert names(plan) == ["No. 20!", "No. 21!"]
    assert [recount.entry for recount in plan.recounts] == ["No. {id}!"] * 2


def test_resources_are_recounted_in_the_database() -> None:
    plan = parse_plan(SHORT.replace("segments = 7", "resources = [12, 24]"))
    assert [recount.request for recount in plan.recounts] == [
        ResourcesRefreshCounters(12, list_id=1),
        ResourcesRefreshCounters(24, list_id=1),
    ]


def test_every_recount_has_the_only_connection_and_of_several_one_is_named() -> None:
    connections = '[connections.a]\nurl = "https://a.example"\ntoken_env = "A"\n'
    assert {recount.connection for recount in parse_plan(connections + SHORT).recounts} == {"a"}
    connections += '[connections.b]\nurl = "https://b.example"\ntoken_env = "B"\n'
    assert mistake(connections + SHORT)[2] == "'Newsletter, active' needs a connection: a or b"
    plan = parse_plan(connections + SHORT.replace("resource = 24", 'resource = 24\nconnection = "b"'))
    assert plan.recounts[0].connection == "b"
    assert plan.connections["b"].token_env == "B"


def test_files_lie_beside_the_plan_and_the_plan_is_named_after_its_file() -> None:
    plan = parse_plan('history = "kept/counts"\n' + SHORT, "folder/morning.toml")
    assert (plan.name, plan.history, plan.journal) == ("morning", Path("folder/kept/counts"), None)


def test_limits_have_defaults() -> None:
    assert parse_plan(SHORT).limits == Limits(max_submissions=1, max_in_flight=16, max_polls_per_second=None)
    plan = parse_plan(f"[limits]\nmax_polls_per_second = 2\n{SHORT}")
    assert plan.limits.max_polls_per_second == 2.0


@pytest.mark.parametrize(
    ("was", "becomes", "found"),
    [
        ("segments = 7", "segmnts = 7", (10, "section[0].recount[0].segmnts", "unknown key; did you mean segments?")),
        ("resource = 24", 'resource = "24"', (2, "defaults.resource", "a whole number, not a text")),
        ("resource = 24", "resource = 0", (2, "defaults.resource", "a whole number >= 1")),
        ("segments = 7", "segments = true", (10, "section[0].recount[0].segments", "a whole number, a text or a list")),
        ("segments = 7", "segments = [\n  7,\n  -8,\n]", (10, "section[0].recount[0].segments[1]", "from 1, not -8")),
        ("segments = 7", 'segments = "25-20"', (10, "section[0].recount[0].segments", "from a smaller id to a larger")),
        ("segments = 7", 'segments = "1-99999"', (10, "section[0].recount[0].segments", "of 10,000 at most")),
        ("segments = 7", "segments = []", (10, "section[0].recount[0].segments", "the list is empty")),
        ("segments = 7", "", (8, "section[0].recount[0]", "needs one of segments, databases and resources")),
        ("segments = 7", "segments = 7\ndatabases = 5", (8, "section[0].recount[0]", "needs one of")),
        ("segments = 7", "databases = 5\ndatabase = 1", (11, "section[0].recount[0].database", "takes none")),
        ("segments = 7", "resources = 5\nresource = 1", (11, "section[0].recount[0].resource", "takes none")),
        ("resource = 24", "", (8, "section[0].recount[0]", "needs a resource")),
        ('name = "Newsletter, active"', "", (8, "section[0].recount[0]", "name: missing")),
        ('name = "Newsletter"', "", (5, "section[0]", "name: missing")),
        ('name = "Newsletter, active"', 'name = ""', (9, "section[0].recount[0].name", "1 to 200")),
        ('name = "Newsletter, active"', 'name = "a\\tb"', (9, "section[0].recount[0].name", "printable")),
        ("segments = 7", 'segments = 7\nconnection = "x"', (11, "section[0].recount[0].connection", "no such")),
        ("[defaults]", 'in_doubt = "again"\n[defaults]', (1, "in_doubt", "'again'")),
        ("segments = 7", "segments = 7\nalert_drop = 0", (11, "section[0].recount[0].alert_drop", "> 0")),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line_its_key_and_what_is_meant(was: str, becomes: str, found: tuple[int, str, str]) -> None:
    assert was in SHORT
    line, key, text = mistake(SHORT.replace(was, becomes, 1))
    assert (line, key) == found[:2]
    assert found[2] in text


@pytest.mark.parametrize("key", ["token", "Token", "password", "api_key"])
def test_a_token_in_the_file_is_refused_and_not_repeated(key: str) -> None:
    text = f'[connections.a]\nurl = "https://a.example"\n{key} = "recognisable"\n{SHORT}'
    with pytest.raises(PlanError, match="token_env") as caught:
        parse_plan(text)
    assert caught.value.mistakes[0].line == 3
    assert "recognisable" not in str(caught.value)


@pytest.mark.parametrize(
    ("connection", "line", "said"),
    [
        ('url = "ftp://a.example"\ntoken_env = "A"', 2, "https://your.host"),
        ('url = "your.host"\ntoken_env = "A"', 2, "https://your.host"),
        ('url = "https://me:recognisable@a.example"\ntoken_env = "A"', 2, "no password"),
        ('url = "https://a.example"', 1, "token_env ="),
        ('url = "https://a.example"\ntoken_env = "recognisable-token-0123456789"', 3, "not the token"),
        ('url = "https://a.example"\ntoken_env = "A"\nauth = "basic"', 4, "'basic'"),
        ('url = "https://a.example"\ntoken_env = "A"\nlisten = "8081"', 4, "an address and a port"),
        ('token_env = "A"', 1, "url: missing"),
    ],
)
def test_a_connection_names_a_url_and_a_variable(connection: str, line: int, said: str) -> None:
    found = mistake(f"[connections.a]\n{connection}\n{SHORT}")
    assert found[0] == line
    assert said in found[2]
    assert "recognisable" not in found[2]


def test_every_mistake_is_found_at_once_in_the_order_of_the_file() -> None:
    text = SHORT.replace("resource", "resorce").replace('"Newsletter"', "5").replace("segments = 7", "segments = 7.5")
    assert [found.line for found in mistakes(text)] == [2, 6, 10]
    with pytest.raises(PlanError) as caught:
        parse_plan(text, "plan.toml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "plan.toml:2: defaults.resorce: unknown key; did you mean resource?"
    assert len(lines) == 3


def test_a_name_or_a_recount_that_stands_twice_is_a_mistake() -> None:
    again = '[[section.recount]]\nname = "{}"\nsegments = {}\n'
    assert "'Newsletter, active' more than once" in mistake(SHORT + again.format("Newsletter, active", 8))[2]
    assert "are the same recount" in mistake(SHORT + again.format("Another", 7))[2]
    assert "are the same recount" in mistake(SHORT + again.format("Range {id}", '"5-8"'))[2]


@pytest.mark.parametrize("text", ["", "section = []", "[[section]]\nname = 'a'\nrecount = []", "section = 5"])
def test_a_plan_without_recounts_is_a_mistake(text: str) -> None:
    assert mistakes(text)


def test_what_is_no_toml_is_told_with_its_line() -> None:
    line, _, text = mistake(SHORT + "\nsegments = 7 8\n")
    assert line == 12
    assert "no TOML" in text


def test_toml_that_breaks_off_is_told_with_the_last_line() -> None:
    line, _, text = mistake(SHORT.replace("segments = 7\n", "segments = [7,"))
    assert line == 10
    assert "no TOML" in text


def test_a_file_is_read_with_the_mark_that_editors_put_before_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(SHORT, "utf-8-sig")
    assert names(read_plan(path)) == ["Newsletter, active"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "plan.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlanError, match=r"plan\.toml: the plan (can't be read|is not text)"):
        read_plan(path)


def test_the_line_of_a_mistake_is_found_in_a_plan_of_any_length() -> None:
    tables = "".join(f'[[section.recount]]\nname = "N {n}"\nsegments = [\n  {n},\n]\n' for n in range(100, 400))
    lines = (SHORT + tables).splitlines()
    for place in (15, 515, 1510):
        assert lines[place - 1] == "]"
        wrong = [*lines[:place], "colour = 1", *lines[place:]]
        assert mistake("\n".join(wrong))[0] == place + 1


def test_a_key_follows_from_what_is_asked_and_not_from_the_name() -> None:
    plan, renamed = parse_plan(SHORT), parse_plan(SHORT.replace("active", "alive"))
    moved = parse_plan('[connections.a]\nurl = "https://a.example"\ntoken_env = "A"\n' + SHORT)
    asked = parse_plan(SHORT.replace("= 7", "= 8"))
    keys = [each.key(each.recounts[0]) for each in (plan, renamed, moved, asked)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_part_of_a_plan_is_chosen_by_name_entry_section_or_pattern() -> None:
    plan = parse_plan(EXAMPLE)
    assert names(plan.only(["Newsletter, active"])) == ["Newsletter, active"]
    assert names(plan.only(["Region {id}"])) == [f"Region {id}" for id in (8, 11, *range(20, 26))]
    assert names(plan.only(["Members", "Region 2*"])) == [*(f"Region {id}" for id in range(20, 26)), "Members"]
    assert len(plan.only(["Newsletter"]).recounts) == 9
    assert plan.only([]) == plan
    with pytest.raises(LookupError, match="Unknown"):
        plan.only(["Unknown"])


def test_the_example_and_the_plans_of_the_documentation_are_plans() -> None:
    assert parse_plan(EXAMPLE).recounts
    page = (PAGES / "reference" / "plan.md").read_text("utf-8")
    assert parse_plan(page.partition("```toml\n")[2].partition("```")[0]).recounts


def test_the_documentation_names_every_key() -> None:
    from altcraft_plugins.plan import tables

    page = (PAGES / "reference" / "plan.md").read_text("utf-8")
    kinds = (tables.PlanTable, tables.ConnectionTable, tables.RecountTable, tables.LimitsTable)
    for kind in kinds:
        for key in kind.__struct_fields__:
            assert f"`{key}`" in page or f"`[{key}]`" in page or f"`[{key}.NAME]`" in page or f"`[[{key}]]`" in page, (
                key
            )
