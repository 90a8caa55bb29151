"""
The contract between operator and agent: JSON lines each way, some with bytes attached.

A message is one line of JSON; where it has the key `attached`, that many raw bytes follow the line (a
torrent, a piece). The operator sends requests, each with an `id` and the request's name under `do`. The
agent sends events, each with `event` and `time` (Unix seconds); an event that belongs to a request carries
its `id`, and every request ends with exactly one `done` or `failed`. While one is long at the disk, `working`
comes every few seconds:

    -> {"id": 3, "do": "switch", "destination": "/srv/app", "tag": "v1"}
    <- {"id": 3, "event": "done", "time": 1763767200.5, "previous": "v0"}
    <- {"id": 4, "event": "failed", "time": 1763767200.6, "reason": "no space left on /srv"}

A request with `to` is meant for the detached agent of that name on the same host and forwarded there.
"""

from __future__ import annotations

from .agents import Clean as Clean
from .agents import Detach as Detach
from .agents import Dismiss as Dismiss
from .agents import DismissAll as DismissAll
from .agents import Heartbeat as Heartbeat
from .agents import PassNoMore as PassNoMore
from .agents import PassOn as PassOn
from .agents import Status as Status
from .agents import spoken as spoken
from .answers import check_event as check_event
from .errands import CheckHealth as CheckHealth
from .errands import ReadClock as ReadClock
from .errands import RunCommands as RunCommands
from .framing import Message as Message
from .framing import MessageReader as MessageReader
from .framing import encode_message as encode_message
from .parsing import REQUESTS as REQUESTS
from .parsing import parse_request as parse_request
from .preflight import Examine as Examine
from .preflight import Reach as Reach
from .preflight import StandBy as StandBy
from .releasing import CleanUp as CleanUp
from .releasing import Finish as Finish
from .releasing import Hold as Hold
from .releasing import Inspect as Inspect
from .releasing import LetGo as LetGo
from .releasing import ListReleases as ListReleases
from .releasing import MarkBad as MarkBad
from .releasing import Nonces as Nonces
from .releasing import Prepare as Prepare
from .releasing import RecallRelease as RecallRelease
from .releasing import Switch as Switch
from .releasing import SwitchBack as SwitchBack
from .releasing import Verify as Verify
from .request import HEARTBEAT_INTERVAL as HEARTBEAT_INTERVAL
from .request import LEASE as LEASE
from .request import MAX_CERTIFICATES as MAX_CERTIFICATES
from .request import VERSION as VERSION
from .request import WORKING as WORKING
from .request import Request as Request
from .request import check_depth as check_depth
from .request import check_tag as check_tag
from .swarming import Admit as Admit
from .swarming import Create as Create
from .swarming import Join as Join
from .swarming import Locate as Locate
from .swarming import Recall as Recall
from .swarming import Seed as Seed
from .swarming import Stage as Stage
from .swarming import StartTracker as StartTracker
from .swarming import Stop as Stop
from .swarming import StorePiece as StorePiece
from .swarming import Track as Track
from .swarming import TrackerFacts as TrackerFacts
