"""The extension of IPython shows lists of statistics as tables, and leaves all other lists alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from IPython.core.formatters import DisplayFormatter

import altcraft
from altcraft import ChannelStatistics, Counters, SegmentStatistics
from altcraft_plugins.notebook import load_ipython_extension, unload_ipython_extension

EMAIL = ChannelStatistics("email", {"subscribed": 925})


@pytest.fixture
def shell():
    return SimpleNamespace(display_formatter=DisplayFormatter())


def shown(shell, value):
    """The media types in which a notebook shows a value."""
    data, _ = shell.display_formatter.format(value)
    return data


@pytest.mark.parametrize("value", [EMAIL, SegmentStatistics(channels=[EMAIL]), altcraft.rows([EMAIL])])
def test_statistics_channels_and_rows_are_tables_without_the_extension(shell, value):
    assert shown(shell, value)["text/html"].startswith("<table")
    assert "text/plain" in shown(shell, value)


def test_lists_of_statistics_and_of_channels_are_tables_with_it(shell):
    results = [SegmentStatistics(channels=[EMAIL], list_id=1), SegmentStatistics(list_id=2)]
    assert "text/html" not in shown(shell, results)
    load_ipython_extension(shell)
    assert shown(shell, results)["text/html"].count("<table") == 2
    assert shown(shell, [EMAIL, EMAIL])["text/html"].count("<table") == 1


def test_lists_that_show_themselves_still_do(shell):
    class Fancy(list[int]):
        def _repr_html_(self) -> str:
            return "<b>fancy</b>"

    load_ipython_extension(shell)
    assert shown(shell, Fancy([1]))["text/html"] == "<b>fancy</b>"
    assert shown(shell, altcraft.rows([EMAIL]))["text/html"].startswith("<table")


@pytest.mark.parametrize("value", [[], [1, 2], [EMAIL, 1], [SegmentStatistics(), EMAIL], ["<b>"], Counters({"all": 1})])
def test_other_values_are_shown_as_before(shell, value):
    before = shown(shell, value)
    load_ipython_extension(shell)
    assert shown(shell, value) == before


def test_it_can_be_unloaded(shell):
    load_ipython_extension(shell)
    unload_ipython_extension(shell)
    unload_ipython_extension(shell)
    assert "text/html" not in shown(shell, [EMAIL])
