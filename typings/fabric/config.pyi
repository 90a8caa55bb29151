from typing import Any

from invoke.config import Config as InvokeConfig
from paramiko.config import SSHConfig

class Config(InvokeConfig):
    base_ssh_config: SSHConfig
    connect_kwargs: Any
    gateway: Any
    timeouts: Any
    def clone(self, *args: Any, **kwargs: Any) -> "Config": ...
