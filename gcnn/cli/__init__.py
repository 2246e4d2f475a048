"""The command line: one file a command."""

from gcnn.cli.group import main

__all__ = ["main"]
