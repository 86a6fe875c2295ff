"""A process that has loaded PyTorch and its exporter once, and forks a child for each command.

    warm.py serve NAME              until its input ends; says `ready` where it can be asked
    warm.py ask NAME SCRIPT ...     as `python SCRIPT ...`, in a child of that process

Most commands on the pages need PyTorch, whose loading costs more than what they show. The child has
what the caller has: arguments, folder, environment, the three standard streams; it ends with the
caller, and its exit code is the caller's. Of ours nothing is loaded before.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# What pages and shells set anew. Other variables may be read while a library is loaded.
_FREE = {"PATH", "PYTHONPATH", "VIRTUAL_ENV", "PWD", "OLDPWD", "SHLVL", "_"}
_CHANGED = b"changed"


def ask(name: str, command: Sequence[str]) -> int:
    """Have a script run; its exit code."""
    with _socket() as connection:
        connection.connect(_address(name))
        request = json.dumps([command, str(Path.cwd()), dict(os.environ)]).encode()
        socket.send_fds(connection, [request], [0, 1, 2])
        answer = connection.recv(len(_CHANGED))
    if answer == _CHANGED:
        os.execv(sys.executable, [sys.executable, *command])
    code = int(answer)
    return code if code >= 0 else 128 - code


def serve(name: str) -> None:
    """Answer until the input ends, each time in a process of its own."""
    fixed = _fixed(os.environ)  # loading sets some of its own
    with _socket() as listener:
        listener.bind(_address(name))
        listener.listen()
        _load()
        gc.freeze()
        answering = []
        print("ready", flush=True)  # noqa: T201
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            process = os.fork()
            if process == 0:
                command = _answer(connection, fixed)
                if command is None:
                    os._exit(0)  # at once: what is loaded takes long to unload
                _run(command)
                return
            connection.close()
            answering.append(process)
    for process in answering:
        os.waitpid(process, 0)  # or what they took is missing where the tests are timed


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _address(name: str) -> str:
    return f"\0{name}"  # no file


def _load() -> None:
    """Load and register what the first export of a process does, without starting a thread pool."""
    import matplotlib.figure  # noqa: F401
    import torch

    network, example = torch.nn.Linear(1, 1).eval(), torch.zeros(2, 1)
    free = ({0: torch.export.Dim("batch", min=1)},)
    torch.onnx.export(network, (example,), dynamo=True, dynamic_shapes=free, verbose=False)


def _answer(connection: socket.socket, fixed: Mapping[str, str]) -> list[str] | None:
    """Tell the caller how a child ended; in the child, the command that it is to run."""
    request, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    command, folder, environment = json.loads(request)
    if _fixed(environment) != fixed:
        connection.send(_CHANGED)
        return None
    child = os.fork()
    if child == 0:
        os.setsid()
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        return list(command)
    ended = os.pidfd_open(child)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.killpg(child, signal.SIGKILL)  # the caller is gone
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(BrokenPipeError):
        connection.send(str(code).encode())
    return None


def _fixed(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _FREE}


def _run(command: Sequence[str]) -> None:
    script = Path(command[0]).absolute()
    sys.argv = list(command)
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    task, name, *command = sys.argv[1:]
    if task == "ask":
        sys.exit(ask(name, command))
    serve(name)
