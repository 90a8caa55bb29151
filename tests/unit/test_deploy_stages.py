"""The stages of a deploy against agents that answer at once: who is asked what, and who goes back."""

from __future__ import annotations

import contextlib
import io
import math
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Union

import pytest

from murder_fabric.control import Message
from murder_fabric.deploy.connecting.asking import Ask, OnAnswer, OnEvent
from murder_fabric.deploy.deployment import Deployment
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.muster import PAYLOAD_TIMEOUT, PROMPT_TIMEOUT, SILENCE_LIMIT, Muster
from murder_fabric.deploy.outcome import HostState
from murder_fabric.deploy.ranges import fold
from murder_fabric.deploy.releases import fetch
from murder_fabric.deploy.roles import Roles
from murder_fabric.deploy.run import Run
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.uploading import upload_pieces
from murder_fabric.deploy.wanted import Wanted, title_of
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import AllHostsFailed, BadInput, HostsFailed, Interrupted, StorageError, TreeError
from murder_fabric.metainfo.holdings import Holdings
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.storage.creation import create_metainfo
from murder_fabric.storage.payload import root_of

Answer = Union[Message, HostFailure]
#: Answers instead of the agent, or returns None to let it answer.
Interfere = Callable[[str, dict[str, Any]], Union[HostFailure, None]]
DOWN = HostFailure("refused", "it refused the connection to port 22")
FULL = HostFailure("failed", "No space left on device")


class Agents:
    """Stands in for `Channels`: agents that do whatever they are asked, and a list of what that was."""

    def __init__(self, hosts: list[str], interfere: Interfere) -> None:
        self.asked: list[tuple[str, str]] = []
        self.fields: list[tuple[str, dict[str, Any]]] = []
        self.pieces: dict[int, bytes] = {}
        #: What a seeder makes of the files that lie there.
        self.torrent = b""
        #: Seconds for all hosts, seconds of silence, by request.
        self.bounds: dict[str, tuple[float | None, float | None]] = {}
        #: What is asked of those too that seem to hang.
        self.insisted: set[str] = set()
        self.current: dict[str, Any] = dict.fromkeys(hosts, "v0")
        self._hosts = hosts
        #: What each host has staged: whole files, bytes by tag that came from older releases, and by host how
        #: many files there had changed.
        self.held: tuple[int, ...] = ()
        self.reused: dict[str, int] = {}
        self.changed: dict[str, int] = {}
        #: Hosts on which hardly a byte is free.
        self.little_room: list[str] = []
        self._interfere = interfere
        self._down: dict[str, HostFailure] = {}

    def greet(
        self, timeout: float, on_event: OnEvent | None = None, on_answer: OnAnswer | None = None
    ) -> dict[str, Answer]:
        answers = {host: self._answer(host, Message({"do": "greet"})) for host in self._hosts}
        self._down = {host: answer for host, answer in answers.items() if isinstance(answer, HostFailure)}
        return told(answers, on_answer)

    def ask(
        self,
        requests: Mapping[str, Message],
        timeout: float | None = None,
        on_event: Any = None,
        silence: float | None = None,
        on_answer: OnAnswer | None = None,
        *,
        insist: bool = False,
    ) -> Any:
        self.bounds.update({message.fields["do"]: (timeout, silence) for message in requests.values()})
        self.insisted.update(message.fields["do"] for message in requests.values() if insist)
        return told({host: self._answer(host, message) for host, message in requests.items()}, on_answer)

    def begin(self, requests: Mapping[str, Message], *, insist: bool = False) -> Ask:
        ask = Ask(self, dict.fromkeys(requests, 1))  # type: ignore[arg-type]
        for host, message in requests.items():
            ask.hear(host, self._answer(host, message))
        return ask

    def forget(self, host: str, request: int) -> None:
        self.asked.append((host, "forget"))

    def missed(self, host: str, request: int, failure: HostFailure) -> None:
        self.forget(host, request)

    def failures(self) -> dict[str, HostFailure]:
        return self._down

    def _holdings(self, torrent: bytes) -> bytes:
        holdings = Holdings.none(parse_metainfo(torrent).info)
        for file in self.held:
            holdings.files.add(file)
        return holdings.to_bytes()

    def those_asked(self, do: str) -> list[str]:
        return [host for host, what in self.asked if what == do]

    def _answer(self, host: str, message: Message) -> Answer:
        do = message.fields["do"]
        self.asked.append((host, do))
        self.fields.append((host, message.fields))
        refusal = self._down.get(host) or self._interfere(host, message.fields)
        if refusal is not None:
            return refusal
        room = 1000 if host in self.little_room else 1 << 40
        fields: dict[str, Any] = {
            "prepare": {"free_bytes": room, "free_inodes": None, "current": self.current.get(host)},
            "nonces": {"nonces": []},
            "locate": {"address": f"10.0.0.{self._hosts.index(host) + 1}"},
            "start_tracker": {"port": 8998},
            "create": {"file_count": 2, "length": 80_000},
            "stage": {"bytes_reused": self.reused, "files_changed": self.changed.get(host, 0)},
            "join": {"bytes_downloaded": 10},
            "switch": {"previous": self.current.get(host)},
        }.get(do, {})
        if do == "store_piece":
            self.pieces[message.fields["index"]] = message.attached
        if do == "switch":
            self.current[host] = message.fields["tag"]
        if do == "switch_back" and self.current[host] == message.fields["tag"]:
            self.current[host] = message.fields["previous"]
        holdings = self._holdings(message.attached) if do == "stage" else b""
        return Message({"event": "done", **fields}, self.torrent if do == "create" else holdings)


def told(answers: dict[str, Answer], on_answer: OnAnswer | None) -> dict[str, Answer]:
    for host, answer in answers.items():
        if on_answer is not None:
            on_answer(host, answer)
    return answers


HOSTS = ["web1", "web2", "web3"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(b"a" * 40_000)
    (tmp_path / "files" / "b").write_bytes(b"b" * 40_000)
    return tmp_path / "files"


def deployment(
    files: Path, interfere: Interfere = lambda host, fields: None, **settings: Any
) -> tuple[Deployment, Agents]:
    metainfo = create_metainfo(str(files), None, piece_length=16384)
    agents = Agents(HOSTS, interfere)
    muster = Muster(agents, HOSTS, View(io.StringIO()))  # type: ignore[arg-type]
    wanted = Wanted("v1", "/srv/app", str(files), metainfo)
    made = Run(muster, Roles("web1", ["web1"], HOSTS), Settings(**settings), wanted)
    return Deployment(made), agents


def when(host: str, do: str, failure: HostFailure = FULL) -> Interfere:
    return lambda asked, fields: failure if (asked, fields["do"]) == (host, do) else None


def test_all_goes_well(files: Path) -> None:
    deploy, agents = deployment(files)
    deploy.run()
    assert deploy.outcome.hosts(HostState.SWITCHED) == HOSTS
    assert agents.current == dict.fromkeys(HOSTS, "v1")
    assert b"".join(agents.pieces[index] for index in sorted(agents.pieces)) == b"a" * 40_000 + b"b" * 40_000
    assert agents.asked[-3:] == [(host, "finish") for host in HOSTS]


@pytest.mark.parametrize("busy", ["web1", "web2"])
def test_of_two_runs_at_once_the_one_that_has_the_first_host_has_all(files: Path, busy: str) -> None:
    """Row 77: if each took some of them, both would fail."""
    theirs = HostFailure("failed", "busy: /srv/app is being deployed to by ann@desk since just now")
    deploy, agents = deployment(files, when(busy, "prepare", theirs))
    with pytest.raises(AllHostsFailed if busy == "web1" else HostsFailed):
        deploy.run()
    assert agents.those_asked("prepare") == (["web1"] if busy == "web1" else HOSTS)
    assert deploy.outcome[busy].error == theirs.reason
    if busy == "web1":
        assert deploy.outcome["web3"].error == "not taken, as web1 is busy; nothing was changed"


def test_who_may_go_without_a_busy_host_does(files: Path) -> None:
    busy = HostFailure("failed", "busy: /srv/app is being deployed to by ann@desk since just now")
    deploy, agents = deployment(files, when("web1", "prepare", busy), allow_failures="1")
    deploy.run()
    assert agents.those_asked("prepare") == HOSTS
    assert deploy.outcome.hosts(HostState.SWITCHED) == ["web2", "web3"]


@pytest.mark.parametrize("stage", ["greet", "prepare", "nonces", "stage", "join", "verify"])
def test_before_the_barrier_one_failure_holds_everybody_back(files: Path, stage: str) -> None:
    deploy, agents = deployment(files, when("web2", stage))
    with pytest.raises(
        HostsFailed,
        match=r"1 of 3 hosts failed \(allowed: 0\).*v1 lies ready on web\[1,3\], current there is as it was",
    ) as caught:
        deploy.run()
    assert caught.value.exit_code == 3
    assert agents.those_asked("switch") == []
    assert deploy.outcome.complaints() == ["web2: No space left on device"]
    was_out = stage in ("greet", "prepare", "nonces")
    assert agents.those_asked("locate") == [host for host in HOSTS if host != "web2" or not was_out]
    assert agents.those_asked("finish") == [host for host in HOSTS if (host, stage) != ("web2", "greet")]


@pytest.mark.parametrize(("allowed", "said"), [("0", True), ("1", False)])
def test_that_nothing_will_be_switched_is_said_before_anything_moves(
    files: Path, allowed: str, said: bool
) -> None:
    stream = io.StringIO()
    deploy, _ = deployment(files, when("web2", "greet"), allow_failures=allowed)
    deploy.plan.muster.view = View(stream)
    with contextlib.suppress(HostsFailed):
        deploy.run()
    told = "1 of 3 hosts failed (allowed: 0), so nothing will be switched" in stream.getvalue()
    assert told is said
    assert stream.getvalue().index("web2: No space left") < stream.getvalue().index("  prepare")


@pytest.mark.parametrize("stage", ["prepare", "stage", "join"])
def test_a_loss_that_holds_everybody_back_is_told_once_and_before_the_next_stage(
    files: Path, stage: str
) -> None:
    lost = {"prepare": ["web2"], "stage": ["web2"], "join": ["web2", "web3"]}[stage]

    def interfere(host: str, fields: dict[str, Any]) -> HostFailure | None:
        return FULL if fields["do"] == stage and host in lost else None

    said = watched(*deployment(files, interfere))
    ahead = {"prepare": "  stage ", "stage": "  upload ", "join": "  swarm "}[stage]
    warned = said.index("1 of 3 hosts failed (allowed: 0), so nothing will be switched")
    assert said.index("web2: No space left on device") < warned < said.index(ahead)
    assert said.count("so nothing will be switched") == 1


def test_that_the_room_does_not_suffice_is_said_before_anything_moves(files: Path) -> None:
    deploy, agents = deployment(files)
    agents.little_room.append("web3")
    said = watched(deploy, agents)
    assert said.index("  prepare ") < said.index("web3: no space left for /srv/app: it needs 16.9 MB, 1.0 kB")
    assert said.index("web3: no space left") < said.index("1 of 3 hosts failed (allowed: 0)")
    assert said.index("so nothing will be switched") < said.index("  stage ")


def test_where_no_host_takes_the_release_no_pieces_are_counted(files: Path) -> None:
    other = HostFailure("failed", "v1 is there already with other contents", 2)
    deploy, agents = deployment(files, lambda host, fields: other if fields["do"] == "stage" else None)
    assert "  stage    no host took it (" in watched(deploy, agents)
    assert all(one.is_lasting for one in deploy.outcome.by_host().values())


def test_nobody_who_only_fetches_is_told_that_nothing_will_be_switched(files: Path) -> None:
    made, agents = deployment(files, when("web2", "prepare"))
    assert "so nothing will be switched" not in watched(Deployment(made.plan, fetch), agents)
    assert agents.those_asked("verify") == ["web1", "web3"]


def watched(deploy: Deployment, agents: Agents) -> str:
    """Go through *deploy*; return what was said meanwhile."""
    stream = io.StringIO()
    deploy.plan.muster.view = View(stream)
    with contextlib.suppress(HostsFailed):
        deploy.run()
    assert agents.those_asked("switch") == []
    return stream.getvalue()


def test_failures_that_are_allowed_hold_back_nobody(files: Path) -> None:
    deploy, agents = deployment(files, when("web2", "join"), allow_failures="1")
    deploy.run()
    assert agents.those_asked("switch") == ["web1", "web3"]
    assert deploy.outcome.lost == ["web2"]
    assert deploy.outcome.hosts(HostState.SWITCHED) == ["web1", "web3"]


@pytest.mark.parametrize("stage", ["greet", "prepare", "stage"])
def test_the_next_host_takes_the_place_of_a_first_one_that_nobody_named(files: Path, stage: str) -> None:
    deploy, agents = deployment(files, when("web1", stage), allow_failures="1")
    deploy.run()
    assert set(agents.those_asked("store_piece")) == {"web2"}
    assert agents.those_asked("start_tracker") == ["web1" if stage == "stage" else "web2"]
    assert deploy.outcome.hosts(HostState.SWITCHED) == ["web2", "web3"]


@pytest.mark.parametrize("role", ["tracker", "seeder"])
def test_a_tracker_or_seeder_that_was_named_has_no_deputy(files: Path, role: str) -> None:
    roles = {"tracker": "", "seeder": "", "peer": "", role: "web1"}
    deploy, agents = deployment(files, when("web1", "greet", DOWN), roles=roles, allow_failures="1")
    with pytest.raises(AllHostsFailed, match=f"the {role} web1 failed: it refused the connection"):
        deploy.run()
    assert deploy.outcome.going == []
    assert agents.those_asked("switch") == []


@pytest.mark.parametrize("do", ["start_tracker", "track"])
def test_the_next_host_tracks_where_one_that_nobody_named_cannot(files: Path, do: str) -> None:
    deploy, agents = deployment(files, when("web1", do), allow_failures="1")
    deploy.run()
    assert agents.those_asked(do) == ["web1", "web2"]
    assert set(agents.those_asked("store_piece")) == {"web2"}
    assert deploy.outcome.hosts(HostState.SWITCHED) == ["web2", "web3"]


def test_where_no_host_can_track_all_failed(files: Path) -> None:
    deploy, agents = deployment(files, lambda host, fields: FULL if fields["do"] == "track" else None)
    with pytest.raises(AllHostsFailed):
        deploy.run()
    assert agents.those_asked("track") == HOSTS
    assert deploy.outcome.complaints() == ["web[1-3]: No space left on device"]


@pytest.mark.parametrize("do", ["start_tracker", "track", "store_piece"])
def test_nothing_goes_on_without_tracker_and_seeder(files: Path, do: str) -> None:
    roles = {"tracker": "web1", "seeder": "", "peer": ""}
    deploy, agents = deployment(files, when("web1", do), roles=roles, allow_failures="100%")
    with pytest.raises((AllHostsFailed, BadInput), match=r"web1 failed: No space left.*nothing was switched"):
        deploy.run()
    assert agents.those_asked("switch") == []
    assert agents.those_asked("finish") == HOSTS


def test_hosts_without_room_are_found_before_a_piece_moves(files: Path) -> None:
    deploy, agents = deployment(files)
    agents.little_room.append("web3")
    with pytest.raises(HostsFailed):
        deploy.run()
    (line,) = deploy.outcome.complaints()
    assert line.startswith("web3: no space left for /srv/app: it needs 16.9 MB, 1.0 kB are free; nothing was")
    assert "web3" not in agents.those_asked("stage")


def test_a_host_that_does_not_switch_takes_those_back_that_did(files: Path) -> None:
    deploy, agents = deployment(files, when("web2", "switch"))
    with pytest.raises(HostsFailed, match=r"1 of 3 hosts did not switch; web\[1,3\] are back where"):
        deploy.run()
    assert agents.current == dict.fromkeys(HOSTS, "v0")
    assert deploy.outcome.hosts(HostState.VERIFIED) == ["web1", "web3"]
    back = [fields for host, fields in agents.fields if fields["do"] == "switch_back"]
    assert {one["previous"] for one in back} == {"v0"}
    assert agents.insisted == {"switch_back", "finish"}


@pytest.mark.parametrize("do", ["start_tracker", "track"])
def test_a_tracker_that_is_another_name_of_a_peer_ends_the_run_where_it_fails(files: Path, do: str) -> None:
    roles = {"tracker": "web2", "seeder": "", "peer": ""}
    deploy, agents = deployment(files, when("web2", do), roles=roles)
    deploy.plan = replace(deploy.plan, roles=Roles("web2", ["web1"], HOSTS))
    deploy.outcome.reached("web2", HostState.SKIPPED, "another name of web1")
    with pytest.raises(AllHostsFailed, match="the tracker web2 failed: No space left"):
        deploy.run()
    assert agents.those_asked(do) == ["web2"]
    assert deploy.outcome.lost == ["web1", "web3"]


def test_when_no_host_switches_all_failed(files: Path) -> None:
    deploy, _ = deployment(files, lambda host, fields: FULL if fields["do"] == "switch" else None)
    with pytest.raises(AllHostsFailed, match="3 of 3 hosts did not switch"):
        deploy.run()


STAGES = ["greet", "prepare", "stage", "store_piece", "join", "verify", "switch"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("host", ["web1", "web3"])
def test_ctrl_c_at_any_moment_leaves_every_host_as_it_was(files: Path, stage: str, host: str) -> None:
    """Also in the middle of the switch, where the answers of those that did are lost with it."""

    def press(asked: str, fields: dict[str, Any]) -> None:
        if fields["do"] == stage and (asked == host or stage == "store_piece"):
            raise KeyboardInterrupt

    deploy, agents = deployment(files, press)
    left = r"every host is as it was, .*--tag v1 goes on .*; nothing of ours runs"
    with pytest.raises(Interrupted, match=left) as caught:
        deploy.run()
    assert caught.value.exit_code == 130
    assert agents.current == dict.fromkeys(HOSTS, "v0")
    assert agents.those_asked("finish") == ([] if stage == "greet" else HOSTS)


def test_ctrl_c_while_hosts_go_back_after_a_fault_of_ours_lets_them_do_so(files: Path) -> None:
    steps: list[str] = []

    def press(asked: str, fields: dict[str, Any]) -> None:
        steps.append(fields["do"])
        if fields["do"] == "switch" and asked == "web2":
            raise OSError("Broken pipe")
        if fields["do"] == "switch_back" and steps.count("switch_back") == 1:
            raise KeyboardInterrupt

    deploy, agents = deployment(files, press)
    with pytest.raises(Interrupted, match="every host is as it was"):
        deploy.run()
    assert agents.current == dict.fromkeys(HOSTS, "v0")
    assert steps.count("switch_back") > 1
    assert "switch_back" not in steps[steps.index("finish") :]


def test_ctrl_c_as_the_switch_is_noted_denies_nothing(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy, agents = deployment(files)

    def press(hosts: Iterable[str]) -> str:
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        return fold(hosts)

    monkeypatch.setattr("murder_fabric.deploy.deployment.fold", press)
    with pytest.raises(Interrupted, match=r"interrupted; web\[1-3\] has v1"):
        deploy.run()
    assert agents.current == dict.fromkeys(HOSTS, "v1")


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("greet", ["stopping: no host has begun anything; Ctrl-C again leaves at once", "stop     done"]),
        (
            "join",
            ["stopping: 3 hosts to clean up;", "stop     trackers, seeders and peers ended on 3 of 3 hosts"],
        ),
    ],
)
def test_ctrl_c_is_told_with_what_there_is_to_end(files: Path, stage: str, said: list[str]) -> None:
    def press(asked: str, fields: dict[str, Any]) -> None:
        if fields["do"] == stage:
            raise KeyboardInterrupt

    deploy, _ = deployment(files, press)
    stream = io.StringIO()
    deploy.plan.muster.view = View(stream)
    with pytest.raises(Interrupted):
        deploy.run()
    for text in said:
        assert text in stream.getvalue()
    assert ("stage    nothing is there already (" in stream.getvalue()) is (stage == "join")


def test_after_ctrl_c_hosts_that_do_not_answer_are_named(files: Path) -> None:
    def press(asked: str, fields: dict[str, Any]) -> HostFailure | None:
        if fields["do"] == "switch" and asked == "web3":
            raise KeyboardInterrupt
        return DOWN if asked == "web2" and fields["do"] in ("switch_back", "finish") else None

    deploy, _ = deployment(files, press)
    with pytest.raises(Interrupted, match=r"web2 may have been switched: .*; web2 did not answer, and what"):
        deploy.run()
    (line,) = deploy.outcome.complaints()
    assert line.startswith("web2: current may point at v1 there: it refused the connection")


@pytest.mark.parametrize("fails", [False, True])
def test_ctrl_c_while_all_is_being_ended_is_the_first_one(files: Path, fails: bool) -> None:
    pressed: list[str] = []

    def press(asked: str, fields: dict[str, Any]) -> HostFailure | None:
        if fields["do"] == "finish" and not pressed:
            pressed.append(asked)
            raise KeyboardInterrupt
        return FULL if fails and fields["do"] == "verify" else None

    deploy, agents = deployment(files, press)
    standing = r"all 3 hosts failed; nothing was switched" if fails else r"web\[1-3\] has v1"
    with pytest.raises(Interrupted, match=f"^interrupted; {standing}; nothing of ours runs$"):
        deploy.run()
    assert agents.those_asked("finish") == ["web1", *HOSTS]


def test_a_second_ctrl_c_is_not_caught(files: Path) -> None:
    def press(asked: str, fields: dict[str, Any]) -> None:
        if fields["do"] in ("join", "finish"):
            raise KeyboardInterrupt

    deploy, _ = deployment(files, press)
    with pytest.raises(KeyboardInterrupt):
        deploy.run()


def test_a_fault_of_ours_stops_everything_too(files: Path) -> None:
    def fault(asked: str, fields: dict[str, Any]) -> None:
        if fields["do"] == "verify":
            raise ZeroDivisionError

    deploy, agents = deployment(files, fault)
    with pytest.raises(ZeroDivisionError):
        deploy.run()
    assert agents.those_asked("finish") == HOSTS


# Uploading ------------------------------------------------------------------------------------------------


def upload(
    files: Path, agents: Agents, sizes: list[int], pieces: Sequence[int] = (), whole: Sequence[int] = ()
) -> HostFailure | None:
    """Bring web1 what it lacks, which has *pieces* and *whole* files."""
    metainfo = create_metainfo(str(files), None, piece_length=16384)
    has = Holdings.none(metainfo.info)
    for index in pieces:
        has.pieces.add(index)
    for file in whole:
        has.files.add(file)
    return upload_pieces(agents, "web1", "v1", metainfo, str(files), has, sizes.append)  # type: ignore[arg-type]


def test_nobody_waits_long_for_a_host_that_is_silent(files: Path) -> None:
    """Also where the files lie on a seeder that is no peer, which makes the torrent and reads them again."""
    deploy, agents = deployment(files)
    torrent = create_metainfo(str(files), None, piece_length=16384).encode()
    agents.torrent, agents._hosts = torrent, [*HOSTS, "build"]
    wanted = Wanted("v1", "/srv/app", "/srv/build", None)
    deploy.plan = replace(deploy.plan, roles=Roles("web1", ["build"], HOSTS), wanted=wanted)
    deploy.run()
    assert {"create", "stage", "seed", "verify", "clean_up"} <= set(agents.bounds)
    for do, (timeout, silence) in agents.bounds.items():
        assert min(timeout or math.inf, silence or math.inf) <= SILENCE_LIMIT, do


def test_preparing_may_take_long_where_much_is_to_be_removed_first(files: Path) -> None:
    deploy, agents = deployment(files)
    deploy.run()
    assert agents.bounds["prepare"] == (PAYLOAD_TIMEOUT, PROMPT_TIMEOUT)  # an agent at work says so meanwhile


def test_what_a_seeder_hashes_must_be_what_hosts_may_have_under_that_tag(files: Path) -> None:
    deploy, agents = deployment(files)
    agents.torrent = create_metainfo(str(files), None, piece_length=16384).encode()
    deploy.plan = replace(deploy.plan, wanted=Wanted("v1", "/srv/app", "/srv/build", None, digest="ab" * 32))
    with pytest.raises(BadInput, match="/srv/build on the seeder differs from the v1 that hosts may have"):
        deploy.run()
    assert agents.those_asked("stage") == []
    assert agents.those_asked("finish") == HOSTS


def test_only_pieces_that_are_missing_are_uploaded(files: Path) -> None:
    agents, sizes = Agents(HOSTS, lambda host, fields: None), []
    assert upload(files, agents, sizes, [0, 2, 3]) is None
    assert list(agents.pieces) == [1, 4]
    assert sizes == [16384, 80_000 - 4 * 16384]


def test_of_a_piece_only_what_is_missing_is_uploaded(files: Path) -> None:
    agents, sizes = Agents(HOSTS, lambda host, fields: None), []
    assert upload(files, agents, sizes, [0, 1, 3, 4], whole=[1]) is None
    assert agents.pieces == {2: (files / "a").read_bytes()[2 * 16384 :]}
    assert sizes == [40_000 - 2 * 16384]


def test_it_is_said_what_is_used_again_and_where_something_had_changed(files: Path) -> None:
    deploy, agents = deployment(files)
    stream = io.StringIO()
    deploy.plan.muster.view = View(stream)
    agents.held, agents.reused, agents.changed = (0,), {"v0": 40_000}, {"web2": 1, "web3": 2}
    deploy.run()
    assert "  stage    120.0 kB reused from v0" in stream.getvalue()
    assert "3 files of former releases not as they were on web[2-3], so not reused" in stream.getvalue()
    assert sum(map(len, agents.pieces.values())) == 40_000


def test_an_upload_ends_with_the_first_refusal(files: Path) -> None:
    agents = Agents(HOSTS, lambda host, fields: FULL if fields["index"] == 1 else None)
    sizes: list[int] = []
    assert upload(files, agents, sizes) == FULL
    assert sizes == [16384]


def test_files_that_change_between_hashing_and_upload_are_named(files: Path) -> None:
    metainfo = create_metainfo(str(files), None, piece_length=16384)
    agents = Agents(HOSTS, lambda host, fields: None)

    def again(files: Path) -> None:
        nothing = Holdings.none(metainfo.info)
        upload_pieces(agents, "web1", "v1", metainfo, str(files), nothing, lambda size: None)  # type: ignore[arg-type]

    (files / "b").write_bytes(b"B" * 40_000)
    with pytest.raises(TreeError, match=r"source changed: .*/files/a or one of the 1 files after it"):
        again(files)
    (files / "a").unlink()
    with pytest.raises(StorageError, match=r"No such file or directory: .*/files/a"):
        again(files)


# Small questions ------------------------------------------------------------------------------------------


def test_a_host_that_says_nothing_is_given_up_and_the_others_are_not() -> None:
    agents = Agents(HOSTS, lambda host, fields: None)
    ask = Ask(agents, {"web1": 1, "web2": 1})  # type: ignore[arg-type]
    ask.hear("web1", Message({"event": "done"}))
    told: list[str] = []
    answers = ask.wait(None, silence=0.0, on_answer=lambda host, answer: told.append(host))
    assert told == ["web1", "web2"]
    assert isinstance(answers["web1"], Message)
    assert answers["web2"] == HostFailure("late", "it said nothing for 0 s")
    assert answers["web2"].connected  # "unreachable" is who never let us in
    assert agents.asked == [("web2", "forget")]


def test_who_waits_is_told_of_each_answer_and_of_nothing_else() -> None:
    ask, told = Ask(Agents(HOSTS, lambda host, fields: None), dict.fromkeys(HOSTS, 1)), []  # type: ignore[arg-type]
    ask.hear("web1", Message({"event": "progress"}))
    ask.hear("web1", Message({"event": "done"}))
    ask.hear("web2", DOWN)
    ask.hear("web3", Message({"event": "hello"}))
    ask.wait(on_answer=lambda host, answer: told.append((host, answer)))
    assert [host for host, _ in told] == ["web1", "web2", "web3"]
    assert told[1][1] == DOWN


@pytest.mark.parametrize(
    ("destination", "title"), [("/srv/app", "app"), ("/srv/app/", "app"), ("~/my app", "my app")]
)
def test_equal_destinations_give_equal_titles(destination: str, title: str) -> None:
    assert title_of(destination) == title


def test_a_single_file_is_found_by_its_real_name(files: Path) -> None:
    link = files / "link"
    link.symlink_to("a")
    metainfo = create_metainfo(str(link), None)
    assert metainfo.info.name == b"a"
    assert root_of(metainfo.info, str(link)) == str(files)
