"""All parsers by name: the one list that chance, Hypothesis and atheris go through."""

from __future__ import annotations

import arguments
import bencoded
import control_texts
import peer_streams
import tracker_texts

MODULES = (bencoded, tracker_texts, peer_streams, control_texts, arguments)
PARSERS = {parser.name: parser for module in MODULES for parser in module.PARSERS}
