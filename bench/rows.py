"""What a row of the benchmark is, and its rounds: every contender in turn, on the same links."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from lab import rig
from lab.machine import LabError

from .results import Gate, Measured, Sample

#: Where payloads and hosts lie unless a row is about disks.
MEMORY = "/dev/shm"  # noqa: S108 - the kernel's, and always there


@dataclass(frozen=True)
class Contender:
    """Someone who takes part in a row; `missing` says why not, if so, and `run` is one round."""

    name: str
    run: Callable[[], Sample]
    missing: str = ""


@dataclass(frozen=True)
class Row:
    """
    One row of the table.

    Args:
        shapes: what is measured, in words: as the gates mean it, and small.
        prepared: makes what all rounds share (given whether it is the small shape), and removes it again.
        needs_hosts: whether it stands on the lab, which needs root.
    """

    name: str
    shapes: tuple[str, str]
    gates: Sequence[Gate]
    prepared: Callable[[bool], AbstractContextManager[Sequence[Contender]]]
    needs_hosts: bool = True

    def measure(self, rounds: int, *, small: bool, say: Callable[[str], None]) -> Measured:
        """Return what *rounds* rounds came to; a contender that fails once is told of and goes on."""
        found = Measured(self.name, self.shapes[small], small, () if small else self.gates)
        why = rig.missing() if self.needs_hosts else None
        if why is not None:
            found.missing["everybody"] = why
            return found
        with self.prepared(small) as contenders:
            found.missing.update({one.name: one.missing for one in contenders if one.missing})
            for number in range(1, rounds + 1):
                for contender in contenders:
                    if contender.missing:
                        continue
                    say(f"{self.name}, round {number} of {rounds}: {contender.name}")
                    self._one_round(found, contender)
        return found

    def _one_round(self, found: Measured, contender: Contender) -> None:
        try:
            sample = contender.run()
        except (LabError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            found.failures.setdefault(contender.name, []).append(str(error))
        else:
            found.samples.setdefault(contender.name, []).append(sample)


@contextlib.contextmanager
def scratch(place: Optional[str] = MEMORY) -> Iterator[Path]:
    """Yield a directory for one row; None: on the disk that temporary files are on."""
    with tempfile.TemporaryDirectory(dir=place, prefix="murder-bench-") as name:
        yield Path(name)
