"""The distribution: what it needs, what it declares, and what its wheel carries."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import hatchling.build
import pytest

import altcraft

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"altcraft": "core", "altcraft_transports": "transports", "altcraft_plugins": "plugins"}


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        name = hatchling.build.build_wheel(str(directory))
    return zipfile.ZipFile(directory / name)


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}


def test_four_libraries_are_required_and_no_more(settings: dict[str, Any]) -> None:
    assert names(settings["project"]["dependencies"]) == {"msgspec", "urllib3", "defusedxml", "pluggy"}


def test_every_requirement_has_a_lower_bound(settings: dict[str, Any]) -> None:
    optional = settings["project"]["optional-dependencies"].values()
    requirements = [*settings["project"]["dependencies"], *(one for extra in optional for one in extra)]
    ours = [one for one in requirements if not one.startswith("altcraft-client[")]
    assert [one for one in ours if not re.search(r"[>=]=\d", one)] == []


def test_everything_that_is_recommended_for_installing_can_be_had_in_a_clone(settings: dict[str, Any]) -> None:
    """Nothing is published, so no text may send its reader to an index for this distribution."""
    extras = settings["project"]["optional-dependencies"]
    required = settings["project"]["dependencies"]
    known = names([one for group in (required, *extras.values()) for one in group]) | {"hatchling", "nox", "atheris"}
    sources = [path for folder in (*PACKAGES.values(), "docs") for path in (ROOT / folder).rglob("*")]
    found = 0
    for path in [*sources, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "noxfile.py"]:
        if path.suffix not in {".py", ".md"}:
            continue
        for words in re.findall(r"pip install ((?:'[^']+'|[\w.-]+|[ ])+)", path.read_text("utf-8")):
            for word in words.split():
                found += 1
                extra = re.fullmatch(r"'?\.(?:\[(.+)\])?'?", word)
                if extra:
                    assert set((extra[1] or "cli").split(",")) <= set(extras), f"{path}: {word}"
                else:
                    assert word.startswith("-") or word in known, f"{path}: pip install {word}"
    assert found > 10


def test_the_version_is_stated_once(settings: dict[str, Any], wheel: zipfile.ZipFile) -> None:
    """The installed metadata may be older: an editable installation keeps those of its day."""
    assert settings["project"]["dynamic"] == ["version"]
    assert f"altcraft_client-{altcraft.__version__}.dist-info/METADATA" in wheel.namelist()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_imported_from_its_own_source_root(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).parent == ROOT / PACKAGES[package] / package


def test_the_wheel_carries_the_three_packages_typed_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    files = wheel.namelist()
    tops = {file.split("/")[0] for file in files}
    assert tops == {*PACKAGES, f"altcraft_client-{altcraft.__version__}.dist-info"}
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(files)
    assert not [file for file in files if "__pycache__" in file or file.endswith(".pyc")]


def test_the_wheel_carries_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    for package, root in PACKAGES.items():
        ours = {
            path.relative_to(ROOT / root).as_posix() for path in (ROOT / root / package).rglob("*") if path.is_file()
        }
        assert {file for file in ours if "__pycache__" not in file} <= set(wheel.namelist())


def test_the_wheel_carries_the_licence(wheel: zipfile.ZipFile) -> None:
    (licence,) = (file for file in wheel.namelist() if file.endswith("/LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_every_entry_point_leads_to_something_that_imports() -> None:
    ours = importlib.metadata.distribution("altcraft-client").entry_points
    assert {(point.group, point.name) for point in ours} >= {
        ("console_scripts", "altcraft"),
        ("altcraft", "sandbox"),
    }
    for point in ours:
        assert point.load() is not None


def test_no_import_package_holds_a_file_without_being_declared() -> None:
    for root in PACKAGES.values():
        folders = {path for path in (ROOT / root).iterdir() if path.is_dir() and path.name != "__pycache__"}
        distributions = {path for path in folders if (path / "pyproject.toml").exists()}
        assert {path.name for path in folders - distributions} <= set(PACKAGES)


def test_every_changelog_fragment_has_a_known_type_and_says_something(settings: dict[str, Any]) -> None:
    types = {entry["directory"] for entry in settings["tool"]["towncrier"]["type"]}
    for fragment in (ROOT / "changelog.d").iterdir():
        if fragment.name != "README.md":
            assert re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(types)})\.md", fragment.name)
            assert fragment.read_text("utf-8").strip()
