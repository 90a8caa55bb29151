"""
A program that deploys without `fab`: `python release.py 'web[1-8]' v1`, with hosts as after `-H`, and a tag.

What is said on the way goes to stderr; stdout has one line for each host.
"""

from __future__ import annotations

import sys

from murder_fabric import Fleet, deploy
from murder_fabric.errors import MurderError


def main(hosts: str, tag: str) -> int:
    """Deploy, and return what the program ends with."""
    try:
        fleet = Fleet(hosts, connect_timeout=5)
        result = deploy(
            fleet, files_path="../existing/site", destination_path="/srv/app", tag=tag, allow_failures=1
        )
    except MurderError as error:
        print(f"release.py: {error}", file=sys.stderr)
        result = error.result
    for name, host in result.hosts.items():
        print(f"{name}\t{host.state.value}\t{host.bytes_moved}\t{host.error}")
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
