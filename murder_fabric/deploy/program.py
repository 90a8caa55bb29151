"""The command `murder`: Fabric's own program with our tasks, for who has no fabfile."""

from __future__ import annotations

import gc
import os
import sys

from fabric.config import Config
from fabric.main import Fab
from invoke.config import AmbiguousMergeError
from invoke.exceptions import Exit
from invoke.util import yaml  # type: ignore[attr-defined]  # its own, or the system's where that was split off
from paramiko.ssh_exception import ConfigParseError

from ..errors import SettingsError
from ..version import __version__
from .executor import Executor, misfit
from .stdout import for_who_reads
from .tasks import murder


class Program(Fab):
    """`fab`, but that its tasks are there without a fabfile: `murder -H 'web[1-500]' deploy`."""

    def parse_core(self, argv: list[str] | None) -> None:
        try:
            with for_who_reads():
                super().parse_core(argv)
        except ValueError as error:
            raise Exit(f"murder: a flag that takes a number was given something else: {error}", 2) from None

    def parse_cleanup(self) -> None:
        with for_who_reads():
            super().parse_cleanup()

    def update_config(self, merge: bool = True) -> None:
        for flag in ("ssh-config", "config"):
            # Invoke goes on without settings where that file is missing, as if all were said with it.
            if (path := self.args[flag].value) and not os.path.isfile(os.path.expanduser(path)):
                raise Exit(f"murder: --{flag}: there is no file {path}; no host was touched", 2)
        super().update_config()

    def parse_collection(self) -> None:
        # Invoke looks for the project's settings beside the fabfile; without one, they are where we are.
        self.config.set_project_location(os.getcwd())
        self.config.load_project()
        super().parse_collection()
        # Murder's spelling of its tasks; what follows the first word may be a tag, and is left alone.
        dashed = {name.replace("-", "_"): name for name in murder.task_names}
        self.core.unparsed[:1] = [dashed.get(word, word) for word in self.core.unparsed[:1]]


def main() -> None:
    """Run the command line; the exit code is the process's."""
    program = Program(
        name="murder_fabric",
        binary="murder",
        binary_names=["murder"],
        version=__version__,
        namespace=murder,
        executor_class=Executor,
        config_class=Config,
    )
    gc.freeze()  # as under `fab`, see `install`
    try:
        program.run()
    except AmbiguousMergeError as error:
        sys.exit(_refused(str(misfit(error))))
    except yaml.YAMLError as error:
        sys.exit(_refused(f"a settings file cannot be read: {error}"))
    except (ConfigParseError, UnicodeDecodeError) as error:
        sys.exit(_refused(f"ssh_config cannot be read: {error}"))


def _refused(sentence: str) -> int:
    print("murder:", *sentence.split(), file=sys.stderr)
    return SettingsError.exit_code
