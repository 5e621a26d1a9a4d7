"""Every check of the project, one session each; `.ci/run` runs them all. Needs only nox (`pip install nox`).

`nox` alone runs what a change should pass before it is proposed; `nox -l` lists the rest.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import shutil
import subprocess

import nox

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
NEXT_PYTHON = "3.14"  # not promised yet; tried where it is installed
PACKAGES = ["altcraft", "altcraft_transports", "altcraft_plugins"]
PACKAGE_FOLDERS = ["core", "transports", "plugins"]

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "tests"]


@nox.session(python=[*PYTHONS, NEXT_PYTHON])
def tests(session: nox.Session) -> None:
    """The test suite, with the newest versions of everything."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-q", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """The tests that the README's line leaves out, and the property tests with many examples.

    Those that need more than Python packages, or a build, have sessions of their own.
    """
    session.install("-e", ".[test]")
    apart = "not servers and not frozen and not browser and not redis and not postgresql and not engines"
    session.run(
        "python",
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-m",
        f"(slow or hypothesis) and {apart}",
        "--durations=40",
        *session.posargs,
        env={"HYPOTHESIS_PROFILE": "thorough"},
    )


@nox.session
def servers(session: nox.Session) -> None:
    """The scenario behind real servers. Needs nginx and squid, from the system's packages."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-q", "-m", "servers", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The report in headless Chromium, with axe-core. Needs Chromium, from the system's packages."""
    session.install("-e", ".[browser,test]")
    session.run("python", "-m", "pytest", "-q", "-m", "browser", *session.posargs)


@nox.session
def celery(session: nox.Session) -> None:
    """Celery's workers on a real Redis, one of them killed. Needs redis-server, from the system's packages."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-q", "-s", "-m", "redis", "tests/plugins/celery", *session.posargs)


@nox.session
def procrastinate(session: nox.Session) -> None:
    """The recipe with Procrastinate, a worker killed. Needs PostgreSQL's server, from the system's packages."""
    session.install("-e", ".[feedback,procrastinate]", "hypothesis", "pytest>=8.1")
    session.run("python", "-m", "pytest", "-q", "-m", "postgresql", "tests/engines", *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """The pages on Dagster and Prefect, whose dependencies are many: an environment without the other extras."""
    session.install("-e", ".[engines,feedback]", "hypothesis", "pytest>=8.1")
    session.run("python", "-m", "pytest", "-q", "-m", "engines", "tests/engines", *session.posargs)


@nox.session
def airflow(session: nox.Session) -> None:
    """The provider for Airflow 3, beside the library, both from wheels: mypy, then its tests with a whole Airflow.

    Skipped, with a warning, where Airflow can't be installed.
    """
    folder = pathlib.Path("plugins/airflow-provider-altcraft")
    wheels = pathlib.Path(session.create_tmp()).resolve() / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    try:
        session.install("apache-airflow>=3.0", "hatchling>=1.26", "mypy>=1.15,<3", "pytest>=8.1")
    except nox.command.CommandFailed:
        session.skip("apache-airflow could not be installed: the provider for Airflow is NOT tested")
    build = ["python", "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    session.run(*build, ".", f"./{folder}")
    (library,) = wheels.glob("altcraft_client-*.whl")
    (provider,) = wheels.glob("airflow_provider_altcraft-*.whl")
    session.install("--force-reinstall", "--no-deps", str(library), str(provider))
    session.install(f"{library}[cli]")
    session.run("python", "-m", "pip", "check")
    session.run("mypy", "--config-file", str(folder / "pyproject.toml"), str(folder / "src"))
    session.run("python", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", str(folder), *session.posargs)


@nox.session
def frozen(session: nox.Session) -> None:
    """Programs that PyInstaller packs, from an installation that is not editable."""
    session.install(".[freeze,test-core]", "hatchling>=1.26")
    session.run("python", "-m", "pytest", "-q", "-m", "frozen", "tests/packed", *session.posargs)


@nox.session(python=PYTHONS)
def lowest(session: nox.Session) -> None:
    """The essential tests (`--essential`), with the lowest version of each requirement that pyproject.toml admits."""
    session.install("-e", ".[test-core]")
    # pytest is built on pluggy too: 8.1 is the last that takes the lowest one. A resolver would refuse its plugins.
    session.install("--no-deps", "pytest==8.1.*", *lowest_requirements())
    session.run("python", "-m", "pip", "list")
    session.run("python", "-m", "pytest", "-q", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, the floors, and the state of the changelog."""
    session.install("-e", ".[lint]", "towncrier")
    session.run("ruff", "check", "--output-format", "concise", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)


@nox.session
def types(session: nox.Session) -> None:
    """Two type checkers, both strict; pyproject.toml names the rules that pyright leaves out."""
    session.install("-e", ".[lint,test]", "nox")
    session.run("mypy")
    session.run("mypy", "tests/typed_surface.py", "noxfile.py")
    session.run("pyright")


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel, out of sight of the source tree: installed without extras, then with the command line's."""
    dist = pathlib.Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(dist), ".")
    (built,) = (path.resolve() for path in dist.glob("*.whl"))
    session.install("--force-reinstall", str(built))
    with session.chdir(dist):
        session.run("python", "-I", "-c", f"import {', '.join(PACKAGES)}; print(*{PACKAGES}, 'imported')")
        # Without the extra, the command says in one line what to install.
        said = session.run("altcraft", success_codes=[2], silent=True)
        if not isinstance(said, str) or len(said.splitlines()) != 1 or "pip install" not in said:
            session.error(f"`altcraft` without its extra said {said!r}")
        session.install(f"{built}[cli]")
        session.run("altcraft", "demo")


@nox.session
def examples(session: nox.Session) -> None:
    """The packages of docs/examples, as strangers install them: wheels, a clean environment, their tests, pyright."""
    folders = sorted(pathlib.Path("docs/examples").glob("altcraft-*"))
    wheels, elsewhere = (pathlib.Path(session.create_tmp()).resolve() / name for name in ("wheels", "elsewhere"))
    for folder in (wheels, elsewhere):
        shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(wheels), ".", *map(str, folders))
    (library,) = wheels.glob("altcraft_client-*.whl")
    session.install("--force-reinstall", "pytest", "trustme", f"{library}[cli]")
    session.install("--force-reinstall", "--no-deps", *(str(path) for path in wheels.glob("*.whl") if path != library))
    session.install("h11>=0.14")  # what the packages ask for beside the library
    session.run("python", "-m", "pip", "check")
    for folder in folders:
        shutil.copytree(folder / "tests", elsewhere / folder.name)  # where no source is in sight
        with session.chdir(elsewhere / folder.name):
            session.run("python", "-I", "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", ".")
    # All of them at once, in one client.
    shutil.copy("tests/examples/together.py", elsewhere)
    session.run("python", "-I", str(elsewhere / "together.py"))
    session.install("pyright[nodejs]==1.1.414")
    for folder in folders:
        session.run("pyright", "--pythonpath", str(pathlib.Path(session.bin) / "python"), "-p", str(folder))


@nox.session
def audit(session: nox.Session) -> None:
    """Known weaknesses of what users install. Skipped where no database of them answers."""
    session.install("pip-audit")
    work = pathlib.Path(session.create_tmp()).resolve()
    control = work / "control.txt"
    control.write_text("urllib3==2.0.2\n")  # has known weaknesses: a service that names none has no data
    service = next((name for name in ("pypi", "osv") if any(weaknesses(session, control, name).values())), None)
    if service is None:
        session.skip("neither PyPI nor OSV tells known weaknesses here; nothing was audited")
    place = work / "installed"
    session.run("python", "-m", "venv", "--clear", str(place))
    session.run(
        str(place / "bin/pip"), "install", "-q", ".[aiohttp,celery,cli,feedback,httpx,otel,pycurl]", external=True
    )
    frozen = session.run(
        str(place / "bin/pip"), "freeze", "--exclude", "altcraft-client", silent=True, external=True, log=False
    )
    assert isinstance(frozen, str)
    installed = work / "installed.txt"
    installed.write_text("".join(f"{line}\n" for line in frozen.splitlines() if re.match(r"[\w.-]+==", line)))
    found = weaknesses(session, installed, service)
    known = {name: ids for name, ids in found.items() if ids}
    if known:
        session.error(f"known weaknesses: {known}")
    session.log(f"{len(found)} packages, no known weakness, says {service}")


def weaknesses(session: nox.Session, requirements: pathlib.Path, service: str) -> dict[str, list[str]]:
    """The ids of each package's known weaknesses. Leaves out a package that the service does not know, and warns."""
    answer = requirements.with_suffix(f".{service}.json")
    answer.unlink(missing_ok=True)
    options = [
        "--no-deps",
        "--disable-pip",
        "--progress-spinner",
        "off",
        "-f",
        "json",
        "-o",
        str(answer),
        "-s",
        service,
    ]
    session.run("pip-audit", "-r", str(requirements), *options, success_codes=[0, 1], silent=True)
    if not answer.exists():  # the service does not answer
        return {}
    packages = json.loads(answer.read_text())["dependencies"]
    for package in packages:
        if "skip_reason" in package:
            session.warn(f"not audited: {package['name']}: {package['skip_reason']}")
    return {each["name"]: [weakness["id"] for weakness in each["vulns"]] for each in packages if "vulns" in each}


@nox.session
def docs(session: nox.Session) -> None:
    """The site, in `build/site`: every warning and every reference without a target is an error. Then the spelling."""
    session.install("-e", ".[docs]")
    session.run("python", "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "docs", "build/site", *session.posargs)
    session.run("python", "tests/site/check_names.py", "build/site")
    session.run("codespell", "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs", *PACKAGE_FOLDERS)


@nox.session
def release(session: nox.Session) -> None:
    """The archives of a release: reproducible, checked, and tried out on every interpreter. Uploads nothing."""
    session.install("build", "twine", "check-wheel-contents")
    work = pathlib.Path(session.create_tmp()).resolve()
    shutil.rmtree(work, ignore_errors=True)
    dated = subprocess.run(["git", "log", "-1", "--format=%ct"], check=True, capture_output=True, text=True).stdout
    builds = [work / "dist", work / "again"]
    for folder in builds:
        session.run("python", "-m", "build", "-o", str(folder), env={"SOURCE_DATE_EPOCH": dated.strip()}, silent=True)
    hashes = [
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} for folder in builds
    ]
    if hashes[0] != hashes[1]:
        session.error(f"two builds differ: {hashes}")
    for name, digest in hashes[0].items():
        session.log(f"sha256 {digest} {name}")
    archives = [str(path) for path in builds[0].iterdir()]
    session.run("twine", "check", "--strict", *archives)
    session.run("check-wheel-contents", *(path for path in archives if path.endswith(".whl")))
    for version in [*PYTHONS, NEXT_PYTHON]:
        python = shutil.which(f"python{version}")
        probe = [python or "python", "-c", "import ensurepip"]  # a version manager's shim may be there without one
        if python is None or subprocess.run(probe, check=False, capture_output=True).returncode:
            session.warn(f"python {version}: not on this machine, skipped")
            continue
        for archive in archives:
            place = work / f"{version}{pathlib.Path(archive).suffix}"
            session.run(python, "-m", "venv", str(place), external=True)
            session.run(str(place / "bin/pip"), "install", "-q", f"{archive}[cli]", external=True)
            session.run(str(place / "bin/altcraft"), "demo", external=True, silent=True)
    (sources,) = builds[0].glob("*.tar.gz")
    shutil.unpack_archive(sources, work / "sources", filter="data")
    (unpacked,) = (work / "sources").iterdir()
    with session.chdir(unpacked):
        session.install("-e", ".[test]")
        session.run("python", "-m", "pytest", "-q", "-n", "2", "-m", "not slow", *session.posargs)


@nox.session
def startup(session: nox.Session) -> None:
    """What `import altcraft` costs against what it cannot do without: figures to look at, not a check."""
    session.install("-e", ".")
    session.run("python", "tests/benchmarks/startup.py", *session.posargs)


def lowest_requirements() -> list[str]:
    """`name==version` for each required dependency, its lower bound read from pyproject.toml."""
    dependencies = nox.project.load_toml("pyproject.toml")["project"]["dependencies"]
    return [re.sub(r"^([\w.-]+)>=([^,]+).*$", r"\1==\2", dependency) for dependency in dependencies]
