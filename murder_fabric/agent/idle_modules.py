"""
Modules that are imported on the way to an agent, and that no agent uses: they load when somebody does.

Each process of a swarm starts on CPU seconds that another could move bytes with. Nothing is left out: whoever
looks at one of these finds all of it (`late_loading`). In the operator's process they are as ever.
"""

from __future__ import annotations

from ..late_loading import load_late

_IDLE = (
    "http.cookiejar",  # Twisted offers it under another name; with it come HTTP, TLS and mail
    "pickle",  # Twisted names functions by it
    "pathlib",  # bencode.py writes to paths
    "textwrap",  # for the traceback of a group of exceptions
    "tokenize",  # for the source lines of a traceback
    "concurrent.futures",  # asyncio's Future can wait for one of these
)
#: What Twisted's deferreds know of asyncio, and where in there it is. All of it would bring loops along that
#: nobody runs, and TLS.
_OF_ASYNCIO = {"AbstractEventLoop": "events", "Future": "futures", "iscoroutine": "coroutines"}


def spare_idle_modules() -> None:
    """Have them load late, those that nobody has imported yet; to be called before Twisted is imported."""
    for name in _IDLE:
        load_late(name)
    load_late("asyncio", _OF_ASYNCIO)
