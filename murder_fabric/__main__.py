"""`python -m murder_fabric`: the agent's command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the agent as the arguments say; the exit code is the process's."""
    from .agent.cli import run_command_line

    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
