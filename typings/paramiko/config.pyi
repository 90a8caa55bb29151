from typing import Any

class SSHConfig:
    def lookup(self, hostname: str) -> dict[str, Any]: ...
