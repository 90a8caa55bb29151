class SSHException(Exception): ...
class AuthenticationException(SSHException): ...
class PasswordRequiredException(AuthenticationException): ...
class ChannelException(SSHException):
    code: int
    text: str
class BadHostKeyException(SSHException):
    hostname: str
class NoValidConnectionsError(OSError):
    errors: dict[tuple[str, int], OSError]
