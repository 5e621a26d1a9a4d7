"""Starts and ends nginx and squid: each a process of its own on free loopback ports, with a temporary folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import trustme

__all__ = ["Authority", "Nginx", "Squid", "free_ports", "missing_programs"]

START_WITHIN = 30.0
"""Seconds that a server may take to listen. Squid needs one on an idle machine."""
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def find_program(name: str) -> str | None:
    """The path of a server's program. Debian puts them into folders that only root has on PATH."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), SBIN]))


def missing_programs() -> list[str]:
    """Those of the two programs that this machine does not have."""
    return [name for name in ("nginx", "squid") if find_program(name) is None]


def free_ports(count: int) -> list[int]:
    """So many loopback ports on which nothing listens."""
    with contextlib.ExitStack() as held:
        return [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


class Authority:
    """A private certificate authority, and a certificate of it for `localhost` and 127.0.0.1; `file` is its own one."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        issued = self._authority.issue_cert("localhost", "127.0.0.1")
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.file))
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.key.chmod(0o644)  # squid reads it after it has given up being root

    def client_context(self) -> ssl.SSLContext:
        """A TLS context for a client that trusts this authority and no other."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that a server may write to after it has given up being root; pytest's own is closed to it."""
    with tempfile.TemporaryDirectory(prefix="altcraft-servers-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


class _Server:
    """A server in the foreground of a process. `with` starts it and ends it; `log` is what it printed."""

    def __init__(self, folder: Path, ports: list[int], command: list[str]) -> None:
        self.folder = folder
        self._ports = ports
        self._command = command
        self._output = folder / "output.log"

    def __enter__(self) -> None:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            for port in self._ports:
                self._await_listening(port)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        # The workers and helpers share the session of the process that was started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def log(self) -> str:
        return "".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log")))

    def _await_listening(self, port: int) -> None:
        until = time.monotonic() + START_WITHIN
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self._command[0]} does not listen on port {port}:\n{self.log()}")


class Place(NamedTuple):
    """One server block of nginx: its port, and the URLs under which clients reach it."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        return f"https://localhost:{self.port}"


class Answer(NamedTuple):
    """A line of nginx's access log. `coding` is the reply's Content-Encoding, "-" for none."""

    status: int
    coding: str
    uri: str


class Nginx(_Server):
    """nginx with one server block for each entry of `places`: a name, and the block's directives without `listen`.

    In a directive, `{name.port}` stands for the port of the place of that name. `tls` names the places that speak TLS
    and offer HTTP/2 as well as HTTP/1.1.
    """

    def __init__(
        self,
        folder: Path,
        places: Mapping[str, str],
        *,
        tls: frozenset[str] = frozenset(),
        authority: Authority | None = None,
    ) -> None:
        self.places = {name: Place(port) for name, port in zip(places, free_ports(len(places)), strict=True)}
        (self._marked,) = free_ports(1)
        blocks = [f"server {{ listen 127.0.0.1:{self._marked}; return 204; }}"]
        for name, directives in places.items():
            listen = f"listen 127.0.0.1:{self.places[name].port}"
            if name in tls:
                assert authority is not None
                listen += f" ssl http2; ssl_certificate {authority.certificate}; ssl_certificate_key {authority.key}"
            blocks.append(f"server {{ {listen}; server_name localhost;\n{directives} }}")
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = folder / "nginx.conf"
        configuration.write_text(_NGINX.format(user=user, blocks="\n".join(blocks)), "utf-8")
        program = find_program("nginx")
        assert program is not None
        command = [program, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
        super().__init__(folder, [place.port for place in self.places.values()], command)

    def answers(self, name: str) -> list[Answer]:
        """What the place of that name has answered so far, in order.

        One worker handles all requests and logs each when it has sent the reply. So the log is complete once it shows a
        request that was made just now.
        """
        port = self.places[name].port
        mark = f"/mark-{uuid.uuid4().hex}"
        with (
            contextlib.suppress(urllib.error.URLError),
            urllib.request.urlopen(f"http://127.0.0.1:{self._marked}{mark}"),
        ):
            pass
        until = time.monotonic() + 10
        while mark not in (text := (self.folder / "access.log").read_text("utf-8")):
            assert time.monotonic() < until, "nginx does not log"
            time.sleep(0.005)
        lines = (line.split() for line in text.splitlines())
        return [Answer(int(status), coding, uri) for at, status, coding, uri in lines if int(at) == port]

    def reload(self) -> None:
        """Has nginx read its configuration again. New workers take over; the old ones finish what they are doing."""
        self._process.send_signal(signal.SIGHUP)


_NGINX = """\
daemon off;
{user}
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 512; }}
http {{
    map $sent_http_content_encoding $coding {{ "" "-"; default $sent_http_content_encoding; }}
    log_format answers '$server_port $status $coding $request_uri';
    access_log access.log answers;
    client_body_temp_path body;
    proxy_temp_path proxied;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    proxy_set_header Host $http_host;
    limit_req_zone $server_port zone=few:64k rate=2r/s;
    {blocks}
}}
"""


class Squid(_Server):
    """squid as a forward proxy that wants a password; `port` speaks plain HTTP with clients, `tls_port` TLS.

    It connects by CONNECT to the ports in `tunnels` only, and forwards plain requests anywhere.
    """

    user, password = "user", "s3cret p@ss"
    quoted = "user:s3cret%20p%40ss"

    def __init__(self, folder: Path, authority: Authority, tunnels: list[int]) -> None:
        self.port, self.tls_port = free_ports(2)
        (folder / "check").write_text(
            _CHECK.format(user=self.user, password=self.password.replace(" ", "%20")), "utf-8"
        )
        configuration = folder / "squid.conf"
        configuration.write_text(
            _SQUID.format(
                port=self.port,
                tls_port=self.tls_port,
                authority=authority,
                folder=folder,
                tunnels=" ".join(map(str, tunnels)),
            ),
            "utf-8",
        )
        program = find_program("squid")
        assert program is not None
        command = [program, "-N", "-f", str(configuration), "-n", f"altcraft{self.port}"]
        super().__init__(folder, [self.port, self.tls_port], command)

    def address(self, credentials: str | None = None, *, tls: bool = False) -> str:
        """The proxy's URL, with a percent-encoded `user:password`, or without any."""
        place = f"localhost:{self.tls_port}" if tls else f"127.0.0.1:{self.port}"
        return f"{'https' if tls else 'http'}://{credentials + '@' if credentials else ''}{place}"

    def carried(self) -> int:
        """How many requests and tunnels of users with the right password squid has carried so far.

        Squid logs a tunnel when it has ended. So this asks until the number has not grown for a quarter of a second.
        """
        count, steady = -1, 0
        while steady < 5:
            lines = (self.folder / "access.log").read_text("utf-8").splitlines()
            seen = sum(1 for line in lines if f" {self.user} " in line)
            steady = steady + 1 if seen == count else 0
            count = seen
            time.sleep(0.05)
        return count


# Squid hands over what the client sent, blanks and some other characters percent-encoded.
_CHECK = """\
while read -r user password; do
    if [ "$user" = "{user}" ] && [ "$password" = "{password}" ]; then echo OK; else echo ERR; fi
done
"""

_SQUID = """\
http_port 127.0.0.1:{port}
https_port 127.0.0.1:{tls_port} tls-cert={authority.certificate} tls-key={authority.key}
visible_hostname localhost
auth_param basic program /bin/sh {folder}/check
auth_param basic children 2 startup=1 idle=1
auth_param basic realm servers
acl tunnels port {tunnels}
acl CONNECT method CONNECT
acl users proxy_auth REQUIRED
http_access deny !users
http_access deny CONNECT !tunnels
http_access allow users
cache deny all
cache_mem 8 MB
maximum_object_size_in_memory 64 KB
memory_pools off
max_filedescriptors 1024
shutdown_lifetime 0 seconds
forward_timeout 5 seconds
connect_timeout 5 seconds
pinger_enable off
pid_filename {folder}/squid.pid
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
coredump_dir {folder}
netdb_filename none
"""
