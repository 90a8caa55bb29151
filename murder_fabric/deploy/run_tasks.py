"""Tasks about runs: what runs on the hosts now, and what ran before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .executor import GroupContext
from .lazily import lazily
from .murder_task import murder_task, settings_of
from .ranges import fold
from .roles import assign_roles

if TYPE_CHECKING:
    from . import status as running
    from .muster import Muster
    from .undertaking import Undertaking
else:
    running = lazily("status")


@murder_task()
def status(c: GroupContext, /, **settings: Any) -> Undertaking:
    """Show what runs on the hosts now, whoever started it, and how far each is; changes nothing."""
    from .undertaking import Undertaking

    known = settings_of(c, settings)
    hosts = assign_roles(c.hosts, known.roles).hosts()

    def steps(muster: Muster) -> str:
        muster.greet()
        return running.status(muster)

    return Undertaking(f"what runs on {fold(hosts)}", known, hosts, steps)


TASKS = (status,)
