"""A server of our own on loopback, for load tests: started, watched, and stopped for certain."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SERVE = Path(__file__).with_name("serve.py")
START_TIMEOUT_S = 900.0
STOP_TIMEOUT_S = 30.0
_REPLICA_TITLE = "ray::ServeReplica:default:Model"


@dataclass(frozen=True)
class RunningServer:
    """A server process and what Ray started under it.

    Attributes:
        url: without a slash at the end.
        pid: of `serve.py`.
        log: file with everything that it and its replicas print.
    """

    url: str
    pid: int
    log: Path

    def model_pids(self) -> list[int]:
        """Processes of the model's replicas, of this server alone."""
        return [pid for pid in descendants(self.pid) if _title(pid).startswith(_REPLICA_TITLE)]


@contextmanager
def running_server(artifact: Path, options: Sequence[str] = ()) -> Iterator[RunningServer]:
    """Start `serve.py` on a free port of loopback and stop it, with all its children, at the end.

    Args:
        artifact: folder of artefacts.
        options: further options of `serve.py`.

    Raises:
        RuntimeError: it did not become ready; the message ends with its log.
    """
    port = _free_port()
    # Ray puts sockets in here, and the path of a socket has 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="sr-", dir="/tmp"))
    log = folder / "serve.log"
    command = [sys.executable, str(SERVE), "--artifact", str(artifact), "--port", str(port)]
    command += ["--temp-dir", str(folder / "ray"), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = RunningServer(f"http://127.0.0.1:{port}", process.pid, log)
    try:
        _wait_until_ready(server, process)
        yield server
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def descendants(pid: int) -> list[int]:
    """Every process below `pid`, children before grandchildren."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The name in parentheses may hold spaces; the parent stands second after it.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, next_level = [], [pid]
    while next_level:
        next_level = [child for parent in next_level for child in children.get(parent, [])]
        found += next_level
    return found


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0")
    except OSError:
        return ""


def _wait_until_ready(server: RunningServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(urllib.error.URLError, OSError):
            # The line in the log says that this port is ours, and not a neighbour's.
            if b"ready at " in server.log.read_bytes():
                urllib.request.urlopen(f"{server.url}/readyz", timeout=5).close()
                return
        time.sleep(0.2)
    tail = server.log.read_text(errors="replace")[-4000:]
    raise RuntimeError(f"the server did not become ready (exit {process.poll()}):\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop; after the time limit, end what is left of it by number."""
    started = descendants(process.pid)
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(_is_ray(pid) for pid in started):
        time.sleep(0.1)
    for pid in started:
        if _is_ray(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _is_ray(pid: int) -> bool:
    """Still a process of Ray: a number may have gone to another program meanwhile."""
    title = _title(pid)
    return title.startswith("ray::") or "/ray/" in title


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
