import socket
from collections.abc import Sequence
from typing import Any, Optional

from .channel import Channel as Channel
from .config import SSHConfig as SSHConfig
from .pkey import PKey as PKey
from .ssh_exception import (
    AuthenticationException as AuthenticationException,
    BadHostKeyException as BadHostKeyException,
    ChannelException as ChannelException,
    PasswordRequiredException as PasswordRequiredException,
    SSHException as SSHException,
)

class Transport:
    sock: socket.socket
    active: bool
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def get_security_options(self) -> SecurityOptions: ...
    def is_active(self) -> bool: ...
    def open_session(
        self, window_size: Optional[int] = ..., max_packet_size: Optional[int] = ..., timeout: Optional[float] = ...
    ) -> Channel: ...
    def set_keepalive(self, interval: int) -> None: ...
    def close(self) -> None: ...

class SecurityOptions:
    key_types: Sequence[str]

class MissingHostKeyPolicy:
    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None: ...

class SSHClient:
    def set_missing_host_key_policy(self, policy: MissingHostKeyPolicy) -> None: ...
    def get_transport(self) -> Optional[Transport]: ...
    def close(self) -> None: ...
