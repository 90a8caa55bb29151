"""One SSH session of an embedded host: a shell command whose pipes are the channel, as sshd would run it."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
import threading
from typing import IO, Any, Callable

from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.connection import EXTENDED_DATA_STDERR, SSHConnection
from twisted.internet.process import ProcessReader, ProcessWriter

#: What a client may send before it waits for us.  Conch's 128 KiB cost a third of the speed.
WINDOW = 1 << 20
#: The signals of RFC 4254, section 6.9.
SIGNALS = {
    name: getattr(signal, f"SIG{name}")
    for name in ["ABRT", "ALRM", "HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"]
}


class Connection(SSHConnection):
    """Conch opens a channel's window again as soon as data came; ours waits until the program took it."""

    def adjustWindow(self, channel: Session, bytesToAdd: int) -> None:
        if not channel.program_is_behind:
            super().adjustWindow(channel, bytesToAdd)


class Session(SSHChannel):
    """
    A `session` channel: `exec` or a plain shell, standard error apart, the exit status or signal told.

    The program runs in a process group of its own.  When the client goes away its pipes close and nothing
    else happens to it, as with sshd where there is no terminal.
    """

    name = b"session"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "localWindow": WINDOW})
        self.program_is_behind = False
        self._program: subprocess.Popen[bytes] | None = None
        self._pipes: list[IO[bytes]] = []
        self._stdin: ProcessWriter | None = None
        self._outputs: dict[int, ProcessReader] = {}
        self._status: int | None = None

    def request_exec(self, data: bytes) -> bool:
        command, _ = getNS(data)
        return self._start([b"/bin/sh", b"-c", command])

    def request_shell(self, data: bytes) -> bool:
        return self._start([b"/bin/sh"])

    def request_signal(self, data: bytes) -> bool:
        name, _ = getNS(data)
        number = SIGNALS.get(name.decode("ascii", "replace"))
        return number is not None and self.send_signal(number)

    def send_signal(self, number: signal.Signals) -> bool:
        """Send *number* to the program and what it started, unless it has ended."""
        if self._program is None or self._status is not None:
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._program.pid, number)
        return True

    def _start(self, argv: list[bytes]) -> bool:
        if self._program is not None:
            return False  # RFC 4254, section 6.5: one program a channel
        reactor, host = self.avatar.reactor, self.avatar.host
        self._program = program = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=host.home,
            env=host.environment(self.getPeer().address, self.getHost().address),
            start_new_session=True,
        )
        self._pipes = [pipe for pipe in (program.stdin, program.stdout, program.stderr) if pipe]
        self._stdin = ProcessWriter(reactor, self, 0, self._pipes[0].fileno())
        self._stdin.registerProducer(self, True)
        for number in (1, 2):
            self._outputs[number] = ProcessReader(reactor, self, number, self._pipes[number].fileno())
        self.avatar.sessions.add(self)
        threading.Thread(
            target=_wait, args=(program, reactor.callFromThread, self._ended), daemon=True
        ).start()
        return True

    # What the client sends.

    def dataReceived(self, data: bytes) -> None:
        if self._stdin is not None:
            self._stdin.write(data)

    def eofReceived(self) -> None:
        if self._stdin is not None:
            self._stdin.unregisterProducer()
            self._stdin.loseConnection()  # after what is still to be written

    def closeReceived(self) -> None:
        self.buf, self.extBuf = b"", []  # nobody reads it any more
        self.loseConnection()

    def closed(self) -> None:
        for pipe in [self._stdin, *self._outputs.values()]:
            if pipe is not None:
                pipe.connectionLost(None)

    # The producer of the program's stdin.

    def pauseProducing(self) -> None:
        self.program_is_behind = True

    def resumeProducing(self) -> None:
        self.program_is_behind = False
        if self.localWindowLeft < self.localWindowSize // 2 and not self.localClosed:
            self.conn.adjustWindow(self, self.localWindowSize - self.localWindowLeft)

    def stopProducing(self) -> None:
        """The program closed its stdin; what the client still sends is thrown away."""
        self.resumeProducing()

    # What the program sends.

    def stopWriting(self) -> None:
        for output in self._outputs.values():
            output.pauseProducing()

    def startWriting(self) -> None:
        for output in self._outputs.values():
            output.resumeProducing()

    def childDataReceived(self, number: int, data: bytes) -> None:
        if number == 1:
            self.write(data)
        else:
            self.writeExtended(EXTENDED_DATA_STDERR, data)

    def childConnectionLost(self, number: int, reason: object) -> None:
        self._pipes[number].close()
        if number == 0:
            self._stdin = None
        else:
            self._outputs.pop(number, None)
            self._finish()

    def _ended(self, status: int) -> None:
        self._status = status
        self.avatar.sessions.discard(self)
        self._finish()

    def _finish(self) -> None:
        """Tell how the program ended once it has and its pipes are at their end, then close."""
        if self._status is None or self._outputs or self.localClosed:
            return
        if self._status >= 0:
            self.conn.sendRequest(self, b"exit-status", struct.pack(">L", self._status))
        else:
            name = signal.Signals(-self._status).name[len("SIG") :].encode()
            self.conn.sendRequest(self, b"exit-signal", NS(name) + b"\0" + NS(b"") + NS(b""))
        self.loseConnection()


def _wait(program: subprocess.Popen[bytes], call: Callable[..., Any], ended: Callable[[int], None]) -> None:
    status = program.wait()
    with contextlib.suppress(Exception):  # the reactor may have stopped meanwhile
        call(ended, status)
