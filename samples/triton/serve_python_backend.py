"""Start a real Triton Inference Server, without Docker, on a repository for the Python back end.

    python -m samples.triton.serve_python_backend REPO [--http-port 8000]

The server comes from the wheel nvidia-pytriton, which carries the binary and the Python back end
and no other. It runs the models in this Python's environment. Linux on x86-64, glibc 2.35 or newer.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
import uuid
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from vmamba_deploy.cli.reporting import run_program
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.fetch import pip_packages
from vmamba_deploy.native.layout import downloads_allowed, toolchain_folder

PYTRITON, NUMPY = "nvidia-pytriton==0.7.0", "numpy==1.26.4"
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_OLDEST_GLIBC = (2, 35)
_START_SECONDS, _STOP_SECONDS = 1200, 60


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        host: loopback.
        http_port, grpc_port, metrics_port: where it listens.
        log: what it prints.
        process: its process.
    """

    host: str
    http_port: int
    grpc_port: int
    metrics_port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def http(self) -> str:
        """Address for tritonclient.http."""
        return f"{self.host}:{self.http_port}"

    @property
    def grpc(self) -> str:
        """Address for tritonclient.grpc."""
        return f"{self.host}:{self.grpc_port}"


def tritonserver_folder() -> Path:
    """The unpacked wheel, fetched once, with the back end ready for this Python.

    Raises:
        EnvironmentProblem: this machine cannot run it, or cannot fetch it.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise EnvironmentProblem("the wheel's tritonserver runs on Linux on x86-64")
    found = tuple(int(part) for part in platform.libc_ver()[1].split(".") if part.isdigit())
    if found < _OLDEST_GLIBC:
        raise EnvironmentProblem(
            f"the wheel's tritonserver needs glibc 2.35 or newer, here is {platform.libc_ver()[1]}"
        )
    destination = toolchain_folder() / f"{PYTRITON.replace('==', '-')}-python{_PYTHON}"
    if not destination.exists() and not downloads_allowed():
        raise EnvironmentProblem(f"{PYTRITON} is not fetched, and downloads are not allowed")
    # Without what it depends on: its pins would change this environment.
    pip_packages([PYTRITON], destination, verify=_prepare)
    _require_loadable(_stub(destination))
    return destination


def _stub(folder: Path) -> Path:
    return folder / "pytriton/tritonserver/backends/python/triton_python_backend_stub"


def _prepare(folder: Path) -> None:
    """Put the stub of this Python where the back end looks for it: the wheel has one for each."""
    triton = folder / "pytriton/tritonserver"
    source = triton / "python_backend_stubs" / _PYTHON / "triton_python_backend_stub"
    if not source.is_file():
        raise EnvironmentProblem(f"{PYTRITON} has no stub for Python {_PYTHON}")
    shutil.copyfile(source, _stub(folder))
    for program in (_stub(folder), triton / "bin/tritonserver"):
        program.chmod(0o755)


def _require_loadable(stub: Path) -> None:
    """The stub embeds Python, and so needs its shared library, which not every Python has."""
    listed = subprocess.run(
        ["ldd", str(stub)], capture_output=True, text=True, check=False, env=_environment()
    )
    missing = [line.split()[0] for line in listed.stdout.splitlines() if "not found" in line]
    if missing:
        raise EnvironmentProblem(
            f"Triton's Python back end needs {', '.join(missing)}",
            hint=f"apt-get install libpython{_PYTHON}",
        )


def _environment(python: Path | None = None) -> dict[str, str]:
    """Variables for the server; its models run in the environment that `python` is of."""
    environment = dict(os.environ)
    if python is not None:
        # The embedded Python is set up for `python3` of PATH, and does not look at PYTHONPATH.
        _put_first(environment, "PATH", str(python.parent))
    library_folder = sysconfig.get_config_var("LIBDIR")
    if library_folder:
        _put_first(environment, "LD_LIBRARY_PATH", library_folder)
    return environment


def _make_environment(folder: Path) -> Path:
    """A virtual environment with this one's packages, except for NumPy.

    This release of the back end was compiled before NumPy 2 and sends empty tensors with it.
    """
    numpy = toolchain_folder() / f"{NUMPY.replace('==', '-')}-python{_PYTHON}"
    if not numpy.exists() and not downloads_allowed():
        raise EnvironmentProblem(f"{NUMPY} is not fetched, and downloads are not allowed")
    pip_packages([NUMPY], numpy)
    venv.create(folder, with_pip=False, symlinks=True)
    here = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
    # addsitedir also follows what editable installs left there.
    lines = [str(numpy), *(f"import site; site.addsitedir({path!r})" for path in here)]
    (target,) = folder.glob("lib/python*/site-packages")
    (target / "serving.pth").write_text("\n".join(lines) + "\n")
    return folder / "bin/python3"


def _put_first(environment: dict[str, str], variable: str, folder: str) -> None:
    known = environment.get(variable)
    environment[variable] = f"{folder}{os.pathsep}{known}" if known else folder


@contextmanager
def serving(
    repository: Path, log: Path, *, host: str = "127.0.0.1", ports: tuple[int, ...] = ()
) -> Iterator[Server]:
    """A server on the repository, ready when the block begins and gone when it has ended.

    Args:
        repository: for the Python back end.
        log: file that gets what the server prints.
        host: address to listen at.
        ports: for HTTP, gRPC and metrics; default: free ones.

    Raises:
        EnvironmentProblem: the server cannot run here, or does not get ready; the message has the
            end of its log.
    """
    triton = tritonserver_folder() / "pytriton/tritonserver"
    http, grpc, metrics = ports or _free_ports(3)
    command = [
        str(triton / "bin/tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={triton / 'backends'}",
        f"--http-address={host}",
        f"--http-port={http}",
        f"--grpc-address={host}",
        f"--grpc-port={grpc}",
        f"--metrics-port={metrics}",
        # Two servers on one machine must not share their memory for messages.
        f"--backend-config=python,shm-region-prefix-name=vmamba-{uuid.uuid4().hex[:12]}",
        "--exit-timeout-secs=2",
    ]
    with tempfile.TemporaryDirectory(prefix="triton-python-") as folder:
        environment = _environment(_make_environment(Path(folder)))
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment, start_new_session=True
            )
        try:
            server = Server(host, http, grpc, metrics, log, process)
            _wait_until_ready(server)
            yield server
        finally:
            _stop(process)


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + _START_SECONDS
    url = f"http://{server.http}/v2/health/ready"
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    tail = "\n".join(server.log.read_text(errors="replace").splitlines()[-30:])
    raise EnvironmentProblem(f"tritonserver did not get ready:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server; then whatever is left of its process group, the models' processes."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_ports(count: int) -> tuple[int, ...]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = tuple(one.getsockname()[1] for one in sockets)
    for one in sockets:
        one.close()
    return ports


@click.command()
@click.argument("repository", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--http-port", default=8000, show_default=True)
@click.option("--grpc-port", default=8001, show_default=True)
@click.option("--metrics-port", default=8002, show_default=True)
@click.option("--seconds", type=float, help="Stop after so long.  [default: until Ctrl-C]")
@click.option("--log", type=click.Path(path_type=Path), default=Path("tritonserver.log"))
def main(
    repository: Path,
    http_port: int,
    grpc_port: int,
    metrics_port: int,
    seconds: float | None,
    log: Path,
) -> None:
    """Serve REPOSITORY on 127.0.0.1 until Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with serving(repository, log, ports=(http_port, grpc_port, metrics_port)) as server:
        click.echo(f"ready at http://{server.http}, log in {log}; Ctrl-C stops it")
        _stay(server, seconds, click.echo)


def _stay(server: Server, seconds: float | None, tell: Callable[[str], None]) -> None:
    try:
        code = server.process.wait(seconds)
        tell(f"tritonserver ended by itself with {code}")
        sys.exit(1)
    except subprocess.TimeoutExpired:
        tell("the time is over")
    except KeyboardInterrupt:
        tell("stopping")


if __name__ == "__main__":
    run_program(main, "serve_python_backend.py")
