"""Options of what is compared with PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from vmamba_deploy.cli.parameters.kinds import Kind


class RuntimeName(Kind):
    """`tensorrt_rtx`: a runtime that executes exported files; the registry is not read for help."""

    name = "runtime"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """The name, which the registry has."""
        from vmamba_deploy.runtimes.registry import file_runtimes

        known = file_runtimes()
        if value not in known:
            self.fail(f"{value!r} is not one of {', '.join(known)}", param, ctx)
        return str(value)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Those that begin so."""
        from vmamba_deploy.runtimes.registry import file_runtimes

        return [CompletionItem(name) for name in file_runtimes() if name.startswith(incomplete)]


def require_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--require`, which may be given several times."""
    return click.option(
        "--require",
        multiple=True,
        type=RuntimeName(),
        help="End with 6 where this runtime did not execute the files, by its name in the table of "
        "parity: tensorrt_rtx, openvino, ...; may be given several times.",
    )(command)
