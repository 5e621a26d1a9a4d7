"""Plugins of installed distributions: loaded on request, found by what they provide, reported where they can't be."""

from __future__ import annotations

import sys

import pytest

from altcraft import AsyncClient, Client, Plugin
from altcraft.hooks import Hooks
from altcraft.testing import reply
from hooks.conftest import Install
from hooks.plugins import client

pytestmark = pytest.mark.usefixtures("both_clients")

GOOD = """
import altcraft
called = []
@altcraft.hookimpl
def altcraft_exchange_started(exchange):
    called.append(exchange)
"""
WRONG_ARGUMENT = """
import altcraft
@altcraft.hookimpl
def altcraft_exchange_started(nonsense):
    pass
"""
ASYNC = """
import altcraft
@altcraft.hookimpl
async def altcraft_exchange_started(exchange):
    pass
"""
CLASS = """
class Journal:
    pass
"""
PROVIDER = """
import altcraft
from altcraft.codecs.json import JsonCodec
from altcraft.testing import FakeTransport, reply

observed = []

class Terse(JsonCodec):
    name = "terse"
    content_types = ("application/terse",)

@altcraft.hookimpl
def altcraft_register_codecs(registry):
    registry.register(Terse())

@altcraft.hookimpl
def altcraft_register_transports(registry):
    registry.register("scripted", lambda url: FakeTransport([reply([])]))

@altcraft.hookimpl
def altcraft_exchange_started(exchange):
    observed.append(exchange)
"""
HIJACKER = """
import altcraft
from altcraft.codecs.json import JsonCodec

class Fake(JsonCodec):
    content_types = ("application/fake",)

@altcraft.hookimpl
def altcraft_register_codecs(registry):
    registry.register(Fake())

@altcraft.hookimpl
def altcraft_exchange_started(exchange):
    raise AssertionError("the test asks for another plugin")
"""


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "altcraft.hooks"]


# On request.


def test_entry_points_are_loaded_on_request_only(install: Install) -> None:
    install({"good_plugin": GOOD}, {"good": "good_plugin"})
    with client([reply([])]) as made:
        made.databases.get_counters(5, resource_id=24)
        assert "good_plugin" not in sys.modules
    with client([reply([])], load_entry_points=True) as made:
        made.databases.get_counters(5, resource_id=24)
        assert len(sys.modules["good_plugin"].called) == 1
        assert made.hooks.broken == {}


def test_one_entry_point_alone_can_be_loaded(install: Install) -> None:
    install({"good_plugin": GOOD, "bad_plugin": "1 / 0"}, {"good": "good_plugin", "bad": "bad_plugin"})
    hooks = Hooks()
    assert hooks.load_entry_points("good") == {"good"}
    assert hooks.heard == {"altcraft_exchange_started"}
    assert hooks.broken == {}
    assert hooks.load_entry_points("good") == set()  # it is here already
    assert hooks.load_entry_points("no such") == set()


def test_loading_entry_points_twice_registers_each_once_and_reports_nothing(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install({"good_plugin": GOOD, "better_plugin": GOOD}, {"good": "good_plugin", "better": "better_plugin"})
    hooks = Hooks()
    assert hooks.load_entry_points() >= {"good", "better"}
    listed = hooks.plugins()
    assert hooks.load_entry_points() == set()
    assert hooks.broken == {}
    assert hooks.plugins() == listed
    assert messages(caplog) == []
    hooks.fire("altcraft_exchange_started", exchange="a request")
    assert sys.modules["good_plugin"].called == ["a request"]


def test_entry_points_of_other_groups_are_left_alone(install: Install) -> None:
    install({"bad_plugin": "1 / 0"}, {"bad": "bad_plugin"}, group="another.project")
    hooks = Hooks()
    hooks.load_entry_points()
    assert "bad" not in hooks.broken


def test_an_entry_point_whose_plugin_was_passed_already_is_no_failure(install: Install) -> None:
    install({"good_plugin": GOOD}, {"good": "good_plugin", "alias": "good_plugin"})
    import good_plugin  # type: ignore[import-not-found]  # installed for this test

    hooks = Hooks([good_plugin])
    hooks.load_entry_points()
    assert hooks.broken == {}
    hooks.fire("altcraft_exchange_started", exchange=None)
    assert len(good_plugin.called) == 1


# What can't be loaded.


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("import no_such_module_at_all", "bad_plugin", ModuleNotFoundError),
        ("1 / 0", "bad_plugin", ZeroDivisionError),
        ("def broken(:", "bad_plugin", SyntaxError),
        ("", "bad_plugin:no_such_object", AttributeError),
        ("", "no_such_module_at_all", ModuleNotFoundError),
        (WRONG_ARGUMENT, "bad_plugin", ValueError),
        (ASYNC, "bad_plugin", TypeError),
        (CLASS, "bad_plugin:Journal", TypeError),
        ("journal = None", "bad_plugin:journal", TypeError),
        ("import sys; sys.exit('no licence')", "bad_plugin", SystemExit),
        ("class Stop(BaseException): pass\nraise Stop('no')", "bad_plugin", BaseException),
        ("raise GeneratorExit", "bad_plugin", GeneratorExit),
    ],
)
def test_an_entry_point_that_cannot_be_loaded_is_reported_and_passed_over(
    install: Install, caplog: pytest.LogCaptureFixture, source: str, value: str, reason: type[BaseException]
) -> None:
    install({"bad_plugin": source, "good_plugin": GOOD}, {"a_bad": value, "good": "good_plugin", "z_bad": value})
    with client([reply([])], load_entry_points=True) as made:
        made.databases.get_counters(5, resource_id=24)
        assert len(sys.modules["good_plugin"].called) == 1
        assert set(made.hooks.broken) == {"a_bad", "z_bad"}
        assert all(isinstance(error, reason) for error in made.hooks.broken.values())
        failed = [listed for listed in made.hooks.plugins() if listed.error is not None]
        assert [(listed.name, listed.distribution, listed.value) for listed in failed] == [
            ("a_bad", "acme-plugins", value),
            ("z_bad", "acme-plugins", value),
        ]
    first, second = messages(caplog)
    assert first.startswith(f"the plugin 'a_bad' of acme-plugins 1.0 ({value}) can't be loaded: ")
    assert "'z_bad'" in second


def test_an_interrupt_during_an_import_goes_through(install: Install) -> None:
    install({"slow_plugin": "raise KeyboardInterrupt"}, {"slow": "slow_plugin"})
    with pytest.raises(KeyboardInterrupt):
        Hooks().load_entry_points()


def test_an_entry_point_that_can_be_loaded_later_is_no_longer_reported(install: Install) -> None:
    install({"moody": "import sys\nif not hasattr(sys, 'is_ready'): raise OSError('not yet')"}, {"moody": "moody"})
    hooks = Hooks()
    hooks.load_entry_points("moody")
    assert isinstance(hooks.broken["moody"], OSError)
    sys.is_ready = True  # type: ignore[attr-defined]  # for the plugin of this test alone
    try:
        assert hooks.load_entry_points("moody") == {"moody"}
    finally:
        del sys.is_ready  # type: ignore[attr-defined]  # as above
    assert hooks.broken == {}
    assert [listed.error for listed in hooks.plugins()] == [None]


# Namesakes.


def test_of_two_distributions_with_one_entry_point_name_the_second_is_reported(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install({"acme_journal": GOOD}, {"journal": "acme_journal"}, distribution="journal-acme")
    install({"corp_audit": GOOD}, {"journal": "corp_audit"}, distribution="audit-corp", version="2.0")
    with client([reply([])], load_entry_points=True) as made:
        made.databases.get_counters(5, resource_id=24)
        assert len(sys.modules["acme_journal"].called) == 1
        assert set(made.hooks.broken) == {"journal (audit-corp)"}
        listed = {plugin.distribution: plugin for plugin in made.hooks.plugins() if plugin.name == "journal"}
        assert listed["journal-acme"].error is None
        assert listed["journal-acme"].hooks == ("altcraft_exchange_started",)
        assert listed["audit-corp"].error == "ValueError: its name is taken by the plugin 'journal' of journal-acme 1.0"
        made.hooks.load_entry_points()
        assert set(made.hooks.broken) == {"journal (audit-corp)"}
    (message, *_) = messages(caplog)
    assert message.startswith("the plugin 'journal' of audit-corp 2.0 (corp_audit) can't be loaded: ")
    assert "journal-acme 1.0" in message


def test_two_namesakes_that_cannot_be_loaded_are_told_apart(install: Install) -> None:
    install({"acme_journal": "1 / 0"}, {"journal": "acme_journal"}, distribution="journal-acme")
    install({"corp_audit": "import nothing_of_the_kind"}, {"journal": "corp_audit"}, distribution="audit-corp")
    hooks = Hooks()
    hooks.load_entry_points("journal")
    assert {key: type(error) for key, error in hooks.broken.items()} == {
        "journal (journal-acme)": ZeroDivisionError,
        "journal (audit-corp)": ModuleNotFoundError,
    }


def test_an_older_version_that_is_shadowed_on_the_path_is_no_namesake(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install({"journal_new": GOOD}, {"journal": "journal_new"}, distribution="journal-acme", version="2.0")
    install({"journal_old": GOOD}, {"journal": "journal_old"}, distribution="journal-acme", version="1.0")
    hooks = Hooks()
    hooks.load_entry_points()
    assert hooks.broken == {}
    assert [listed.version for listed in hooks.plugins() if listed.name == "journal"] == ["2.0"]
    assert messages(caplog) == []


# What provides a codec or a transport.


@pytest.mark.parametrize("name", ["scripted", "something-else"])
@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_the_scheme_of_a_url_finds_the_plugin_that_registers_such_a_transport(
    install: Install, make: type[Client] | type[AsyncClient], name: str
) -> None:
    install({"hijacker": HIJACKER, "provider": PROVIDER}, {"a": "hijacker", name: "provider"})
    made = make("scripted:")
    assert [(listed.name, listed.distribution) for listed in made.hooks.plugins()] == [(name, "acme-plugins")]


@pytest.mark.parametrize("name", ["scripted", "terse", "something-else"])
def test_a_transport_and_a_codec_are_found_by_what_a_plugin_registers(install: Install, name: str) -> None:
    install({"hijacker": HIJACKER, "provider": PROVIDER}, {"a": "hijacker", name: "provider"})
    with Client("https://your.host", "a-token", transport="scripted", codec="terse") as made:
        assert made.databases.get_counters(5, resource_id=24) == []
        (exchange,) = sys.modules["provider"].observed
        assert exchange.request.headers["Content-Type"] == "application/terse"
        assert [listed.name for listed in made.hooks.plugins()] == [name]
        assert made.codecs.by_name("json").content_types[0] == "application/json"


def test_a_plugin_with_the_name_of_the_transport_is_tried_first(install: Install) -> None:
    install({"scripted_plugin": PROVIDER, "bad_plugin": "1 / 0"}, {"bad": "bad_plugin", "scripted": "scripted_plugin"})
    with Client("scripted:") as made:
        assert made.hooks.broken == {}
        assert "bad_plugin" not in sys.modules


def test_a_plugin_with_the_name_of_a_codec_that_does_not_register_it_is_passed_over(install: Install) -> None:
    install({"hijacker": HIJACKER, "provider": PROVIDER}, {"terse": "hijacker", "b": "provider"})
    with client([reply([], headers={"Content-Type": "application/json"})], codec="terse") as made:
        assert made.databases.get_counters(5, resource_id=24) == []
        assert [listed.name for listed in made.hooks.plugins()] == ["b"]


def test_an_unknown_codec_or_transport_is_a_lookup_error_that_names_the_plugins_that_cannot_be_loaded(
    install: Install,
) -> None:
    install({"bad_plugin": "1 / 0"}, {"bad": "bad_plugin"})
    for settings in ({"codec": "terse"}, {"transport": "scripted"}):
        with pytest.raises(LookupError, match=r"(terse|scripted)' is unknown, .* can't be loaded: bad$") as caught:
            Client("https://your.host", "a-token", **settings)  # type: ignore[arg-type]  # two settings in turn
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_url_that_no_plugin_serves_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no plugin serves 'pigeon:' URLs"):
        Client("pigeon:")


# What the client lists.


def test_a_client_lists_its_plugins_with_their_distributions(install: Install) -> None:
    install({"good_plugin": GOOD}, {"good": "good_plugin:__dict__"}, distribution="acme-dictionary")
    install({"better_plugin": GOOD}, {"журнал": "better_plugin"}, distribution="acme-journal", version="3.1")
    with client([], load_entry_points=True) as made:
        listed = [plugin for plugin in made.plugins() if plugin.distribution in ("acme-dictionary", "acme-journal")]
        loaded, failed = listed
    assert loaded == Plugin("журнал", "acme-journal", "3.1", "better_plugin", ("altcraft_exchange_started",))
    assert (failed.name, failed.hooks) == ("good", ())
    assert "TypeError: dict is not hashable" in str(failed.error)
