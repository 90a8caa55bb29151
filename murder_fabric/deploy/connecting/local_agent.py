"""An agent on the operator's own machine, as one more channel: a process of ours instead of one over SSH."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from typing import IO

from paramiko.buffered_pipe import BufferedPipe

from ...errors import BadInput
from .room import start_thread

_PART_LENGTH = 64 * 1024
#: `python -m` would look for modules in the directory that `fab` was called in first: in the user's project.
_PROGRAM = (
    "import sys; sys.path = list(filter(None, sys.path)); from murder_fabric.__main__ import main; main()"
)
#: Seconds that a process which was told to end may take.
_END_TIMEOUT = 5.0


class LocalAgent:
    """
    To `Channels` what a Paramiko channel is: what the agent says is in buffers that ring.

    The agent is in a session of its own, so that Ctrl-C reaches nobody but `fab`, which then asks it to end;
    where `fab` is killed, the end of its input ends it.

    Raises:
        OSError: no process can be started.
        BadInput: no thread can.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, "control"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        #: Whether it has ended and said all.
        self.closed = False
        self.in_buffer = BufferedPipe()
        self.in_stderr_buffer = BufferedPipe()
        os.set_blocking(self._input.fileno(), False)
        try:
            self._complaining = start_thread(self._listen_to_stderr, "local-agent-stderr")
            start_thread(self._listen, "local-agent")
        except BadInput:
            self._process.kill()
            self._process.wait()
            raise

    # What is said -------------------------------------------------------------------------------------------

    def recv_ready(self) -> bool:
        """Return whether something is there on stdout."""
        return self.in_buffer.read_ready()

    def recv(self, length: int) -> bytes:
        """Return up to *length* bytes of it."""
        return self.in_buffer.read(length, 0.0)

    def recv_stderr_ready(self) -> bool:
        """Return whether something is there on stderr."""
        return self.in_stderr_buffer.read_ready()

    def recv_stderr(self, length: int) -> bytes:
        """Return up to *length* bytes of it."""
        return self.in_stderr_buffer.read(length, 0.0)

    def exit_status_ready(self) -> bool:
        """Return whether the agent has ended."""
        return self._process.poll() is not None

    def recv_exit_status(self) -> int:
        """Return what it ended with; of a signal, what a shell would say."""
        status = self._process.wait(_END_TIMEOUT)
        return status if status >= 0 else 128 - status

    # What is asked ------------------------------------------------------------------------------------------

    def settimeout(self, timeout: float) -> None:
        """Nothing: it is never waited for."""

    def send(self, data: bytes) -> int:
        """
        Send what fits, and return how much that was.

        Raises:
            socket.timeout: nothing fits now.
            OSError: nobody reads any more.
        """
        try:
            return os.write(self._input.fileno(), data)
        except BlockingIOError:
            raise socket.timeout from None
        except ValueError:  # closed by us
            raise BrokenPipeError from None

    def shutdown_write(self) -> None:
        """Let it end."""
        with suppress(OSError):
            self._input.close()

    def get_transport(self) -> LocalAgent:
        """Return what is closed to end the connection: there is only this."""
        return self

    @property
    def sock(self) -> IO[bytes]:
        """What is closed to leave without waiting: the agent ends once it notices."""
        return self._input

    def close(self) -> None:
        """End the process, at once if it does not go."""
        self.shutdown_write()
        self._process.terminate()
        try:
            self._process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # Inside -------------------------------------------------------------------------------------------------

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _listen_to_stderr(self) -> None:
        _move(self._process.stderr, self.in_stderr_buffer)

    def _listen(self) -> None:
        """Move what the agent says into the buffers, until it says no more and has ended."""
        _move(self._process.stdout, self.in_buffer)
        self._complaining.join()
        self._process.wait()
        self.closed = True
        self.in_buffer.close()  # which rings
        self.in_stderr_buffer.close()


def _move(source: IO[bytes] | None, buffer: BufferedPipe) -> None:
    assert source is not None
    with source:
        while part := source.read(_PART_LENGTH):
            buffer.feed(part)
