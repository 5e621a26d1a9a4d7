"""The fixtures and markers of the pytest plugin, in runs of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

pytest_plugins = ["pytester"]

RULES = "from altcraft import *\nfrom altcraft.schema import *\nfrom altcraft.testing import reply\nimport pytest\n"
STARTED, DONE = 'reply({"task_id": "t-1"})', 'reply({"status": "completed", "result": []})'


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Runs tests of such a source, and returns the result; every warning is an error there."""

    def run(source: str, *arguments: str, rules: str = RULES) -> pytest.RunResult:
        pytester.makepyfile(rules + textwrap.dedent(source))
        return pytester.runpytest_inprocess(
            "-p", "no:cacheprovider", "-W", "error", "--strict-markers", "-q", "-p", "no:asyncio", *arguments
        )

    return run


def test_a_client_of_the_sandbox_needs_no_setting_and_no_time(run) -> None:
    result = run(
        """
        def test_it(altcraft_client, altcraft_sandbox, altcraft_clock, altcraft_sent):
            task = altcraft_client.databases.refresh_counters(5, resource_id=24)
            assert task.result(timeout=600)[0].total_count == 1336
            assert altcraft_clock.now > 0
            ((submission, count),) = altcraft_sandbox.submissions().items()
            assert (submission.operation, count) == ("databases/refresh_counters", 1)
            altcraft_sent.assert_sent(DatabasesRefreshCounters(5, 24), times=1)
            altcraft_client.close()
            assert altcraft_sandbox.submissions()
        """
    )
    result.assert_outcomes(passed=1)


def test_each_test_has_a_sandbox_of_its_own(run) -> None:
    result = run(
        """
        @pytest.mark.parametrize("number", [1, 2])
        def test_it(altcraft_client, altcraft_sandbox, number):
            assert not altcraft_sandbox.submissions()
            altcraft_client.databases.refresh_counters(5, resource_id=24)
        """
    )
    result.assert_outcomes(passed=2)


def test_the_server_is_the_same_on_a_socket(run) -> None:
    result = run(
        """
        def test_it(altcraft_client, altcraft_server, altcraft_sandbox):
            assert altcraft_server.sandbox is altcraft_sandbox
            assert altcraft_server.url.startswith("http://127.0.0.1:")
            assert altcraft_client.databases.refresh_counters(5, resource_id=24).result(timeout=60)
            assert sum(altcraft_sandbox.submissions().values()) == 1
        """
    )
    result.assert_outcomes(passed=1)


def test_markers_give_settings_and_faults(run) -> None:
    result = run(
        """
        from altcraft_plugins.sandbox import FaultPlan
        from altcraft_plugins.sandbox.faults import ErrorReply, TaskFails

        pytestmark = pytest.mark.altcraft_sandbox(tokens=["sandbox", "mine"])

        @pytest.mark.altcraft_faults([ErrorReply(503, rate=0.5, operations=("tasks/status",))])
        @pytest.mark.altcraft_client(codec="xml", token="mine", retry=Retry(attempts=9))
        def test_faults(altcraft_client, altcraft_sandbox):
            tasks = [altcraft_client.databases.refresh_counters(5, resource_id=24) for _ in range(9)]
            assert all(task.result(timeout=600) for task in tasks)
            assert altcraft_sandbox.injected()["error"]
            assert altcraft_client.retry.attempts == 9

        @pytest.mark.altcraft_faults(FaultPlan([TaskFails()]))
        def test_plan(altcraft_client):
            with pytest.raises(TaskFailed):
                altcraft_client.databases.refresh_counters(5, resource_id=24).result(timeout=600)

        @pytest.mark.altcraft_faults([ErrorReply(503, operations=("databases/get_counters",))])
        def test_server(altcraft_server, altcraft_client):
            with pytest.raises(ApiError):
                altcraft_client.databases.get_counters(5, resource_id=24)

        @pytest.mark.altcraft_sandbox("a plan?")
        def test_wrong(altcraft_sandbox):
            pass
        """
    )
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*altcraft_sandbox takes settings by name*"])


def test_a_script_that_is_played_to_its_end_passes(run) -> None:
    result = run(
        f"""
        def test_own_client(altcraft_script):
            with Client("https://a.example", "token", transport=altcraft_script([{STARTED}, {DONE}])) as client:
                client.databases.refresh_counters(5, resource_id=24).result(timeout=60)
            assert altcraft_script.remaining == ()
            altcraft_script.sent.assert_sent("databases/refresh_counters", id=5, times=1)

        def test_client(altcraft_client, altcraft_script, altcraft_sent):
            altcraft_script([{STARTED}, {DONE}])
            altcraft_client.databases.refresh_counters(5, resource_id=24).result(timeout=60)
            assert altcraft_sent.paths == ["databases/refresh_counters", "tasks/status"]
            assert altcraft_sent.requests == [DatabasesRefreshCounters(5, 24), TaskStatusRequest("t-1")]
        """
    )
    result.assert_outcomes(passed=2)


def test_replies_that_are_left_fail_the_test_unless_its_marker_says_otherwise(run) -> None:
    result = run(
        f"""
        def test_left(altcraft_script):
            altcraft_script([{STARTED}, {DONE}])

        @pytest.mark.altcraft_script(strict=False)
        def test_lenient(altcraft_script):
            altcraft_script([{STARTED}])

        @pytest.mark.altcraft_script(repeat=True)
        def test_repeated(altcraft_script, altcraft_client):
            altcraft_script([reply([])])
            for _ in range(3):
                altcraft_client.databases.get_counters(5, resource_id=24)

        def test_failing(altcraft_script):
            altcraft_script([{STARTED}])
            assert "its own reason" == ""

        @pytest.mark.xfail(strict=True)
        def test_expected(altcraft_script):
            altcraft_script([{STARTED}])

        def test_other():
            pass
        """
    )
    result.assert_outcomes(failed=2, passed=3, xfailed=1)
    result.stdout.fnmatch_lines(
        ["*2 of altcraft_script's replies were not asked for:*", "*HttpResponse*", "*its own reason*"]
    )
    assert "1 of altcraft_script's replies" not in result.stdout.str()  # the test's own failure goes through


def test_an_assertion_on_what_was_sent_says_what_was(run) -> None:
    result = run(
        """
        @pytest.fixture(autouse=True)
        def sent(altcraft_client, altcraft_sent):
            altcraft_sent.assert_not_sent()
            altcraft_client.databases.get_counters(5, resource_id=24)

        def test_right(altcraft_sent):
            altcraft_sent.assert_sent("databases/get_counters")
            altcraft_sent.assert_sent("databases/get_counters", id=5, resource_id=24, times=1)
            altcraft_sent.assert_sent(DatabasesGetCounters(5, 24))
            altcraft_sent.assert_not_sent(DatabasesGetCounters(6, 24))
            altcraft_sent.assert_not_sent("databases/get_counters", id=6)
            altcraft_sent.assert_not_sent("segments/get_counters")
            assert len(altcraft_sent.http) == 1

        def test_path(altcraft_sent):
            altcraft_sent.assert_sent("databases/get_counters", id=6)

        def test_struct(altcraft_sent):
            altcraft_sent.assert_sent(DatabasesGetCounters(5, 24), times=2)

        def test_nothing(altcraft_sent):
            altcraft_sent.assert_not_sent()
        """
    )
    result.assert_outcomes(passed=1, failed=3)
    said = result.stdout.str()
    assert "'databases/get_counters' with {'id': 6} was to be sent at least once, and was sent 0 times" in said
    assert "was to be sent 2 times, and was sent 1 times" in said
    assert "nothing was to be sent. Sent were:" in said
    assert "sandbox" not in said.replace("altcraft_sandbox", "").replace("/sandbox", "")  # the token


@pytest.mark.parametrize("codec", ["json", "xml"])
@pytest.mark.parametrize("auth", ["body", "bearer"])
def test_what_was_sent_is_read_in_every_format_without_the_token(run, codec: str, auth: str) -> None:
    result = run(
        f"""
        class Ping(PlainRequest[str], frozen=True):
            text: str

        @pytest.mark.altcraft_client(codec="{codec}", auth="{auth}", token="hunter2")
        def test_it(altcraft_script, altcraft_client, altcraft_sent):
            altcraft_script([reply("pong", codec="{codec}")])
            altcraft_client.operations.register(Operation("v2/ping", Ping))
            altcraft_client.call(Ping("hello"))
            altcraft_sent.assert_sent(Ping("hello"), times=1)
            assert altcraft_sent.paths == ["v2/ping"]
            assert "hunter2" not in repr(altcraft_sent.requests)
        """
    )
    result.assert_outcomes(passed=1)


ASYNC = f"""
async def work(client, script, sent):
    script([{STARTED}, {DONE}])
    task = await client.databases.refresh_counters(5, resource_id=24)
    assert await task.result(timeout=60) == []
    sent.assert_sent(DatabasesRefreshCounters(5, 24), times=1)


async def work_in_sandbox(client, sandbox):
    task = await client.databases.refresh_counters(5, resource_id=24)
    assert (await task)[0].total_count == 1336
    assert sum(sandbox.submissions().values()) == 1


async def work_on_socket(client):
    assert await client.databases.get_counters(5, resource_id=24)
"""
IN_ASYNCIO = (
    ASYNC
    + """
{mark}
async def test_script(altcraft_async_client, altcraft_script, altcraft_sent):
    await work(altcraft_async_client, altcraft_script, altcraft_sent)

{mark}
async def test_sandbox(altcraft_async_client, altcraft_sandbox):
    await work_in_sandbox(altcraft_async_client, altcraft_sandbox)

{mark}
async def test_socket(altcraft_async_client, altcraft_server):
    await work_on_socket(altcraft_async_client)

{mark}
async def test_left(altcraft_async_client, altcraft_script):
    altcraft_script([reply([])])
"""
)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "mark"), [("strict", "@pytest.mark.asyncio"), ("auto", "")])
def test_it_works_with_pytest_asyncio(pytester: pytest.Pytester, mode: str, mark: str) -> None:
    pytester.makepyfile(RULES + IN_ASYNCIO.replace("{mark}", mark))
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error")
    result = pytester.runpytest_subprocess(f"--asyncio-mode={mode}", "-q")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*1 of altcraft_script's replies were not asked for:*"])


@pytest.mark.leaves_threads  # trio keeps one for its next use
def test_it_works_with_anyios_plugin(run) -> None:
    both = '@pytest.fixture(params=["asyncio", "trio"])\ndef anyio_backend(request):\n    return request.param\n'
    source = both + IN_ASYNCIO.replace("{mark}", "@pytest.mark.anyio")
    run(source).assert_outcomes(passed=6, failed=2)


@pytest.mark.slow
def test_it_works_with_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        RULES
        + f"""
@pytest.mark.parametrize("number", range(4))
def test_sandbox(altcraft_client, altcraft_server, number):
    assert altcraft_client.databases.get_counters(5, resource_id=24)

@pytest.mark.parametrize("number", range(4))
def test_left(altcraft_script, number):
    altcraft_script([{STARTED}])
"""
    )
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:asyncio")
    result.assert_outcomes(passed=4, failed=4)


def test_importing_the_plugin_imports_nothing_of_altcraft() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import altcraft_plugins.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["altcraft_plugins", "altcraft_plugins.pytest_plugin"]


def test_a_run_that_uses_no_fixture_has_no_hook_and_no_import_of_altcraft(run) -> None:
    result = run(
        """
        import subprocess, sys

        def test_it(request):
            plugin = request.config.pluginmanager.get_plugin("altcraft")
            assert [name for name in dir(plugin) if name.startswith("pytest_")] == ["pytest_configure"]
            assert not request.config.pluginmanager.has_plugin("altcraft-strict")
            assert not [name for name in request.fixturenames if name.startswith("altcraft")]
        """,
        rules="",
    )
    result.assert_outcomes(passed=1)
