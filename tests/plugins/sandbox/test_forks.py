"""A sandbox goes on in the parent and in the child after a fork, though its threads are busy."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

SETUP = """
import os, sys, threading, time
from altcraft import Client, Polling
from altcraft_plugins.sandbox import Sandbox
from altcraft_transports.wsgi import WsgiTransport

QUICK = Polling(initial=0.01, maximum=0.05)

def client(sandbox):
    return Client("https://sandbox.example", token="sandbox", transport=WsgiTransport(sandbox), polling=QUICK)

def in_child(work):
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as error:
            print("child:", type(error).__name__, error, flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

def count(client):
    assert client.databases.refresh_counters(5, resource_id=24).result(timeout=20)[0].total_count == 1336
"""


def run(script, *args):
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SETUP + textwrap.dedent(script), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_child_of_a_client_with_an_embedded_sandbox_goes_on():
    run("""
        with Client("sandbox:?pace=0.5", polling=QUICK) as client:
            count(client)
            client.databases.refresh_counters(5, resource_id=24)  # a thread counts it at the fork
            in_child(lambda: count(client))
            count(client)
    """)


@pytest.mark.slow
def test_children_forked_while_threads_count_and_submit_are_not_blocked():
    run("""
        sandbox = Sandbox(pace=0)
        over = threading.Event()
        altcraft = client(sandbox)

        def submit():
            while not over.is_set():
                count(altcraft)  # so that each thread has one task at a time
                with sandbox.rows() as rows:
                    rows.execute("SELECT count(*) FROM profiles").fetchone()

        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()

        def work():
            count(client(sandbox))

        for _ in range(10):
            time.sleep(0.02)
            in_child(work)
        over.set()
        for thread in threads:
            thread.join()
        sandbox.close()
    """)


@pytest.mark.slow
def test_a_child_with_a_file_shares_it_with_the_parent(tmp_path):
    run(
        """
        sandbox = Sandbox(db=sys.argv[1], pace=0)
        altcraft = client(sandbox)
        count(altcraft)

        def work():
            count(altcraft)
            sandbox.close()

        in_child(work)
        in_child(lambda: None)
        in_child(sandbox.close)
        with sandbox.rows() as rows:
            assert rows.execute("SELECT count(*) FROM tasks WHERE status = 'completed'").fetchone() == (2,)
            assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count(altcraft)
        altcraft.close()
        """,
        str(tmp_path / "sandbox.sqlite3"),
    )


@pytest.mark.slow
def test_a_delivery_that_is_pending_at_the_fork_is_made_once():
    out = run("""
        from altcraft_plugins.sandbox.server import bind

        def receiver(environ, start_response):
            print("delivered", flush=True)
            start_response("204 No Content", [])
            return []

        with bind(receiver) as server:
            sandbox = Sandbox(pace=0.5, feedback="late", feedback_delay=0.5)
            altcraft = client(sandbox)
            from altcraft import Feedback
            first = altcraft.databases.refresh_counters(5, resource_id=24, feedback=Feedback(server.url))
            first.result(timeout=20)
            second = altcraft.databases.refresh_counters(5, resource_id=24, feedback=Feedback(server.url))

            def work():
                second.result(timeout=20)
                time.sleep(1)

            in_child(work)
            second.result(timeout=20)
            time.sleep(1.5)
            altcraft.close()
    """)
    assert out == "delivered\n" * 2


@pytest.mark.slow
def test_a_fork_inside_rows_leaves_both_processes_usable():
    run("""
        sandbox = Sandbox(pace=0)
        with sandbox.rows() as rows:
            child = os.fork()
        count(client(sandbox))
        if not child:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """)
