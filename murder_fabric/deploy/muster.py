"""The hosts of one run as they stand: who answers, who is out and why, where each is found by the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .. import control
from ..control import Message, Request
from ..errors import AllHostsFailed, BadInput
from ..tracker.addresses import canonical_host
from ..units import counted, shown_size
from .connecting.asking import GREET_TIMEOUT, Answer, OnAnswer, OnEvent
from .connecting.channels import Channels
from .failures import HostFailure, printable
from .outcome import HostState, Outcome, grouped
from .ranges import fold
from .roles import HERE
from .watching.view import View

#: Seconds for what takes no time on a host that is well.
PROMPT_TIMEOUT = 30.0
#: Seconds for what reads or writes the whole payload.
PAYLOAD_TIMEOUT = 3600.0
#: An agent at work says so every few seconds; a host that is silent for so many is out.
SILENCE_LIMIT = 60.0
#: Of what a host lists, so much is said at the most.
MOST_TOLD = 20


class Muster:
    """
    Asks agents through *channels*, and keeps in `outcome` what became of *hosts*.

    Args:
        channels: to an agent on each of *hosts*, and maybe on others, which are asked but not counted.
        hosts: those the run is about; an `Outcome` is gone on with.
        view: told what happens.
    """

    def __init__(self, channels: Channels, hosts: Iterable[str] | Outcome, view: View) -> None:
        self._counted = list(hosts)
        self.outcome = hosts if isinstance(hosts, Outcome) else Outcome(self._counted)
        self.channels = channels
        self.view = view
        #: Every host whose agent has spoken, in the order of the channels.
        self.greeted: list[str] = []
        #: Those of them that had no agent, or an older one, and took it in now.
        self.supplied: set[str] = set()
        #: By host, why it could not have it from another one, as it should, and was sent it.
        self.unfetched: dict[str, str] = {}
        #: By host, the version of its Python.
        self.pythons: dict[str, str] = {}
        #: Why the others did not speak, those that are not counted included.
        self.silent: dict[str, HostFailure] = {}
        #: Why hosts that are not counted, but spoke, are out.
        self.dropped: dict[str, HostFailure] = {}
        #: What hosts answered to `ask_one` that was not done.
        self.refused: dict[str, HostFailure] = {}

    def greet(self) -> None:
        """Wait until every agent speaks; hosts where none does are out, which is said at once."""
        with self.view.stage("connect") as said:
            self.view.asked(self._counted, "answer")
            answers = self.channels.greet(GREET_TIMEOUT, self._started, self.counting(HostState.READY))
            for host, answer in answers.items():
                if isinstance(answer, HostFailure):
                    self.silent[host] = answer
                else:
                    self.greeted.append(host)
            here = f", {HERE} among them" * (HERE in answers)
            said.append(f"{len(self.greeted)} of {counted(len(answers), 'host')}{here}")
            if self.unfetched:
                why = next(iter(self.unfetched.values()))
                said.append(f"{fold(self.unfetched)} took the agent over SSH ({why})")
        for line in grouped({host: failure.reason for host, failure in self.silent.items()}):
            self.view.say(f"  {line}")

    def ask(
        self,
        hosts: Iterable[str],
        request_of: Callable[[str], Request],
        timeout: float | None = PROMPT_TIMEOUT,
        attached: bytes = b"",
        on_event: OnEvent | None = None,
        to: str | None = None,
        silence: float | None = None,
        reaching: HostState | None = None,
    ) -> dict[str, Message]:
        """
        Ask hosts and return what those said that did it; the others are out.

        Args:
            timeout: seconds for all of them together; None waits as long as they live.
            to: the detached agent that is meant, if any.
            silence: seconds after which one that says nothing is out.
            reaching: the state of those that did it, if that is another one.
        """
        head = {} if to is None else {"to": to}
        requests = {host: Message({**request_of(host).fields(), **head}, attached) for host in hosts}
        self.view.asked(requests, *([] if reaching is None else [reaching.value]))
        counting = self.counting(reaching)
        return self.settle(self.channels.ask(requests, timeout, on_event, silence, counting))

    def counting(self, reaching: HostState | None = None) -> OnAnswer:
        """Return what notes and shows the answer of each host while others are waited for; see `ask`."""

        def on_answer(host: str, answer: Answer) -> None:
            if isinstance(answer, HostFailure):
                self.outcome.failed(host, answer)
                return
            if reaching is not None and self.outcome.is_going(host):
                self.outcome.reached(host, reaching)
            self.view.answered(host)

        return on_answer

    def settle(self, answers: Mapping[str, Message | HostFailure]) -> dict[str, Message]:
        """Return what hosts said that did what they were asked; the others are out."""
        done = {}
        for host, answer in answers.items():
            if isinstance(answer, HostFailure):
                self.drop(host, answer)
            else:
                done[host] = answer
        return done

    def drop(self, host: str, failure: HostFailure) -> None:
        """*host* is out; of one that is in no report, not counted or another name, that is said now."""
        if host in self._counted and self.outcome[host].state is not HostState.SKIPPED:
            self.outcome.failed(host, failure)
        elif host not in self.dropped and host not in self.silent:
            self.dropped[host] = failure
            self.view.say(f"  {host}: {failure.reason}")

    def ask_one(
        self,
        host: str,
        request: Request,
        timeout: float = PROMPT_TIMEOUT,
        attached: bytes = b"",
        to: str | None = None,
        on_event: OnEvent | None = None,
        silence: float | None = None,
    ) -> Message:
        """
        Ask a host without which nothing goes on.

        Raises:
            BadInput: it says that this cannot be asked of it.
            AllHostsFailed: it failed.
        """
        head = {} if to is None else {"to": to}
        requests = {host: Message({**request.fields(), **head}, attached)}
        return self.must_have_done(host, self.channels.ask(requests, timeout, on_event, silence)[host])

    def must_have_done(self, host: str, answer: Message | HostFailure) -> Message:
        """Return what *host* answered, if that is no failure; see `ask_one`."""
        if isinstance(answer, Message):
            return answer
        self.refused[host] = answer
        if answer.exit_code == BadInput.exit_code:
            raise BadInput(f"{host}: {answer.reason}")
        known = host in self.outcome.lost
        raise AllHostsFailed(f"nothing can be done without {host}" + f": {answer.reason}" * (not known))

    def locate(self, interface: str) -> dict[str, str]:
        """
        Return the address of each host that is not out, this machine apart; see `control.Locate`.

        Where several say the same, it is that of the one which SSH reaches there, and the others are out. If
        that is none of them, or several, nobody can tell who lies, or if any does, and all are out.

        Raises:
            BadInput: these are all hosts.
        """
        request = control.Locate(interface or None)
        out = {HERE, *self.outcome.lost, *self.dropped}
        hosts = [host for host in self.greeted if host not in out]
        addresses = {
            host: canonical_host(str(answer.fields["address"]))
            for host, answer in self.ask(hosts, lambda _: request).items()
        }
        going = {host: addresses[host] for host in self.outcome.going if host in addresses}
        for address, sharing in shared_addresses(going).items():
            there = [host for host in sharing if self.channels.reached_at(host) == address]
            if len(there) != 1 and len(sharing) == len(going):
                raise BadInput(f"{sharing_sentence(sharing, address)}; nothing was changed")
            for host in sharing:
                if there != [host]:
                    why = sharing_sentence(sharing, address, there[0] if len(there) == 1 else "")
                    self.drop(host, HostFailure("failed", why))
                    del addresses[host]
        return addresses

    def progress(self, host: str, event: Message, length: int) -> None:
        """*host* sent a `progress` record of what it fetches, of *length* bytes: show how far all are."""
        there = min(event.fields["bytes"], length)
        self.view.heard(host, {**event.fields, "bytes": there, "length": length})

    def hashing(self) -> OnEvent:
        """Return what shows how far a host is that hashes, told its `progress` events."""

        def on_event(host: str, event: Message) -> None:
            done, length = event.fields.get("bytes", 0), event.fields.get("length", 0)
            self.view.progress(f"{shown_size(done)} of {shown_size(length)} hashed on {host}")

        return on_event

    def told_of_sources(self, joined: Mapping[str, Message]) -> list[str]:
        """Return what web seeds and tracker did for hosts that are complete, as these said to `Join`."""
        came = sum(message.fields.get("bytes_of_web_seeds", 0) for message in joined.values())
        given_up: dict[tuple[str, str], list[str]] = {}
        unanswered: dict[str, list[str]] = {}
        for host, message in joined.items():
            for problem in list(message.fields.get("web_seed_problems", {}).items())[:MOST_TOLD]:
                given_up.setdefault(problem, []).append(host)
            if why := message.fields.get("tracker_problem"):
                unanswered.setdefault(why, []).append(host)
        said = [f"{shown_size(came)} of it from web seeds"] * bool(came)
        said += [
            f"{fold(at)} gave up {printable(url)}: {printable(why)}" for (url, why), at in given_up.items()
        ]
        never = "the tracker never answered"
        return said + [f"{never} {fold(at)}: {printable(why)}" for why, at in unanswered.items()]

    def _started(self, host: str, event: Message) -> None:
        if event.fields.get("event") == "unfetched":
            self.unfetched[host] = printable(str(event.fields.get("reason", "")))
            return
        self.pythons[host] = printable(str(event.fields.get("python", "")))
        if not event.fields.get("have", True):
            self.supplied.add(host)


def shared_addresses(addresses: Mapping[str, str]) -> dict[str, list[str]]:
    """
    Return addresses that several hosts have: they cannot reach each other (VirtualBox's guests at 10.0.2.15).

    Loopback is an exception: hosts that are directories of one machine.
    """
    hosts_at: dict[str, list[str]] = {}
    for host, address in addresses.items():
        hosts_at.setdefault(address, []).append(host)
    return {
        address: hosts
        for address, hosts in hosts_at.items()
        if len(hosts) > 1 and not address.startswith("127.") and address != "::1"
    }


def sharing_sentence(hosts: Iterable[str], address: str, owner: str = "") -> str:
    """Say of hosts that have one address what to do about it; *owner* is the one that SSH reaches there."""
    known = f", and SSH reaches {owner} there" if owner else ""
    return (
        f"{fold(hosts)} all say that their address is {address}{known}; name the interface by which they"
        " reach each other in murder.interface, such as eth1"
    )
