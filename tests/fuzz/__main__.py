"""Feed mutants of the golden documents to the codecs. Each must be a value or a DecodeError.

    python -m tests.fuzz [--codec json xml fastpath] [--executions 2000000] [--seed 1] [--json]

`fastpath` reads each mutant with the fast path of XML and with the general reader, and compares. The same seed makes
the same documents. Exits with 1, and shows the document, when one breaks a promise.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as pytest does, for `python -m tests.fuzz`

from fuzz.fastpath import Difference, compare
from fuzz.run import Failure, fuzz


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", nargs="+", default=["json", "xml", "fastpath"], choices=["json", "xml", "fastpath"])
    parser.add_argument("--executions", type=int, default=2_000_000, help="documents for each codec (2000000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print a JSON line for each codec")
    options = parser.parse_args()
    for name in options.codec:
        began = time.perf_counter()
        try:
            run = compare if name == "fastpath" else partial(fuzz, name)
            counts = run(options.executions, options.seed)
        except (Failure, Difference) as failure:
            print(f"{name}: {failure}")  # noqa: T201
            return 1
        seconds = time.perf_counter() - began
        figures = {
            "codec": name, "executions": options.executions, "seed": options.seed, "failures": 0, **counts,
            "seconds": round(seconds, 1), "python": platform.python_version(),
        }  # fmt: skip
        said = f"{name}: {options.executions:,} executions, 0 failures; {dict(counts)}; {seconds:.0f} s"
        print(json.dumps(figures) if options.json else said, flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
