"""The token goes to the platform, and no value, error, frame or log shows it."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from altcraft import (
    AltcraftError,
    ConnectError,
    ConnectionLost,
    HttpRequest,
    HttpResponse,
    ObservedExchange,
    Operation,
    Polling,
    RequestTimeout,
    Retry,
    TaskRequest,
    hookimpl,
)
from altcraft.codecs import default_registry
from altcraft.exchange import Exchange
from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Feedback,
    Request,
    ResourcesRefreshCounters,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    TaskStatusRequest,
)
from altcraft.tasks.resume import parse_resume_token
from altcraft.testing import reply
from altcraft.wire.messages import Headers
from altcraft.wire.secret import Auth, Secret
from both_clients import plain_client
from wire.showing import printed_by_python, printed_by_rich, renderings, shown_errors, shown_locals

pytestmark = pytest.mark.usefixtures("both_clients")

TOKEN = "t0k3n-that-stays-hidden"
STARTED = reply({"task_id": "t-1"})
RUNNING = reply({"status": "running", "progress": 50})
DONE = reply({"status": "completed", "progress": 100, "result": []})
FAILED = reply({"status": "failed", "progress": 70})
REQUESTS: list[Request[Any]] = [
    SegmentsRefreshCounters(7, 24, db_id=1, token=TOKEN),
    DatabasesRefreshCounters(5, 24, Feedback("http://me.example/"), token=TOKEN),
    ResourcesRefreshCounters(24, token=TOKEN),
    SegmentsGetCounters(7, 24, token=TOKEN),
    DatabasesGetCounters(5, 24, token=TOKEN),
    TaskStatusRequest("t-1", token=TOKEN),
]
every_mode = pytest.mark.parametrize("auth", ["body", "bearer"])
both_formats = pytest.mark.parametrize("codec", ["json", "xml"])


class Strange(TaskRequest[list[str]], frozen=True, kw_only=True):
    """A user's own request, whose fields come after the token."""

    text: str


def client(script: list[Any], **settings: Any) -> Any:
    made = plain_client("https://your.host", TOKEN, script, retry=Retry(attempts=2), **settings)
    made.operations.register(Operation("strange", Strange))
    return made


def http_request(auth: Auth, codec: str) -> HttpRequest:
    codecs = default_registry()
    exchange = Exchange("https://your.host/api/v1.1", "your.host", Secret(TOKEN), codecs.by_name(codec), codecs, auth)
    return exchange.build("segments/refresh_counters", SegmentsRefreshCounters(7, 24))


# Values that hold it.


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_a_request_struct_shows_no_token(request_: Request[Any]) -> None:
    assert TOKEN not in renderings(request_)
    assert "token='***'" in repr(request_)


def test_a_users_own_request_struct_shows_no_token_either() -> None:
    assert TOKEN not in renderings(Strange(text="a", token=TOKEN))


def test_a_feedback_does_not_show_the_path_that_keeps_strangers_out() -> None:
    feedback = Feedback(f"https://me.example:8443/hook/{TOKEN}")
    request = DatabasesRefreshCounters(5, 24, feedback)
    assert TOKEN not in renderings(feedback) + renderings(request)
    assert "https://me.example:8443/…" in repr(request)


@pytest.mark.parametrize("between", [" ", "\t", "\n", "\r\n", "\0", "\x1b", "\x7f", "\u00a0", "\u2028", "\u200b"])
def test_a_token_with_a_blank_a_line_break_or_a_control_character_is_refused(between: str) -> None:
    for token in (f"{TOKEN[:9]}{between}{TOKEN[9:]}", f"{TOKEN}{between}"):
        with pytest.raises(ValueError, match="the token has blanks, line breaks or control characters in it") as caught:
            plain_client("https://your.host", token, [])
        assert TOKEN[:9] not in renderings(caught.value)


@every_mode
@both_formats
def test_an_http_request_shows_no_token(auth: Auth, codec: str) -> None:
    request = http_request(auth, codec)
    assert TOKEN in repr(bytes(request.body)) + str(dict(request.headers))
    assert TOKEN not in renderings(request)
    assert TOKEN not in renderings(request.headers)
    assert TOKEN not in request.url


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_headers_mask_their_credentials_in_any_case(name: str) -> None:
    headers = Headers({name: f"Bearer {TOKEN}", "Accept": "application/json"})
    assert TOKEN not in renderings(headers)
    assert "application/json" in repr(headers)
    assert headers[name] == f"Bearer {TOKEN}"


def test_an_http_response_shows_no_body() -> None:
    assert TOKEN not in renderings(HttpResponse(200, {}, TOKEN.encode()))


@every_mode
@both_formats
def test_a_client_and_all_that_belongs_to_it_shows_no_token(auth: Auth, codec: str) -> None:
    with client([STARTED], auth=auth, codec=codec) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        for value in reachable([made, task]):
            assert TOKEN not in renderings(value)


def reachable(roots: list[object], depth: int = 6) -> Iterator[object]:
    """The objects of ours that attributes lead to."""
    seen: set[int] = set()
    level = roots
    for _ in range(depth):
        following: list[object] = []
        for value in level:
            if id(value) in seen:
                continue
            seen.add(id(value))
            yield value
            names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
            children = [getattr(value, name) for name in names if isinstance(name, str) and hasattr(value, name)]
            children += getattr(value, "__dict__", {}).values()
            following += [child for child in children if type(child).__module__.startswith("altcraft")]
        level = following


@pytest.mark.parametrize("choose", [lambda made, task: made, lambda made, task: task], ids=["client", "task"])
def test_a_client_and_a_task_are_not_pickled_with_the_token(choose: Callable[[Any, Any], object]) -> None:
    with client([STARTED]) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        chosen = choose(made, task)
        with pytest.raises((TypeError, pickle.PicklingError)) as caught:
            pickle.dumps(getattr(chosen, "inner", chosen))
        assert TOKEN not in str(caught.value)


@every_mode
@both_formats
def test_a_resume_token_holds_no_secret(auth: Auth, codec: str) -> None:
    with client([STARTED], auth=auth, codec=codec) as made:
        feedback = Feedback("https://me.example/secret-path")
        token = made.databases.refresh_counters(5, resource_id=24, feedback=feedback).resume_token
    content = parse_resume_token(token)
    assert (content.task_id, content.operation) == ("t-1", "databases/refresh_counters")
    assert content.request == {"id": 5, "resource_id": 24}


# Errors, and the frames that they come through.


def started(made: Any) -> Any:
    return made.segments.refresh_counters(7, resource_id=24)


def text(status: int, body: str, **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, named, body.encode())


ECHO = f'{{"error":401,"error_text":"unknown token {TOKEN}"}}'
PAGE = f"<html>502, you said {TOKEN}"

Scenario = tuple[list[Any], Callable[[Any], object]]
SCENARIOS: dict[str, Scenario] = {
    "nothing was sent": ([ConnectError("refused")] * 2, started),
    "the answer was lost": ([ConnectionLost("reset")], started),
    "the answer was late": ([RequestTimeout("slow")], started),
    "the transport raises an OSError": ([OSError("pipe")], started),
    "the transport has a bug": ([RuntimeError("bug")], started),
    "a poll fails": ([STARTED, *[RequestTimeout("slow")] * 2], lambda made: started(made).result()),
    "a refusal": ([reply(error=401, error_text="who?")], started),
    "a page that echoes": ([text(200, PAGE)], started),
    "a page that echoes, at 502": ([text(502, PAGE)], started),
    "a page that echoes, to a poll": ([STARTED, *[text(502, PAGE)] * 2], lambda made: started(made).poll()),
    "another shape that echoes": ([text(200, f'{{"error":"{TOKEN}"}}')], started),
    "another shape that echoes, in xml": ([text(200, f"<xml><error>{TOKEN}</error></xml>")], started),
    "json that is none and echoes": ([text(200, f"{{{TOKEN}")], started),
    "xml that is none and echoes": ([text(200, f"<xml>{TOKEN}</{TOKEN}>")], started),
    "something that echoes": ([text(200, f"hello {TOKEN}")], started),
    "no envelope": ([text(200, f'{{"t":"{TOKEN}"}}')], started),
    "a result of another shape": (
        [STARTED, reply({"status": "completed", "result": [{"channels": 5}]})],
        lambda made: started(made).result(),
    ),
    "a redirect that echoes": ([text(302, "", Location=f"https://your.host/{TOKEN}/")], started),
    "a failed task": ([STARTED, FAILED], lambda made: started(made).result()),
    "a wait that times out": ([STARTED, *[RUNNING] * 99], lambda made: started(made).result(timeout=3)),
    "a wait that times out over failures": (
        [STARTED, *[RequestTimeout("slow")] * 2],
        lambda made: started(made).result(timeout=0.1),
    ),
    "a client that is closed": ([STARTED], lambda made: (started(made), made.close(), started(made))),
    "a task of a client that is closed": ([STARTED], lambda made: (task := started(made), made.close(), task.result())),
    "a field of the wrong type": ([], lambda made: made.segments.refresh_counters("7", resource_id=24)),
    "a field within a field": (
        [],
        lambda made: made.databases.refresh_counters(5, resource_id=24, feedback="http://me.example"),
    ),
    "a task where none is started": ([], lambda made: made.submit(DatabasesGetCounters(5, 24, token=TOKEN))),
    "a call of a task": ([], lambda made: made.call(SegmentsRefreshCounters(5, 24, token=TOKEN))),
    "an undeclared operation": ([], lambda made: made.call(TaskStatusRequest("t", token=TOKEN))),
    "a broken resume token": ([], lambda made: made.tasks.resume("{")),
}
# Replies that are read before they turn out to be no good.
READ_REPLIES: dict[str, Scenario] = {
    "a refusal that echoes": ([text(200, ECHO)], started),
    "a refusal that echoes, at 403": ([text(403, ECHO, Content_Type="application/json")], started),
    "a refusal that echoes, to a poll": ([STARTED, text(200, ECHO)], lambda made: started(made).result()),
    "no task id": ([text(200, f'{{"error":0,"error_text":"{TOKEN}"}}')], started),
    "no status": ([STARTED, text(200, f'{{"error":0,"error_text":"{TOKEN}"}}')], lambda made: started(made).poll()),
}
each_scenario = pytest.mark.parametrize(("script", "work"), SCENARIOS.values(), ids=SCENARIOS)
each_read_reply = pytest.mark.parametrize(("script", "work"), READ_REPLIES.values(), ids=READ_REPLIES)


def outcome(
    script: list[Any], work: Callable[[Any], object], auth: Auth = "body", codec: str = "json"
) -> BaseException:
    """What the work raises."""
    with client(script, auth=auth, codec=codec) as made:
        try:
            work(made)
        except Exception as error:
            return error
    raise AssertionError("nothing was raised")


def assert_no_error_shows_the_token(error: BaseException) -> None:
    for shown in shown_errors(error):
        assert TOKEN not in renderings(shown)
        assert TOKEN not in repr((shown.args, vars(shown)))
        assert TOKEN not in repr(getattr(shown, "__notes__", ()))
        if isinstance(shown, AltcraftError):
            assert TOKEN.encode() not in pickle.dumps(shown)
    assert TOKEN not in "".join(traceback.format_exception(error))


def assert_no_frame_shows_the_token(error: BaseException) -> None:
    shown = dict(shown_locals(error, of="altcraft"))
    assert shown
    assert not {place: value for place, value in shown.items() if TOKEN in value}
    assert TOKEN not in printed_by_python(error)


@every_mode
@both_formats
@each_scenario
def test_neither_an_error_nor_a_frame_of_ours_shows_the_token(
    script: list[Any], work: Callable[[Any], object], auth: Auth, codec: str
) -> None:
    error = outcome(script, work, auth, codec)
    assert_no_error_shows_the_token(error)
    assert_no_frame_shows_the_token(error)


@every_mode
def test_a_traceback_that_rich_prints_with_all_local_variables_does_not_show_the_token(auth: Auth) -> None:
    assert TOKEN not in printed_by_rich(outcome([ConnectError("refused")] * 2, started, auth))


@every_mode
@both_formats
@each_read_reply
def test_no_error_about_a_reply_shows_the_token_that_it_echoes(
    script: list[Any], work: Callable[[Any], object], auth: Auth, codec: str
) -> None:
    assert_no_error_shows_the_token(outcome(script, work, auth, codec))


@every_mode
def test_a_value_that_xml_cannot_carry_is_refused_without_showing_the_token(auth: Auth) -> None:
    error = outcome([], lambda made: made.submit(Strange(text="a\x01b")), auth, "xml")
    assert "U+0001" in str(error)
    assert TOKEN not in "".join(traceback.format_exception(error))


# Logs.


class Clumsy:
    """A plugin that raises wherever it can."""

    @hookimpl
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        raise ValueError(exchange, exchange.request)

    @hookimpl
    def altcraft_exchange_finished(self, exchange: ObservedExchange, response: HttpResponse | None) -> None:
        raise ValueError(exchange, exchange.request, response)

    @hookimpl
    def altcraft_task_progress(self, task: object, status: object) -> None:
        raise ValueError(task, status)


@every_mode
@both_formats
def test_no_log_shows_the_token_at_any_level(caplog: pytest.LogCaptureFixture, auth: Auth, codec: str) -> None:
    caplog.set_level(logging.DEBUG)
    script = [ConnectError("refused"), STARTED, RUNNING, text(502, PAGE), RUNNING, DONE, DONE]
    with client(script, auth=auth, codec=codec, plugins=[Clumsy()], polling=Polling(jitter=False)) as made:
        task = started(made)
        task.add_done_callback(lambda done: 1 / 0)  # its failure is what matters
        task.result(on_progress=lambda status: status.nonsense)
        task.poll()
    assert len(caplog.records) >= 10
    formatter = logging.Formatter("%(name)s %(message)s %(args)s")
    assert TOKEN not in caplog.text
    for record in caplog.records:
        assert TOKEN not in formatter.format(record) + repr(vars(record))
