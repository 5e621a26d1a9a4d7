"""Plugins reach the command line: by name, by entry point, and in the list of `altcraft plugins`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from altcraft import hookimpl
from altcraft_plugins.cli.app import run


class Audit:
    """A plugin that counts submissions."""

    submitted = 0

    @hookimpl
    def altcraft_task_submitted(self, task: object) -> None:
        type(self).submitted += 1


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("acme_audit")
    module.Audit = Audit
    module.instance = Audit()
    module.altcraft_task_submitted = hookimpl(lambda task: module.heard.append(task.id))
    module.heard = []
    monkeypatch.setitem(sys.modules, "acme_audit", module)
    monkeypatch.setattr(Audit, "submitted", 0)
    return module


def refresh_in_the_sandbox(*args: str) -> int:
    return run(["databases", "refresh", "5", "--resource", "24", "--url", "sandbox:?pace=0", "--no-wait", *args])


def test_a_plugin_is_a_module_an_object_or_a_class(acme, capsys) -> None:
    assert refresh_in_the_sandbox("--plugin", "acme_audit") == 0
    assert len(acme.heard) == 1
    assert refresh_in_the_sandbox("--plugin", "acme_audit:instance", "--plugin", "acme_audit:Audit") == 0
    assert Audit.submitted == 2


def test_plugins_are_set_in_the_environment_with_commas(acme, capsys, monkeypatch) -> None:
    monkeypatch.setenv("ALTCRAFT_PLUGINS", "acme_audit,acme_audit:instance")
    assert refresh_in_the_sandbox() == 0
    assert (len(acme.heard), Audit.submitted) == (1, 1)


# ------------------------------------------------------------------------------------- of distributions

PLUGIN = """
from altcraft import hookimpl

@hookimpl
def altcraft_task_submitted(task):
    print("acme saw", task.operation)
"""


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution with a plugin that loads and another one that does not."""
    information = tmp_path / "acme_audit-2.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-audit\nVersion: 2.0\n")
    (information / "entry_points.txt").write_text("[altcraft]\nacme = acme_hooks\nbroken = acme_missing\n")
    (tmp_path / "acme_hooks.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_plugins_of_distributions_take_part_when_they_are_asked_for(distribution, capsys) -> None:
    assert refresh_in_the_sandbox() == 0
    assert "acme saw" not in capsys.readouterr().out
    assert refresh_in_the_sandbox("--entry-points") == 0
    assert "acme saw databases/refresh_counters" in capsys.readouterr().out


def test_the_list_says_where_each_comes_from_what_it_does_and_why_it_failed(distribution, command) -> None:
    ran = command("plugins", "--plugin", "acme_hooks")
    assert (ran.code, ran.err) == (0, "")
    assert "sandbox (altcraft-client" in ran.out
    assert "    altcraft_task_submitted\n" in ran.out
    assert "broken (acme-audit 2.0, acme_missing)\n    failed to load: " in ran.out
    assert "acme_missing" in ran.out


def test_the_list_is_a_line_a_plugin_with_json(distribution, command) -> None:
    ran = command("plugins", "--json")
    assert (ran.code, ran.err) == (0, "")
    plugins = {line["name"]: line for line in ran.lines}
    assert {line["event"] for line in ran.lines} == {"plugin"}
    assert plugins["acme"] == {
        "event": "plugin",
        "name": "acme",
        "distribution": "acme-audit",
        "version": "2.0",
        "value": "acme_hooks",
        "hooks": ["altcraft_task_submitted"],
        "error": None,
    }
    assert "acme_missing" in plugins["broken"]["error"]


def test_a_plugin_that_fails_when_it_registers_something_is_1_in_one_line(distribution: Path, command) -> None:
    (distribution / "acme_rude.py").write_text(
        "from altcraft import hookimpl\n"
        "@hookimpl\n"
        "def altcraft_register_codecs(registry):\n    raise RuntimeError('no licence')\n"
    )
    ran = command("databases", "counters", "5", "--resource", "24", "--url", "sandbox:", "--plugin", "acme_rude")
    assert (ran.code, ran.out) == (1, "")
    assert "RuntimeError: no licence" in ran.err
    assert "Traceback" not in ran.err
