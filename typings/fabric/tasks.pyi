from typing import Any

from invoke.tasks import Call, Task as InvokeTask

from invoke.config import Config
from .connection import Connection


class Task(InvokeTask[Any]):
    hosts: Any
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

class ConnectionCall(Call):
    init_kwargs: dict[str, Any]
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def make_context(self, config: Config) -> Connection: ...

def task(*args: Any, **kwargs: Any) -> Any: ...
