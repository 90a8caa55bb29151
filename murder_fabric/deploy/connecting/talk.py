"""How much an agent says: a host that says far more is broken, or wants to keep the operator busy."""

from __future__ import annotations

from ...errors import ControlError
from ...policy.pacing import TokenBucket

#: Messages a second that answer nothing, and seconds of them that may come at once: an agent says once a
#: second how far it is, and what it said while this process was stopped comes at once.
WORDS, WORDS_BURST = 20, 100.0
#: Bytes a second, and seconds of them, without what is attached to answers.
BYTES, BYTES_BURST = 1 << 20, 16.0


class Talk:
    """Counts what one host says beside what it attaches to answers."""

    def __init__(self, *, now: float) -> None:
        self._words = TokenBucket(WORDS, WORDS_BURST, now=now)
        self._bytes = TokenBucket(BYTES, BYTES_BURST, now=now)

    def heard(self, length: int, words: int, *, now: float) -> None:
        """
        Take note of *length* bytes, in which were so many messages that answer nothing.

        Raises:
            ControlError: that is more than any agent says.
        """
        self._words.moved(words, now=now)
        self._bytes.moved(length, now=now)
        if self._words.left(now=now) < 0:
            raise ControlError(f"it says without end what nobody asked, more than {WORDS} messages a second")
        if self._bytes.left(now=now) < 0:
            raise ControlError(f"it talks without end, more than {BYTES >> 20} MiB a second")
