"""Whether a peer is still there, and knows that we are."""

from __future__ import annotations

from ..bitfield import Bitfield
from ..policy.snubbing import Patience
from ..wire.messages import KeepAlive
from .download import Download
from .peer import Peer

#: Seconds within which a handshake, and the proof where one is asked for, must be complete.
HANDSHAKE_TIMEOUT = 5.0
#: Seconds of our silence after which we say that we are still here, and of theirs after which we hang up.
KEEP_ALIVE_AFTER = 30.0
SILENT_AFTER = 120.0


class Presence:
    """Hangs up on whoever is not there any more, or has nothing to give or to take."""

    def __init__(self, have: Bitfield, download: Download) -> None:
        self._have = have
        self._download = download

    def look(self, peer: Peer, *, now: float) -> bool:
        """See to *peer*; return whether it was snubbed just now, so that others are to be asked."""
        if not peer.trusted:
            if now - peer.connected_at >= HANDSHAKE_TIMEOUT:
                peer.link.close("no handshake in time")
            return False
        if self._have.complete and peer.has.complete:
            # Not as soon as that is so: what tells the other that we have everything must have left by then.
            # Else it takes us for somebody who was lost, and connects again, and so on.
            if peer.finished:
                peer.link.close("both have everything")
            peer.finished = True
            return False
        patience = self._download.check_patience(peer, now=now)
        if patience is Patience.GIVE_UP or now - peer.heard_at >= SILENT_AFTER:
            peer.link.close("it does not answer")
        if now - peer.spoke_at >= KEEP_ALIVE_AFTER:
            peer.spoke_at = now
            peer.link.send(KeepAlive())
        return patience is Patience.SNUB
