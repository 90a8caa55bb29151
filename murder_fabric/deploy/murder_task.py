"""What makes tasks, and functions for Python, of functions that decide what is to be done."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union

import fabric

from ..errors import Interrupted, MurderError, SettingsError
from .executor import GroupContext, GroupTask
from .settings import Settings, write_settings
from .stdout import show

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    from .fleet import AnyFleet
    from .results import Result
    from .undertaking import Undertaking
    from .watching.view import View

    P = ParamSpec("P")
    #: Decides what a task does, given its hosts and flags. A task that asks no host is done with that.
    Plan = Callable[Concatenate[GroupContext, P], Union[Undertaking, Result]]
else:
    P = TypeVar("P")  # ParamSpec came with Python 3.10

#: The flags that all tasks have besides their own; off if not given.
FLAGS = {
    "json": "Print one JSON document with the result of each host on stdout, and nothing else there.",
    "quiet": "Say nothing of what goes well: only what failed, or should be known.",
}
#: What help() says of the arguments that all functions have.
HOSTS = "A Fleet, or what one is made of: `web[1-8]`, the `c` of a task, a group of Fabric's."
SETTINGS = """    settings: Those of `murder:`, by name, for this call.

Raises:
    BadInput: an argument, a setting or the tree is wrong.
    HostsFailed: some hosts failed, or all (AllHostsFailed).
    Interrupted: Ctrl-C.

Each of these has a `result`, as is returned where all is well.
"""


class MurderTask(GroupTask, Generic[P]):
    """
    A task of ours, made of its plan.

    The plan's parameters are its flags; what goes into the plan's `**settings` comes from Python alone, but
    for those named in the option `settings`, and `remote_murder_path`, which are flags too. Each has the flag
    `--json` and `--quiet` besides.
    """

    def __init__(self, plan: Plan[P], **options: Any) -> None:
        self.plan = plan
        #: What each flag means, by name.
        self.meanings: Mapping[str, str] = options.pop("help", {})
        settings = ["remote_murder_path", *options.pop("settings", ())]
        meant = {
            field.name: field.metadata["meaning"]
            for field in dataclasses.fields(Settings)
            if field.name in settings
        }
        body = _body(plan, settings)
        super().__init__(body, help={**self.meanings, **meant, **FLAGS}, **options)

    def refused(self, error: MurderError, flags: Mapping[str, Any]) -> None:
        """Print the document that was asked for, though nothing was done."""
        from .results import refused

        if flags.get("json"):
            _show(refused(task_name(self.plan), error), json=True)

    def function(self) -> Callable[Concatenate[AnyFleet, P], Result]:
        """Return what does the same from Python: hosts come first, flags and settings are keywords."""

        @functools.wraps(self.plan)
        def call(hosts: AnyFleet, /, *args: P.args, **options: P.kwargs) -> Result:
            from .fleet import Fleet
            from .results import refused

            try:
                _must_be_known(call, options)
                fleet = Fleet.of(hosts)
            except MurderError as error:
                error.result = refused(task_name(self.plan), error)
                raise
            return undertake(self.plan, fleet.context(), fleet.view, *args, **options)

        plan = inspect.signature(self.plan)
        first, *flags = plan.parameters.values()
        call.__signature__ = plan.replace(  # type: ignore[attr-defined]
            parameters=[first.replace(name="hosts", annotation="AnyFleet"), *flags],
            return_annotation="Result",
        )
        meanings = [
            f"    {flag.name}: {self.meanings[flag.name]}" for flag in flags if flag.name in self.meanings
        ]
        call.__doc__ = "\n".join([f"{self.plan.__doc__}\n\nArgs:\n    hosts: {HOSTS}", *meanings, SETTINGS])
        return call


def murder_task(**options: Any) -> Callable[[Plan[P]], MurderTask[P]]:
    """Make a `MurderTask` of a plan, with the options of Fabric's `@task` and its own; see `group_task`."""
    options.setdefault("auto_shortflags", False)
    made: Callable[[Plan[P]], MurderTask[P]] = fabric.task(klass=MurderTask, **options)
    return made


def undertake(
    plan: Callable[..., Union[Undertaking, Result]],
    context: GroupContext,
    view: View,
    *args: Any,
    **kwargs: Any,
) -> Result:
    """
    Do what *plan* says, given its arguments.

    Raises:
        MurderError: with a `result`, in any case.
    """
    from .results import refused
    from .undertaking import Undertaking, carry_out

    name = task_name(plan)
    try:
        planned = plan(context, *args, **kwargs)
        if isinstance(planned, Undertaking):
            return carry_out(name, context, planned, view)
        if planned.message:
            view.remark(f"murder: {planned.message}")
        return planned
    except MurderError as error:
        error.result = error.result or refused(name, error)
        raise


def _must_be_known(function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuse a keyword that is neither one of the function's nor a setting."""
    known = [*inspect.signature(function).parameters, *(one.name for one in dataclasses.fields(Settings))]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{function.__name__}() knows no {name}{hint}")


def task_name(plan: Callable[..., Any]) -> str:
    """Return what `fab` calls the task of a plan, without its collection."""
    return plan.__name__.replace("_", "-")


def settings_of(context: GroupContext, others: Mapping[str, Any], **flags: Any) -> Settings:
    """
    Return the settings of a task; a flag that is None was not given.

    Args:
        others: what Python code gave besides the flags; they count for connecting too.
    """
    write_settings(context.config, others)
    return Settings.from_config(context.config, **flags)


def _body(plan: Plan[P], settings: Sequence[str]) -> Callable[..., Result]:
    """
    Return what Invoke calls: it shows the result on stdout, and lets errors end the process.

    Args:
        settings: those that are flags; not given, they are as they were.
    """

    @functools.wraps(plan)
    def body(
        context: GroupContext, *args: Any, json: bool = False, quiet: bool = False, **flags: Any
    ) -> Result:
        from .again import command_again, command_cleaning
        from .ending import signals_as_interrupts
        from .results import fault
        from .watching.view import View

        view = View(sys.stderr, quiet=quiet)
        flags = {name: one for name, one in flags.items() if name not in settings or one is not None}
        try:
            with signals_as_interrupts():
                result = undertake(plan, context, view, *args, **flags)
        except MurderError as error:
            if again := command_again(sys.argv, error.result):
                view.say(f"  again    {again}")
            is_left = isinstance(error, Interrupted) and error.is_left
            if is_left and (cleaning := command_cleaning(sys.argv, error.result)):
                view.say(f"  clean up {cleaning}")
            _show(error.result, json)
            raise
        except Exception as error:  # a fault of ours; who asked for a document gets one beside the traceback
            _show(fault(task_name(plan), error), json)
            raise
        _show(result, json)
        return result

    signature = inspect.signature(plan)
    flags = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    others = {**dict.fromkeys(settings), **dict.fromkeys(FLAGS, False)}
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=others[name]) for name in others]
    body.__signature__ = signature.replace(parameters=[*flags, *added])  # type: ignore[attr-defined]
    return body


def _show(result: Result, json: bool) -> None:
    text = result.to_json() if json else result.report
    if text:
        show(text)
