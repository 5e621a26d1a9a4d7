"""Operations: methods of the API, declared as data by the library and by its users."""

from __future__ import annotations

import msgspec
import pytest

import altcraft
from altcraft import (
    ChannelStatistics,
    DatabaseStatistics,
    Operation,
    PlainRequest,
    Reply,
    ResourceStatistics,
    SegmentStatistics,
    TaskRequest,
    TaskStatus,
)
from altcraft.codecs import default_registry
from altcraft.operations import OperationRegistry, default_operations, recognise
from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Envelope,
    ResourcesRefreshCounters,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    TaskStarted,
)
from golden import ProfilesExport, example


class ProfilesGetAll(TaskRequest[ProfilesExport], frozen=True):
    """profiles/get_all, as a user would declare it."""

    source_type: str
    source_id: int


class ProfileAdded(Reply):
    """A reply with a key beside, rather than in, `data`."""

    profile_id: int


class ProfileAdd(PlainRequest[ProfileAdded], frozen=True):
    """A method whose result is its whole reply."""

    email: str


@pytest.mark.parametrize(
    ("path", "request_", "result", "safe"),
    [
        ("segments/refresh_counters", SegmentsRefreshCounters, list[SegmentStatistics], False),
        ("databases/refresh_counters", DatabasesRefreshCounters, list[DatabaseStatistics], False),
        ("resources/refresh_counters", ResourcesRefreshCounters, list[ResourceStatistics], False),
        ("segments/get_counters", SegmentsGetCounters, list[ChannelStatistics], True),
        ("databases/get_counters", DatabasesGetCounters, list[ChannelStatistics], True),
    ],
)
def test_the_documented_methods_are_declared(path: str, request_: type, result: object, safe: bool) -> None:
    operation = default_operations().by_path(path)
    assert operation is default_operations().by_request(request_) or operation.request is request_
    assert (operation.result, operation.safe) == (result, safe)


def test_each_registry_starts_with_the_five_documented_methods() -> None:
    registry = default_operations()
    registry.register(Operation("profiles/get_all", ProfilesGetAll))
    assert len(list(registry)) == 6
    assert len(list(default_operations())) == 5


def test_a_tasks_replies_follow_from_its_request() -> None:
    operation = Operation("profiles/get_all", ProfilesGetAll)
    assert operation.reply == Envelope[TaskStarted]
    assert operation.result is ProfilesExport
    assert operation.status == Envelope[TaskStatus[ProfilesExport]]
    assert operation.safe is False


def test_a_plain_operations_reply_has_its_result_in_data() -> None:
    class Names(PlainRequest[list[str]], frozen=True):
        pass

    operation = Operation("segments/names", Names)
    assert (operation.reply, operation.status, operation.result) == (Envelope[list[str]], None, list[str])


def test_a_result_that_is_a_reply_is_the_whole_reply() -> None:
    operation = Operation("profiles/add", ProfileAdd)
    assert operation.reply is operation.result is ProfileAdded


@pytest.mark.parametrize("format_", ["json", "xml"])
def test_a_declared_operations_example_is_read_in_both_formats(format_: str) -> None:
    operation = Operation("profiles/get_all", ProfilesGetAll)
    assert operation.status is not None
    body = example("profiles_get_all.completed", format_).body
    reply = default_registry().by_name(format_).decode(body, operation.status)
    assert isinstance(reply, Envelope)
    assert reply.data.result.urls == ["/api/download/data/4cf4/1_database_export.csv"]


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("profiles/list", "profiles/list"),
        ("/profiles/list", "profiles/list"),
        ("profiles/list/", "profiles/list/"),
        ("/profiles/list/", "profiles/list/"),
        ("list/", "list/"),
    ],
)
def test_a_slash_at_the_end_of_a_path_is_kept(path: str, kept: str) -> None:
    assert Operation(path, ProfilesGetAll).path == kept


def test_a_derived_request_inherits_its_answer() -> None:
    class Narrower(ProfilesGetAll, frozen=True):
        extra: int = 0

    assert Operation("x", Narrower).result is ProfilesExport


def test_a_request_without_an_answer_is_refused_with_advice() -> None:
    class Silent(TaskRequest, frozen=True):  # type: ignore[type-arg]  # on purpose
        pass

    class Alien(msgspec.Struct):
        pass

    for request in (Silent, Alien):
        with pytest.raises(TypeError, match=r"derive it from TaskRequest\[R\]"):
            Operation("x", request)  # type: ignore[arg-type]  # on purpose


# The registry.


def test_an_operation_is_found_by_its_request_by_the_requests_type_and_by_its_path() -> None:
    registry = OperationRegistry()
    operation = registry.register(Operation("profiles/get_all", ProfilesGetAll))
    assert registry.of(ProfilesGetAll("database", 1)) is operation
    assert registry.by_request(ProfilesGetAll) is operation
    assert registry.by_path("profiles/get_all") is operation
    assert list(registry) == [operation]


def test_an_undeclared_operation_is_a_lookup_error_with_advice() -> None:
    registry = OperationRegistry()
    with pytest.raises(LookupError, match=r'Operation\("its/path", ProfilesGetAll\)'):
        registry.of(ProfilesGetAll("database", 1))
    with pytest.raises(LookupError, match="'profiles/get_all'"):
        registry.by_path("profiles/get_all")


class WithParameter(ProfilesGetAll, frozen=True, kw_only=True):
    """A parameter that is newer than the declaration."""

    since: str | None = None


def test_a_request_derived_from_a_declared_one_is_sent_by_its_operation() -> None:
    registry = OperationRegistry()
    operation = registry.register(Operation("profiles/get_all", ProfilesGetAll))
    assert registry.of(WithParameter("database", 1, since="today")) is operation
    assert registry.by_request(WithParameter) is operation


def test_a_request_derived_from_a_declared_one_may_take_over_its_operation() -> None:
    registry = OperationRegistry()
    known = registry.register(Operation("profiles/get_all", ProfilesGetAll))
    newer = registry.register(Operation("profiles/get_all", WithParameter, safe=True))
    assert registry.by_path("profiles/get_all") is registry.by_request(WithParameter) is newer
    assert registry.by_request(ProfilesGetAll) is known
    assert list(registry) == [newer]


def test_the_base_may_be_registered_again_after_a_derived_request() -> None:
    registry = OperationRegistry()
    newer = registry.register(Operation("profiles/get_all", WithParameter))
    known = registry.register(Operation("profiles/get_all", ProfilesGetAll))
    assert registry.by_path("profiles/get_all") is newer
    assert registry.by_request(ProfilesGetAll) is known


def test_two_plugins_may_each_derive_from_a_built_in_request() -> None:
    class Mine(DatabasesRefreshCounters, frozen=True, kw_only=True):
        mine: str | None = None

    class Yours(DatabasesRefreshCounters, frozen=True, kw_only=True):
        yours: str | None = None

    registry = default_operations()
    mine = registry.register(Operation("databases/refresh_counters", Mine))
    yours = registry.register(Operation("databases/refresh_counters/", Yours))
    assert (registry.by_request(Mine), registry.by_request(Yours)) == (mine, yours)
    assert registry.by_path("databases/refresh_counters") is yours
    assert yours.path == "databases/refresh_counters/"
    assert len(list(registry)) == 5


def test_the_same_declaration_may_come_twice_and_the_later_one_counts() -> None:
    registry = OperationRegistry()
    registry.register(Operation("profiles/get_all", ProfilesGetAll))
    safer = registry.register(Operation("/profiles/get_all", ProfilesGetAll, safe=True))
    assert registry.by_path("profiles/get_all") is registry.by_request(ProfilesGetAll) is safer
    assert len(list(registry)) == 1


def test_a_slash_at_the_end_does_not_make_another_path() -> None:
    registry = OperationRegistry()
    registry.register(Operation("profiles/get_all", ProfilesGetAll))
    with_slash = registry.register(Operation("profiles/get_all/", ProfilesGetAll))
    assert registry.by_path("profiles/get_all") is registry.by_path("/profiles/get_all/") is with_slash
    assert list(registry) == [with_slash]
    token = '{"v":1,"task_id":"t","operation":"profiles/get_all"}'
    assert registry.resumed(token, None)[1] is registry.resumed(token, ProfilesGetAll)[1] is with_slash


def test_a_path_is_not_bound_to_two_requests() -> None:
    registry = OperationRegistry()
    registry.register(Operation("x", ProfilesGetAll))
    with pytest.raises(ValueError, match="declared already, for ProfilesGetAll"):
        registry.register(Operation("x", ProfileAdd))


def test_an_operation_shows_its_path_and_its_request() -> None:
    assert repr(Operation("profiles/add", ProfileAdd)) == "Operation('profiles/add', ProfileAdd)"


# Statistics of which only the task's id is known.


@pytest.mark.parametrize(
    ("came", "kind"),
    [
        ({"list_id": 1}, SegmentStatistics),
        ({"list_id": 0, "resource_id": 27}, SegmentStatistics),
        ({"total_count": 1336}, DatabaseStatistics),
        ({"total_count": 0}, DatabaseStatistics),
        ({"last_count_time": ""}, DatabaseStatistics),
        ({"last_count_time": "x", "list_id": 1}, ResourceStatistics),
        ({"total_count": 5, "list_id": 1}, ResourceStatistics),
        ({}, ResourceStatistics),
        ({"resource_id": 24}, ResourceStatistics),
    ],
)
def test_statistics_are_recognised_by_the_fields_that_came(came: dict[str, object], kind: type) -> None:
    channels = [ChannelStatistics("email", {"all": 1, "new": None})]
    recognised = recognise(ResourceStatistics(channels=channels, in_progress=False, **came))
    assert type(recognised) is kind
    assert recognised == kind(channels=channels, in_progress=False, **came)


def test_the_names_for_declarations_are_exported() -> None:
    assert {"Operation", "TaskRequest", "PlainRequest", "Reply", "TaskStatus"} <= set(altcraft.__all__)
