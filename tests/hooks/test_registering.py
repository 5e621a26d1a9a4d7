"""Plugins are registered and removed: what is refused, who is called in which order, and what the client lists."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import AsyncIterator, Callable, Iterator

import pluggy
import pytest

from altcraft import Plugin, TaskStatus, UnmarkedHookWarning, hookimpl
from altcraft.hooks import Hooks, refuse_coroutines
from hooks.plugins import DONE, EXCHANGED, OBSERVERS, RUNNING, STARTED, Recorder, client, plugin, run

pytestmark = pytest.mark.usefixtures("both_clients")

# The order of the calls.


def order(*plugins: tuple[str, dict[str, bool]]) -> str:
    called: list[str] = []
    hooks = Hooks(
        plugin("altcraft_exchange_started", lambda _exchange, name=name: called.append(name), **options)
        for name, options in plugins
    )
    hooks.fire("altcraft_exchange_started", exchange=None)
    return "".join(called)


def test_the_plugin_registered_last_is_called_first_unless_the_marks_say_otherwise() -> None:
    assert order(("a", {}), ("b", {}), ("c", {})) == "cba"
    assert order(("a", {"tryfirst": True}), ("b", {}), ("c", {"trylast": True})) == "abc"
    assert order(("a", {"trylast": True}), ("b", {"tryfirst": True}), ("c", {})) == "bca"


def test_plugins_are_called_in_the_order_of_a_single_pluggy_call() -> None:
    calls_of_all: list[tuple[str, str]] = []
    run([DONE], *[Recorder(name, calls_of_all) for name in "abc"])
    calls = ["".join(name for name, _ in calls_of_all[at : at + 3]) for at in range(0, len(calls_of_all), 3)]
    assert set(calls) == {"cba"}


class Wrapper:
    """A wrapper of pluggy: one half runs before the other implementations, the other half after them."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.said: list[str] = []

    @hookimpl(wrapper=True)
    def altcraft_task_progress(self, status: TaskStatus[object]) -> Iterator[None]:
        self.said.append(f"before {status.status}")
        if self.broken:
            raise ValueError("a bug in a wrapper")
        result = yield
        self.said.append(f"after {status.status}")
        return result


def test_both_halves_of_a_wrapper_are_called() -> None:
    wrapper = Wrapper()
    run([RUNNING, DONE], wrapper)
    assert wrapper.said == ["before running", "after running", "before completed", "after completed"]


def test_a_wrapper_that_raises_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    wrapper, first, last = Wrapper(broken=True), Recorder(), Recorder()
    assert isinstance(run([RUNNING, DONE], first, wrapper, last), list)
    assert first.names == last.names
    assert len(first.of("altcraft_task_progress")) == 2
    assert [record.name for record in caplog.records] == ["altcraft.hooks"] * 2


def test_an_implementation_takes_as_many_arguments_as_it_needs() -> None:
    seen: list[object] = []

    class Frugal:
        @hookimpl
        def altcraft_exchange_finished(self, elapsed: float) -> None:
            seen.append(elapsed)

        @hookimpl
        def altcraft_task_completed(self) -> None:
            seen.append("done")

    run([DONE], Frugal())
    assert seen == [0.0, 0.0, "done"]


def test_an_argument_that_the_hook_does_not_have_is_refused() -> None:
    class Wrong:
        @hookimpl
        def altcraft_exchange_started(self, answer: object) -> None:
            """Takes an argument that the hook does not have."""

    with pytest.raises((ValueError, pluggy.PluginValidationError), match="answer"):
        Hooks([Wrong()])


# Registering and removing.


def test_heard_follows_the_plugins_that_are_registered() -> None:
    hooks, recorder = Hooks(), Recorder()
    only_codecs = plugin("altcraft_register_codecs", lambda registry: None)
    assert hooks.heard == frozenset()
    hooks.register(recorder)
    assert hooks.heard == set(OBSERVERS)
    hooks.register(only_codecs)
    assert hooks.heard == {*OBSERVERS, "altcraft_register_codecs"}
    hooks.unregister(recorder)
    assert hooks.heard == {"altcraft_register_codecs"}
    hooks.unregister(only_codecs)
    assert hooks.heard == frozenset()


def test_a_removed_plugin_is_not_called_and_the_others_are() -> None:
    gone, here = Recorder(), Recorder()
    hooks = Hooks([gone, here])
    hooks.fire("altcraft_exchange_started", exchange=None)
    hooks.unregister(gone)
    hooks.fire("altcraft_exchange_started", exchange=None)
    hooks.register(gone)
    hooks.fire("altcraft_exchange_started", exchange=None)
    assert (len(gone.calls), len(here.calls)) == (2, 3)


def test_removing_an_unknown_plugin_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not registered"):
        Hooks().unregister(Recorder())


def test_a_plugin_is_registered_once() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="already registered"):
        Hooks([recorder, recorder])


def test_a_plugin_that_is_registered_later_is_called_from_then_on() -> None:
    recorder = Recorder()
    with client([STARTED, RUNNING, DONE]) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        task.poll()
        made.hooks.register(recorder)
        task.result()
    assert recorder.names == ["wait_started", *EXCHANGED, "task_progress", "task_completed", "wait_ended"]


# What is refused.


class Plain:
    """Instances of it are plugins."""

    @hookimpl
    def altcraft_task_completed(self) -> None:
        """Does nothing."""


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        (Plain, r"Plain is a class: pass an instance of it, Plain\(\)"),
        (None, "None is no plugin"),
        ([], "not hashable"),
    ],
)
def test_a_class_and_other_objects_that_are_no_plugins_are_refused(what: object, complaint: str) -> None:
    hooks = Hooks()
    with pytest.raises(TypeError, match=complaint):
        hooks.register(what)
    with pytest.raises(TypeError, match=complaint):
        client([], what)
    assert (hooks.heard, hooks.plugins()) == (frozenset(), ())


def test_a_marked_function_that_names_no_hook_is_refused() -> None:
    class Misspelt:
        @hookimpl
        def altcraft_task_complete(self) -> None:
            """Misses a letter."""

    hooks = Hooks([Plain()])
    with pytest.raises(ValueError, match="unknown hook 'altcraft_task_complete'"):
        hooks.register(Misspelt())
    assert [listed.name for listed in hooks.plugins()] == ["Plain"]


class AsyncHook:
    @hookimpl
    async def altcraft_task_completed(self) -> None:
        raise AssertionError


class AsyncGeneratorHook:
    @hookimpl
    async def altcraft_task_completed(self) -> AsyncIterator[None]:
        yield


class GeneratorHook:
    @hookimpl
    def altcraft_task_completed(self) -> Iterator[None]:
        yield


class StaticAsyncHook:
    @staticmethod
    @hookimpl
    async def altcraft_task_completed() -> None:
        raise AssertionError


class RenamedAsyncHook:
    @hookimpl(specname="altcraft_task_completed")
    async def completed(self) -> None:
        raise AssertionError


def async_module() -> types.ModuleType:
    async def altcraft_task_completed() -> None:
        raise AssertionError

    module = types.ModuleType("journal")
    module.altcraft_task_completed = hookimpl(altcraft_task_completed)  # type: ignore[attr-defined]  # a made-up module
    return module


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (AsyncHook(), "an async function"),
        (AsyncGeneratorHook(), "an async function"),
        (StaticAsyncHook(), "an async function"),
        (RenamedAsyncHook(), "an async function"),
        (async_module(), "an async function"),
        (GeneratorHook(), "a generator function"),
    ],
)
def test_a_hook_that_does_nothing_when_it_is_called_is_refused(refused: object, kind: str) -> None:
    hooks = Hooks([Plain()])
    with pytest.raises(TypeError, match=f"altcraft_task_completed of the plugin '.*' is {kind}"):
        hooks.register(refused)
    assert [listed.name for listed in hooks.plugins()] == ["Plain"]
    with pytest.raises(TypeError, match=kind):
        client([], refused)


async def coroutine(value: object) -> None:
    raise AssertionError


async def async_generator(value: object) -> AsyncIterator[object]:
    yield value


def generator(value: object) -> Iterator[object]:
    yield value


class AsyncCallable:
    async def __call__(self, value: object) -> None:
        raise AssertionError

    async def method(self, value: object) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    "callback",
    [
        coroutine,
        async_generator,
        generator,
        functools.partial(coroutine, 1),
        functools.partial(functools.partial(async_generator), 1),
        AsyncCallable(),
        AsyncCallable().method,
        functools.partial(AsyncCallable()),
        functools.partial(AsyncCallable().method, 1),
    ],
)
def test_a_callback_that_does_nothing_when_it_is_called_is_refused(callback: object) -> None:
    with pytest.raises(TypeError, match=r"^on_progress is an? .* function, which nothing would"):
        refuse_coroutines(callback, "on_progress")


@pytest.mark.parametrize(
    "callback", [print, len, int, lambda value: value, [].append, functools.partial(print), Recorder]
)
def test_a_plain_callback_is_accepted(callback: Callable[..., object]) -> None:
    refuse_coroutines(callback, "on_progress")


# What is forgotten.


class Unmarked:
    """A plugin whose author has forgotten a mark."""

    altcraft_exchange_started = "no function"

    @hookimpl
    def altcraft_task_completed(self) -> None:
        """Has its mark."""

    def altcraft_task_failed(self, task: object) -> None:
        raise AssertionError

    def altcraft_helper(self) -> None:
        """Has the name of no hook."""


def test_a_function_with_the_name_of_a_hook_but_without_the_mark_is_warned_of() -> None:
    with pytest.warns(UnmarkedHookWarning, match="'Unmarked' has altcraft_task_failed without the mark") as caught:
        hooks = Hooks([Unmarked()])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert hooks.heard == {"altcraft_task_completed"}


def test_the_warning_points_at_the_line_that_makes_the_client() -> None:
    with pytest.warns(UnmarkedHookWarning) as caught, client([], Unmarked()):
        pass
    assert caught[0].filename.endswith("both_clients.py")


def test_a_plugin_without_hooks_is_accepted_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Hooks([object()]).heard == frozenset()


# What the client lists.


def test_the_plugins_of_a_client_are_listed_with_their_hooks() -> None:
    module = plugin("altcraft_register_codecs", lambda registry: None)
    hooks = Hooks([Plain(), Plain(), module])
    assert hooks.plugins() == (
        Plugin("Plain", hooks=("altcraft_task_completed",)),
        Plugin("Plain 2", hooks=("altcraft_task_completed",)),
        Plugin(module.__name__, hooks=("altcraft_register_codecs",)),  # type: ignore[attr-defined]  # a module
    )


def test_names_in_the_list_stay_unique_when_plugins_come_and_go() -> None:
    first, second = Plain(), Plain()
    hooks = Hooks([first, second])
    hooks.unregister(first)
    hooks.register(third := Plain())
    hooks.register(first)
    assert [listed.name for listed in hooks.plugins()] == ["Plain 2", "Plain", "Plain 3"]
    for each in (first, second, third):
        hooks.unregister(each)
    assert hooks.plugins() == ()


def test_a_recorder_is_listed_with_every_observer() -> None:
    (listed,) = Hooks([Recorder()]).plugins()
    assert set(listed.hooks) == set(OBSERVERS)
    assert (listed.name, listed.distribution, listed.error) == ("Recorder", None, None)
