from typing import Any, Optional, Union

from invoke.context import Context
from paramiko import SSHClient, Transport

from .config import Config

class Connection(Context):
    host: str
    original_host: str
    user: str
    port: int
    gateway: Union["Connection", str, None]
    connect_timeout: Optional[int]
    connect_kwargs: dict[str, Any]
    ssh_config: dict[str, Any]
    client: SSHClient
    transport: Optional[Transport]
    def __init__(
        self,
        host: str,
        user: Optional[str] = ...,
        port: Optional[int] = ...,
        config: Optional[Config] = ...,
        gateway: Union["Connection", str, bool, None] = ...,
        forward_agent: Optional[bool] = ...,
        connect_timeout: Optional[int] = ...,
        connect_kwargs: Optional[dict[str, Any]] = ...,
        inline_ssh_env: Optional[bool] = ...,
    ) -> None: ...
    @property
    def is_connected(self) -> bool: ...
    def open(self) -> Any: ...
    def __enter__(self) -> "Connection": ...
    def __exit__(self, *exc: object) -> None: ...
    def close(self) -> None: ...
    def _set(self, *args: Any, **kwargs: Any) -> None: ...
