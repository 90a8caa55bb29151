from collections.abc import Iterable, Sequence
from typing import Any, Union

from invoke.executor import Executor as InvokeExecutor
from invoke.tasks import Call, Task

class Executor(InvokeExecutor):
    core: Any
    def normalize_hosts(self, hosts: Union[Sequence[Union[str, dict[str, Any]]], None]) -> list[dict[str, Any]]: ...
    def expand_calls(self, calls: Iterable[Union[Call, Task[Any]]], apply_hosts: bool = ...) -> list[Call]: ...
    def parameterize(self, call: Call, connection_init_kwargs: dict[str, Any]) -> Call: ...
