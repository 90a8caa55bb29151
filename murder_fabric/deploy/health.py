"""Asking hosts that were switched whether the release is well there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import control
from ..control import Request
from ..units import counted
from .hooks import run_hook
from .muster import PROMPT_TIMEOUT, SILENCE_LIMIT
from .run import Run


def check_health(run: Run, hosts: Sequence[str], previous: Mapping[str, str | None]) -> None:
    """
    Have *hosts* check their health, if the settings say how; those that are not well are out.

    Args:
        previous: by host, what `current` was before the run.
    """
    settings, wanted = run.settings, run.wanted
    if not settings.health_check:
        return
    run_hook(run, "before_check", hosts, previous)
    hosts = [host for host in hosts if host in run.outcome.going]

    def request(host: str) -> Request:
        return control.CheckHealth(
            wanted.destination,
            wanted.tag,
            settings.health_check,
            settings.health_status,
            settings.health_timeout,
            settings.health_patience,
            previous.get(host) or "",
        )

    limit = settings.health_patience + settings.health_timeout + PROMPT_TIMEOUT
    with run.view.stage("check") as said:
        well = run.muster.ask(hosts, request, limit, silence=SILENCE_LIMIT)
        said.append(f"{len(well)} of {counted(len(hosts), 'host')} well with {wanted.tag}")
    run_hook(run, "after_check", list(well), previous)
