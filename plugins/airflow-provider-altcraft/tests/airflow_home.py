"""An Airflow of its own for a test: a folder, a database, and processes that use them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/airflow.md"


def dags_of_the_page() -> list[str]:
    """The python blocks of docs/how-to/airflow.md: each is the file of a DAG."""
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


class AirflowHome:
    """A folder of Airflow with its database and its DAGs. `environment` is that of its processes."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        (folder / "dags").mkdir(parents=True)
        self.environment = {
            **os.environ,
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            **settings,
        }
        for number, text in enumerate(dags_of_the_page()):
            self.add(f"page_{number}.py", text)

    def add(self, name: str, text: str) -> None:
        """Puts a DAG's file into its folder."""
        (self.folder / "dags" / name).write_text(text, "utf-8")

    def run(self, *arguments: str, timeout: float = 900) -> str:
        """What a command of Airflow prints, errors included. Fails if the command does."""
        done = subprocess.run(
            ["airflow", *arguments],
            check=False,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"airflow {' '.join(arguments)}:\n{done.stdout[-8000:]}"
        return done.stdout

    def keeps(self, text: str) -> bool:
        """Whether a text is in the database, or in a log."""
        return any(
            text.encode() in path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.suffix != ".py"
        )
