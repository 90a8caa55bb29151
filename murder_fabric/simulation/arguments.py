"""Arguments of the programs that simulate: what cannot be meant is refused in one sentence."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from typing import NoReturn, TypeVar

Number = TypeVar("Number", int, float)


class Parser(argparse.ArgumentParser):
    """Exits with one sentence, not with a usage text and a sentence."""

    def error(self, message: str) -> NoReturn:
        """Say it and exit with 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def between(kind: Callable[[str], Number], least: float, most: float) -> Callable[[str], Number]:
    """Return the `type` of an argument that is a number from *least* to *most*."""

    def number(text: str) -> Number:
        with contextlib.suppress(ValueError):
            value = kind(text)
            if least <= value <= most:  # which nan is not
                return value
        name = "whole number" if kind is int else "number"
        raise argparse.ArgumentTypeError(f"{text!r:.60} is no {name} from {least:,} to {most:,}")

    return number


#: Which seed, and how many of them.
seeds = between(int, 1, 10**9)
