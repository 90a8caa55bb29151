"""Scrape requests and responses (BEP 48): how many are in a swarm, without joining it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .. import bencoding
from ..errors import TrackerError
from .announcing import answer_count, decode_answer
from .query import HASH_LENGTH, build_query, parse_hash, parse_query

#: Info hashes one scrape may ask about; with every byte quoted more would not fit a 4 KiB request.
MAX_HASHES = 64


class ScrapeEntry(NamedTuple):
    """One swarm in numbers: who has everything, how often somebody got there, who has not yet."""

    complete: int
    downloaded: int
    incomplete: int


def parse_scrape(query: bytes) -> tuple[bytes, ...]:
    """
    Return the info hashes that the query string *query* asks about.

    Raises:
        TrackerError: none (a tracker may then list all it knows: ours keeps that to itself), more than
            `MAX_HASHES`, or one that is no info hash.
    """
    hashes = [parse_hash("info_hash", value) for _, value in parse_query(query, (b"info_hash",))]
    if not 0 < len(hashes) <= MAX_HASHES:
        raise TrackerError(f"a scrape asks about 1 to {MAX_HASHES} info hashes, not {len(hashes)}")
    return tuple(dict.fromkeys(hashes))


def scrape_query(info_hashes: Iterable[bytes]) -> bytes:
    """Return the query string that asks about *info_hashes*."""
    return build_query(("info_hash", info_hash) for info_hash in info_hashes)


def encode_scrape(entries: Mapping[bytes, ScrapeEntry]) -> bytes:
    """Return *entries* (info hash to numbers) as a scrape response."""
    files = {info_hash: {k.encode(): v for k, v in e._asdict().items()} for info_hash, e in entries.items()}
    return bencoding.encode({b"files": files})


def parse_scrape_response(data: bytes) -> dict[bytes, ScrapeEntry]:
    """
    Return what a tracker, trusted in nothing, answered to a scrape.

    Raises:
        TrackerError: one sentence: the tracker's reason for refusing, or what is wrong with *data*.
    """
    files = decode_answer(data).get(b"files")
    if not isinstance(files, dict):
        raise TrackerError("the tracker's answer to a scrape has no files")
    entries = {}
    for info_hash, entry in files.items():
        if len(info_hash) != HASH_LENGTH or not isinstance(entry, dict):
            raise TrackerError("the tracker's answer to a scrape has an entry that is none")
        entries[info_hash] = ScrapeEntry(
            *(answer_count(entry, name.encode("ascii")) for name in ScrapeEntry._fields)
        )
    return entries
