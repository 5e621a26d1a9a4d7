"""What observers cost: instructions of one exchange, by valgrind, for no observer, the logs and OpenTelemetry.

    python -m tests.benchmarks.observers [SUBJECT…]

Beside them, what OpenTelemetry's own instrumentations of urllib3 and requests add to an exchange with a server on
loopback.
"""

from __future__ import annotations

import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.benchmarks.instructions import Case, count
from tests.benchmarks.observers.subject import SUBJECTS

OTHERS = ("urllib3", "requests")


class Answer(BaseHTTPRequestHandler):
    """The same reply to every request, over a connection that is kept."""

    protocol_version = "HTTP/1.1"
    body = b'{"data":{"status":"running","progress":40},"error":0,"error_text":"Successful operation"}'

    def do_POST(self) -> None:
        """Answers."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = str(server.server_port)
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"  # the stable conventions, as ours
    found: dict[str, int] = {}
    print("| observer | instructions an exchange | more than without |\n|---|---:|---:|")
    for subject in sys.argv[1:] or SUBJECTS:
        setup = f"from tests.benchmarks.observers.subject import SUBJECTS\nexchange = SUBJECTS[{subject!r}]({port!r})"
        cost = count({"": Case(setup, "exchange()")})[""]  # instrumentations are for a whole process
        if cost.per_call is None:
            raise RuntimeError(cost.note)
        found[subject] = round(cost.per_call)
        base = subject.partition(",")[0]
        without = found.get(base if base in OTHERS else "none", found[subject])
        print(f"| {subject} | {found[subject]:,} | {found[subject] - without:,} |", flush=True)


if __name__ == "__main__":
    main()
