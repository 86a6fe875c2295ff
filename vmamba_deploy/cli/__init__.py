"""The command line. Only this package knows click and rich; it holds no logic of its own."""

from vmamba_deploy.cli.app import cli, main

__all__ = ["cli", "main"]
