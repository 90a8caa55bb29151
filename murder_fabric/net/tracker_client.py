"""Announcing to and scraping the trackers of one torrent over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import TrackerError
from ..tracker.announcing import AnnounceRequest, AnnounceResponse, announce_query, parse_response
from ..tracker.keys import redacted, scrape_url
from ..tracker.scraping import ScrapeEntry, parse_scrape_response, scrape_query
from ..tracker.tiers import Tiers
from .http_client import TIMEOUT, get
from .ports import Reactor

T = TypeVar("T")


class TrackerClient:
    """
    Asks a torrent's trackers in their order until one answers.

    Args:
        reactor: dials, keeps the time.
        tiers: announce URLs; those that are not of HTTP (UDP trackers, say) are passed over.
        timeout: seconds for each tracker.
        bind_address: the address of ours to dial from, so that the tracker sees the one peers can reach.
        certificates: CA certificates (PEM) that trackers may be known by, beside those this host trusts.
    """

    def __init__(
        self,
        reactor: Reactor,
        tiers: Tiers,
        *,
        timeout: float = TIMEOUT,
        bind_address: str | None = None,
        certificates: str = "",
    ) -> None:
        self._reactor = reactor
        self._tiers = tiers
        self._timeout = timeout
        self._bind_address = bind_address
        self._certificates = certificates

    async def announce(self, request: AnnounceRequest) -> AnnounceResponse:
        """
        Return the answer of the first tracker that has one.

        Raises:
            TrackerError: none had; what the last one said.
        """
        failure = TrackerError("the torrent names no tracker with an http:// or https:// URL")
        for url in [url for url in self._tiers if url.startswith(("http://", "https://"))]:
            try:
                response = await self._ask(url, announce_query(request), parse_response)
            except TrackerError as error:
                failure = error
                continue
            self._tiers.answered(url)
            return response
        raise failure

    async def scrape(self, url: str, info_hash: bytes) -> ScrapeEntry | None:
        """
        Return what the tracker with announce URL *url* says of *info_hash*; none if it knows it not.

        Raises:
            TrackerError: it cannot be scraped, or did not answer.
        """
        entries = await self._ask(scrape_url(url), scrape_query([info_hash]), parse_scrape_response)
        return entries.get(info_hash)

    async def _ask(self, url: str, query: bytes, parse: Callable[[bytes], T]) -> T:
        # Trackers that know their users by a parameter have one in the URL already.
        joint = "&" if "?" in url else "?"
        asked = f"{url}{joint}{query.decode('ascii')}"
        answer = await get(
            self._reactor,
            asked,
            timeout=self._timeout,
            bind_address=self._bind_address,
            certificates=self._certificates,
        )
        try:
            return parse(answer)
        except TrackerError as error:
            raise TrackerError(f"{redacted(url)}: {error}") from None
