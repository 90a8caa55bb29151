"""The agent's command line; Twisted is imported only once the arguments are known to be good."""

from __future__ import annotations

import argparse
import gc
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..errors import BadInput, MurderError
from ..units import parse_rate
from ..version import __version__
from .addresses import parse_listen
from .idle_modules import spare_idle_modules
from .limits import raise_open_files


def run_command_line(arguments: Sequence[str]) -> int:
    """Do what *arguments* say and return the exit code (0 done, 2 bad input, 3 failed, 130 interrupted)."""
    options = _parser().parse_args(arguments)
    raise_open_files()
    try:
        return _load(options)()
    except MurderError as error:
        _say_failed(options, error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _load(options: argparse.Namespace) -> Callable[[], int]:
    """Return the command, loaded and ready to be called."""
    gc.disable()
    spare_idle_modules()
    try:
        return _command(options)
    finally:
        # Code is no garbage: looking for some while it loads, each time there is some more of it, and again
        # as the process ends, took a fifth of the CPU seconds of starting and ending one.
        gc.freeze()
        gc.enable()


def _command(options: argparse.Namespace) -> Callable[[], int]:
    """Load what one command needs and no more: a fleet of peers pays for it in every process."""
    if options.command == "control":
        from .control_loop import run_control

        return run_control
    if options.command == "detached":
        from .detached import run_detached

        return partial(run_detached, options.name, options.lifetime)
    if options.command == "create":
        from .creating import create

        return partial(create, options)
    options.listen = parse_listen(options.listen)
    if options.command == "tracker":
        from .tracking import tracker

        return partial(tracker, options)
    from . import swarming

    return partial(swarming.seed if options.command == "seed" else swarming.peer, options)


def _say_failed(options: argparse.Namespace, error: MurderError) -> None:
    from .report import Report

    as_json = getattr(options, "json", False)
    Report(json=as_json).event("failed", f"murder-agent {options.command}: {error}", reason=str(error))
    if as_json:
        print(f"murder-agent {options.command}: {error}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Exits with one sentence, not with a usage text and a sentence."""

    def __init__(self, **options: Any) -> None:
        # One is made for each argument, just to check it. Left alone it asks how wide the terminal is, by
        # `shutil`, with which all that packs files is loaded.
        super().__init__(formatter_class=partial(argparse.HelpFormatter, width=80), **options)

    def format_help(self) -> str:
        self.formatter_class = argparse.HelpFormatter  # as wide as the terminal
        return super().format_help()

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(BadInput.exit_code, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="murder-agent", description="A BitTorrent tracker, seeder and peer for hosts of one data centre."
    )
    parser.add_argument("--version", action="version", version=f"murder_fabric {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_create(commands)
    _add_tracker(commands)
    _add_seed(commands)
    _add_peer(commands)
    commands.add_parser("control", help="serve an operator: requests on stdin, events on stdout")
    detached = commands.add_parser("detached")  # started by control alone: no help, not listed
    detached.add_argument("name")
    detached.add_argument("--lifetime", type=float, required=True)
    return parser


def _add_create(commands: argparse._SubParsersAction[_Parser]) -> None:
    create = commands.add_parser("create", help="hash a directory or a file into a torrent")
    create.add_argument("path", metavar="PATH", help="the directory or the file")
    create.add_argument(
        "--announce", type=_announce_url, metavar="URL", help="the tracker that peers shall ask"
    )
    create.add_argument(
        "--piece-length", type=int, metavar="N", help="bytes; chosen from the size by default"
    )
    create.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="leave these out too (.git* always is)"
    )
    create.add_argument("-o", "--output", required=True, metavar="FILE", help="where to write the torrent")
    _add_json(create)


def _add_tracker(commands: argparse._SubParsersAction[_Parser]) -> None:
    tracker = commands.add_parser("tracker", help="tell peers of each other until stopped")
    _add_listen(tracker)
    tracker.add_argument(
        "--allow", action="append", metavar="INFO_HASH", help="track these and no others (40 hex digits each)"
    )
    _add_json(tracker)


def _add_seed(commands: argparse._SubParsersAction[_Parser]) -> None:
    seed = commands.add_parser("seed", help="serve a payload that lies here until stopped")
    seed.add_argument("torrent", metavar="TORRENT")
    seed.add_argument(
        "path", metavar="PATH", help="the file, or the directory that holds the torrent's files"
    )
    seed.add_argument("--trust", action="store_true", help="do not check the payload first")
    seed.add_argument(
        "--plain", action="store_true", help="offer everything to everybody at once instead of super-seeding"
    )
    _add_swarm(seed)


def _add_peer(commands: argparse._SubParsersAction[_Parser]) -> None:
    peer = commands.add_parser("peer", help="fetch a torrent, then serve it")
    peer.add_argument("torrent", metavar="TORRENT")
    peer.add_argument(
        "destination", metavar="DESTINATION", help="DESTINATION/NAME is written, as other clients do"
    )
    peer.add_argument(
        "--seed-for",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="serve so long once complete (default 30)",
    )
    peer.add_argument(
        "--web-seed",
        action="append",
        default=[],
        metavar="URL",
        help="an HTTP origin that has the payload, beside those of the torrent (BEP 19); may be repeated",
    )
    _add_swarm(peer)


def _add_swarm(parser: argparse.ArgumentParser) -> None:
    _add_listen(parser)
    parser.add_argument(
        "--announce", type=_announce_url, metavar="URL", help="ask this tracker instead of the torrent's"
    )
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        help="certificates (PEM) that trackers and web seeds with https may be signed by, too",
    )
    _add_limits(parser)
    _add_json(parser)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    for name, what in (("upload", "send"), ("download", "take in")):
        parser.add_argument(
            f"--{name}-limit",
            type=_rate,
            metavar="RATE",
            help=f"{what} no more than this, such as 10MB (a second) or 80Mbit",
        )
    parser.add_argument(
        "--dscp", type=int, choices=range(64), metavar="N", help="mark packets for peers with N, 0 to 63"
    )


def _rate(text: str) -> int:
    try:
        return parse_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r:.80} is not {error}") from None


def _add_listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen", required=True, metavar="ADDRESS:PORT", help="PORT may be a range; 0 takes any free one"
    )
    parser.add_argument("--token-file", metavar="FILE", help="the run's secret, 32 hex digits; mode 600")


def _announce_url(text: str) -> str:
    if not re.fullmatch(r"(https?|udp)://[!-.0-~]+(/[!-~]*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no URL such as http://192.0.2.1:8998/announce")
    return text


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
