"""`TransportSettings`, and what the registry does with them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

import altcraft
from altcraft import TransportSettings
from altcraft.wire.transport import TransportRegistry

URL = "https://x.example"


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = TransportSettings()
    assert (settings.proxy, settings.trust_env, settings.ssl_context, settings.connections) == (None, True, None, None)
    assert (settings.max_response, settings.keep_idle) == (64 * 1024 * 1024, 30.0)


def test_settings_are_values_that_are_copied_with_changes() -> None:
    settings = TransportSettings(connections=2)
    changed = settings.replace(keep_idle=5)
    assert changed == TransportSettings(connections=2, keep_idle=5)
    assert settings == TransportSettings(connections=2)
    assert pickle.loads(pickle.dumps(changed)) == changed
    with pytest.raises(AttributeError):
        settings.connections = 3  # type: ignore[misc]  # it is frozen


@pytest.mark.parametrize(
    "change",
    [
        {"connections": 0}, {"connections": 2.5}, {"max_response": 0}, {"keep_idle": -1}, {"keep_idle": float("nan")},
        {"proxy": ""}, {"proxy": "ftp://proxy"}, {"proxy": "http://proxy:99999"}, {"proxy": "http://a b"},
        {"proxy": "http://proxy/path"},
    ],
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"seconds|a whole number|URL"):
        TransportSettings(**change)
    with pytest.raises(ValueError, match=r"seconds|a whole number|URL"):
        TransportSettings().replace(**change)


def test_a_proxy_without_a_scheme_is_an_http_one() -> None:
    assert TransportSettings(proxy="proxy.example:3128").proxy == "http://proxy.example:3128"
    assert TransportSettings(proxy="socks5h://[::1]:1080").proxy == "socks5h://[::1]:1080"


def test_no_text_about_a_proxy_shows_its_password() -> None:
    rich = pytest.importorskip("rich.pretty")
    for url in ("http://user:s3cret@proxy:3128", "user:s3cret@proxy", "https://s3cret@proxy"):
        settings = TransportSettings(proxy=url)
        shown = repr(settings) + str(settings) + rich.pretty_repr(settings)
        assert "s3cret" not in shown
        assert "***@proxy" in shown
        assert settings.proxy is not None
        assert "s3cret" in settings.proxy
    with pytest.raises(ValueError, match="proxy:99999") as caught:
        TransportSettings(proxy="http://user:s3cret@proxy:99999")
    assert "s3cret" not in str(caught.value)


def registry(**factories: Callable[..., Any]) -> TransportRegistry:
    made = TransportRegistry()
    made.register("theirs", factories.get("sync"), async_factory=factories.get("tasks"))
    return made


@pytest.mark.parametrize("method", ["create", "create_async"])
def test_a_factory_with_a_parameter_for_settings_is_given_those_of_the_client(method: str) -> None:
    settings = TransportSettings(connections=3)

    def named(url: str, settings: TransportSettings | None = None) -> object:
        return url, settings

    def open_to_all(url: str, **options: object) -> object:
        return url, options.get("settings")

    for factory in (named, open_to_all):
        create = getattr(registry(sync=factory, tasks=factory), method)
        assert create("theirs", URL, settings) == (URL, settings)
        assert create("theirs", URL, settings=settings) == (URL, settings)
        assert create("theirs", URL) == (URL, None)


@pytest.mark.parametrize("method", ["create", "create_async"])
def test_a_factory_without_one_serves_clients_without_settings_and_refuses_the_others(method: str) -> None:
    create = getattr(registry(sync=lambda url: url, tasks=lambda url: url), method)
    assert create("theirs", URL) == URL
    assert create("theirs", URL, None) == URL
    with pytest.raises(TypeError, match="'theirs' takes no settings"):
        create("theirs", URL, TransportSettings(connections=3))


def test_settings_are_part_of_the_public_surface() -> None:
    assert altcraft.TransportSettings is TransportSettings
    assert "TransportSettings" in altcraft.__all__
