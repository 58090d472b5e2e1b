"""Options that several commands of the command line take."""

from __future__ import annotations

from typing import Annotated

import typer

from . import backends

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", show_default=False)]
Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backend",
        "-b",
        help=f"{', '.join(backends.NAMES)}: one of these; may be repeated.",
        show_default=False,
    ),
]


OverContract = Annotated[
    bool,
    typer.Option("--over-contract", help="Write files although a function is over the contract."),
]

Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", help="A parameter and its default: alpha=1.0.", show_default=False
    ),
]


def parameters(given: list[str] | None) -> dict[str, float]:
    """name=number options as a dictionary."""
    values: dict[str, float] = {}
    for item in given or []:
        name, sign, number = item.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            raise typer.BadParameter(
                f"{item!r} is not name=number, for example alpha=1.0"
            ) from None
        if not sign:
            raise typer.BadParameter(f"{item!r} is not name=number, for example alpha=1.0")
    return values
