"""What follows `--` on the command line: one shell command on each host, one host after the other."""

from __future__ import annotations

import sys

from ..errors import HostsFailed
from .executor import GroupContext, group_task
from .ranges import fold


@group_task
def run_command(c: GroupContext, command: str) -> None:
    """
    Run *command* on each host of *c*; what it says goes where Fabric lets it go.

    Raises:
        HostsFailed: a host cannot be reached; nothing was run there, nor on those that come after it.
        UnexpectedExit: the command failed on a host; it ends `fab` with the same exit code.
    """
    if c.config.run.dry:  # Fabric would connect all the same
        print(f"{command} on {fold(c.hosts)}: not run, nor connected to, because of --dry", file=sys.stderr)
        return
    gateways = c.gateways()
    try:
        for number, host in enumerate(c.hosts):
            with gateways.connection(c.kwargs_of(host)) as connection:
                if failure := gateways.try_open(connection):
                    left = fold(c.hosts[number:])
                    raise HostsFailed(f"{host}: {failure}; the command was not run on {left}")
                connection.run(command)
    finally:
        gateways.close()
