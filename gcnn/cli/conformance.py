"""`gcnn conformance`: hand everything to the conformance suite's own command."""

from __future__ import annotations

import click


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def conformance(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Check a backend against the equations.

    The same as python -m gcnn.conformance, whose options these are.
    """
    # Imported here: the suite is far more than the other commands need.
    from gcnn.conformance import main

    ctx.exit(main(list(arguments)))
