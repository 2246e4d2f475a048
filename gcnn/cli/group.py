"""The group `gcnn`: its commands, and what becomes of errors."""

from __future__ import annotations

import shlex
import traceback
from typing import Any

import click

import gcnn
from gcnn.cli.bench import bench
from gcnn.cli.conformance import conformance
from gcnn.cli.data import data
from gcnn.cli.devices import devices
from gcnn.cli.evaluate import evaluate
from gcnn.cli.options import debugging
from gcnn.cli.predict import predict
from gcnn.cli.resume import resume
from gcnn.cli.summary import summary
from gcnn.cli.train import train
from gcnn.cli.tune import tune
from gcnn.errors import GcnnError
from gcnn.interruption import Interrupted

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130


class Commands(click.Group):
    """A group whose commands end in one line on standard error and an exit status, and never in a bare traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they are met, which is that in which they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own, which it shows itself
        except Interrupted as interrupted:
            folder = shlex.quote(str(interrupted.path.parent))
            click.echo(f"Interrupted: everything is saved. To go on: gcnn resume {folder}", err=True)
            ctx.exit(128 + interrupted.signal)
        except KeyboardInterrupt:
            click.echo("Interrupted: nothing more was done.", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001  # the last stop before the user: everything becomes a message
            if debugging(ctx):
                click.echo(traceback.format_exc(), err=True, nl=False)
            click.echo(f"Error: {_message(error)}", err=True)
            # Errors that say "your value is wrong" are ValueErrors too (gcnn.errors).
            ctx.exit(WRONG_INPUT if isinstance(error, GcnnError) and isinstance(error, ValueError) else FAILED)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, GcnnError | FloatingPointError | OSError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}. --debug shows where."


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 done; 1 a failure, such as a backend that does not work or a loss that is no longer finite; "
    "2 wrong usage or input; 130 interrupted by Ctrl-C, 143 by SIGTERM. 'gcnn conformance' has its own, see its --help.",
)
@click.version_option(gcnn.__version__, prog_name="gcnn")
def main() -> None:
    """Train, describe and check generalized convolutional neural networks.

    \b
    Start with:
      gcnn train --data digits     train a network on handwritten digits
      gcnn evaluate runs/digits    its accuracy, and which digits it takes for which
      gcnn predict runs/digits ... the classes of new samples
      gcnn data                    what else to train on, and which files can be given
      gcnn devices                 what it can run on, and why not on more
      gcnn summary digits-conv     the layers of a network
      gcnn bench lenet             how fast, on every backend there is
      gcnn conformance --help      check a backend against the equations
    """  # noqa: D301  # \b is click's mark, a real backspace, that keeps the lines below as they are


for command in (train, resume, evaluate, predict, summary, data, tune, bench, devices, conformance):
    main.add_command(command)
