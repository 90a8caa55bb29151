"""What the user wants done before and after the stages of a run: commands on the hosts, and tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import control
from ..control import Message
from ..errors import HostsFailed
from ..units import counted
from .failures import HostFailure, printable
from .haste import Haste
from .hook_names import FAILED, TASKS_ONLY, failure_counts
from .hook_tasks import call, hook_tasks
from .muster import PROMPT_TIMEOUT, SILENCE_LIMIT
from .outcome import grouped
from .ranges import fold
from .settings import Settings

if TYPE_CHECKING:
    from .executor import GroupContext
    from .run import Run
    from .wanted import Wanted

#: Lines of what commands said that are shown of one hook, over all hosts, and characters of each.
SHOWN, WIDTH = 20, 200

#: Calls a task: on hosts, with what it is about; returns those where it failed, and why.
TaskCall = Callable[[Sequence[str], Mapping[str, str]], dict[str, HostFailure]]


@dataclass(frozen=True)
class Hooks:
    """The hooks of a run, by name."""

    #: Texts of `sh -c`, run on each host by its agent, one after the other.
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Called from here once the commands are done.
    tasks: Mapping[str, TaskCall] = field(default_factory=dict)
    #: Seconds for one command.
    timeout: float = 300.0

    def has(self, name: str) -> bool:
        """Whether there is something to do for the hook *name*."""
        return bool(self.commands.get(name)) or name in self.tasks

    def longest(self, name: str) -> float:
        """Return how many seconds the hook *name* may take; a task is given as long as one command."""
        return self.timeout * (len(self.commands.get(name, ())) + (name in self.tasks))


NO_HOOKS = Hooks()


def hooks_of(settings: Settings, context: GroupContext) -> Hooks:
    """
    Return the hooks of *settings* and of `murder.hooks`.

    Raises:
        BadInput: a task there has a name that no hook has.
    """

    def caller(name: str) -> TaskCall:
        task = tasks[name]
        return lambda hosts, about: call(task, context, hosts, {**about, "name": name}, settings.pool_size)

    tasks = hook_tasks()
    return Hooks(settings.hooks, {name: caller(name) for name in tasks}, settings.hook_timeout)


def run_hook(
    run: Run,
    name: str,
    hosts: Sequence[str] | None = None,
    previous: Mapping[str, str | None] | None = None,
    haste: Haste | None = None,
) -> list[str]:
    """
    Run the hook *name*, if there is one, on *hosts*, or on all that are left; return those that failed.

    They are out of the run, where that can still hold something back; else it is only said. Tasks are told
    that a run failed even where no host is left: somebody may have to hear of it.

    Args:
        previous: by host, what `current` was before the run, where that is known.
        haste: of whoever waits for it, if somebody does: commands have a part of that, whatever the settings.
            A task has not: it runs in this process, where nobody else can end what it is in the middle of.
    """
    hooks = run.hooks
    hosts = list(run.outcome.going if hosts is None else hosts)
    if not hooks.has(name) or not (hosts or name == FAILED):
        return []
    with run.view.stage("hook") as said:
        failures, told = _run_commands(run, name, hosts, previous or {}, haste)
        left = [host for host in hosts if host not in failures]
        if name in hooks.tasks and (left or name == FAILED):
            with run.view.aside():
                failures.update(hooks.tasks[name](left, _about(run.wanted)))
        done = [host for host in hosts if host not in failures]
        said.append(f"{name} on {fold(done) or 'no host'}" + f", not on {fold(failures)}" * bool(failures))
    for line in shown(told):
        run.view.remark(f"    {line}")
    reasons = {host: f"{name}: {failure.reason}" for host, failure in failures.items()}
    if failure_counts(name):
        for host, reason in reasons.items():
            run.outcome.failed(host, HostFailure(failures[host].cause, reason))
    else:
        for line in grouped(reasons):
            run.view.say(f"  {line}")
    return list(failures)


def before_connecting(hooks: Hooks, hosts: Sequence[str], wanted: Wanted) -> None:
    """
    Run the hook `before_connect`, which only tasks can be.

    Raises:
        HostsFailed: it failed.
    """
    if "before_connect" in hooks.tasks:
        failures = hooks.tasks["before_connect"](hosts, _about(wanted))
        if failures:
            said = "; ".join(grouped({host: failure.reason for host, failure in failures.items()}))
            raise HostsFailed(f"before_connect: {said}; no host was touched")


def _run_commands(
    run: Run, name: str, hosts: Sequence[str], previous: Mapping[str, str | None], haste: Haste | None
) -> tuple[dict[str, HostFailure], dict[str, list[str]]]:
    """Return the hosts where the commands of a hook failed, and what they said on the others, in lines."""
    commands = run.hooks.commands.get(name)
    if not commands or name in TASKS_ONLY:
        return {}, {}
    wanted, timeout = run.wanted, run.hooks.timeout
    limit = len(commands) * timeout + PROMPT_TIMEOUT
    if haste is not None:
        limit = haste.part(3)
        timeout = limit / len(commands)
    requests = {
        host: Message(
            control.RunCommands(
                wanted.destination, wanted.tag, list(commands), timeout, name, previous.get(host) or ""
            ).fields()
        )
        for host in hosts
    }
    answers = run.muster.channels.ask(requests, limit, silence=SILENCE_LIMIT)
    failures = {host: answer for host, answer in answers.items() if isinstance(answer, HostFailure)}
    done = {host: answer for host, answer in answers.items() if isinstance(answer, Message)}
    return failures, {host: list(map(str, answer.fields.get("said", ()))) for host, answer in done.items()}


def shown(told: Mapping[str, Sequence[str]]) -> list[str]:
    """
    Return what is shown of what commands said, each line behind the hosts that said it.

    Args:
        told: lines, by host; hosts that said the same share them.
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for host, lines in told.items():
        said = (printable(line, WIDTH) for line in lines)
        alike.setdefault(tuple(line for line in said if line), []).append(host)
    found = [f"{fold(hosts)}: {line}" for lines, hosts in alike.items() for line in lines]
    left = len(found) - SHOWN
    return found if left <= 0 else [*found[:SHOWN], f"… and {counted(left, 'line')} more"]


def _about(wanted: Wanted) -> dict[str, str]:
    release = f"{wanted.destination}/releases/{wanted.tag}" if wanted.tag else ""
    return {"tag": wanted.tag, "destination": wanted.destination, "release": release}
