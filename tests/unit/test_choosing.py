"""What is decided about releases from what hosts have, and what is said where nothing is decided."""

from __future__ import annotations

import re

import pytest

from murder_fabric.deploy.choosing import Listing, behind, cannot_go, confirmed, is_deployed, way_back
from murder_fabric.deploy.inventory import releases_text, verify_text
from murder_fabric.errors import BadInput


def listing(text: str, held: dict[str, str] | None = None) -> Listing:
    """
    Make a listing, newest first: `v3*` is current, `v2!` bad, `v1?` was never current, `v2=other` a digest.

    Ranks are given to the others in order; what is in brackets was not made by us.
    """
    current, rank, releases = None, 0, []
    for word in text.split():
        name, _, digest = word.partition("=")
        tag = name.strip("*!?()")
        current = tag if "*" in name else current
        way = not set("*!?(") & set(name)
        rank += way
        releases.append(
            {
                "tag": tag,
                "state": "bad" if "!" in name else "unknown" if "(" in name else "good",
                "digest": "" if "(" in name else digest or f"d-{tag}",
                "verified": "2026-11-21 10:00:00 +0000",
                "length": 1_500_000,
                "reason": "slow (ann)" if "!" in name else "",
                "rank": rank if way else 0,
                "usable": "(" not in name,
            }
        )
    return Listing.from_fields({"current": current, "held": held, "releases": releases})


def listings(*texts: str) -> dict[str, Listing]:
    return {f"web{number}": listing(text) for number, text in enumerate(texts, 1)}


@pytest.mark.parametrize(
    ("there", "to", "left", "tag", "hosts"),
    [
        (["v2* v1", "v2* v1"], None, "v2", "v1", ["web1", "web2"]),
        (["v3* v2! v1", "v3* v2! v1"], None, "v3", "v1", ["web1", "web2"]),
        (["v2* v1", "v2* v1"], "v1", "v2", "v1", ["web1", "web2"]),
        # web3 was down for v2: it is there already.
        (["v2* v1", "v2* v1", "v1*"], None, "v2", "v1", ["web1", "web2"]),
        (["v3* v2 v1"], "v1", "v3", "v1", ["web1"]),
    ],
)
def test_the_way_back(there: list[str], to: str | None, left: str, tag: str, hosts: list[str]) -> None:
    assert way_back(listings(*there), to) == (left, tag, hosts)


@pytest.mark.parametrize(
    ("there", "to", "said"),
    [
        (["v1*", "v1*"], None, "no good release was current before v1; nothing was changed"),
        (["v2* v1!"], None, "no good release was current before v2"),
        (["v2* v1?"], None, "no good release was current before v2"),
        (["", ""], None, "no host has a current release"),
        (["v2* v1", "v1*"], None, "as many have one as another"),
        (["v2* v1"], "v2", "v2 is current already"),
        (["v3* v2", "v3* v1"], None, "web1 to v2, web2 to v1; nothing was changed. Say which with --to"),
    ],
)
def test_where_there_is_no_way_back_it_is_said_why(there: list[str], to: str | None, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        way_back(listings(*there), to)


@pytest.mark.parametrize(
    ("there", "tag", "back", "who", "why"),
    [
        (
            ["v2* v1", "v2* v1", "v3*"],
            "v1",
            True,
            ["web3"],
            "no release v1; murder.releases lists what there",
        ),
        (["v2*", "v2*"], "v9", False, ["web1", "web2"], "it has no release v9; murder.fetch brings it"),
        (
            ["v2* v1", "v2* v1!"],
            "v1",
            True,
            ["web2"],
            r"its v1 is marked bad: slow \(ann\); murder.switch --tag v1",
        ),
        (["v2* v1", "v2* v1!"], "v1", False, [], ""),
        (["v2* (v1)"], "v1", False, ["web1"], "its release v1 is not of ours, and nobody knows what it is"),
        # What most have is right; where that is nothing, nobody goes.
        (
            ["v2* v1", "v2* v1=else", "v2* v1"],
            "v1",
            True,
            ["web2"],
            "not the same release on all hosts: d-v1 on w",
        ),
        (["v2* v1", "v2* v1=else"], "v1", False, ["web1", "web2"], "d-v1 on web1, else on web2"),
        (["v1*", "", "v1"], "v1", False, ["web2"], "it has no release v1"),
    ],
)
def test_who_cannot_go_to_a_release_and_why(
    there: list[str], tag: str, back: bool, who: list[str], why: str
) -> None:
    reasons = cannot_go(
        listings(*there), tag, [f"web{number}" for number in range(1, len(there) + 1)], back=back
    )
    assert sorted(reasons) == who
    assert all(re.search(why, reason) for reason in reasons.values())


def test_a_destination_where_nobody_has_a_release_is_known() -> None:
    assert not is_deployed(listings("", ""))
    assert is_deployed(listings("", "v1"))


def test_whoever_lacks_it_fetches_it_from_those_that_run_it() -> None:
    plan = behind(listings("v2* v1", "v1*", "v2* v1", "v2? v1*", "v2*"))
    assert (plan.tag, plan.digest) == ("v2", "d-v2")
    assert plan.having == plan.sources() == ["web1", "web3", "web5", "web4"]
    assert plan.lacking == ["web2"]
    assert plan.elsewhere == ["web2", "web4"]


def test_not_all_of_many_hosts_read_their_release_for_one_that_was_down() -> None:
    assert len(behind(listings(*["v2*"] * 50, "v1*")).sources()) == 4
    assert len(behind(listings(*["v2*"] * 50, *["v1*"] * 9)).sources()) == 18


def test_the_same_tag_with_other_contents_is_not_what_the_others_run() -> None:
    plan = behind(listings("v2*", "v2*", "v2*=other"))
    assert (plan.lacking, plan.elsewhere) == (["web3"], ["web3"])


def test_who_has_a_changed_one_gives_none_and_gets_it_though_it_is_current_there() -> None:
    plan = behind(listings("v2*", "v2*", "v1* v2"), damaged=["web2"])
    assert (plan.having, plan.lacking, plan.elsewhere) == (["web1", "web3"], ["web2"], ["web2", "web3"])


@pytest.mark.parametrize(
    ("there", "tag", "said"),
    [
        (["v2*", "v1*"], None, "as many hosts have one release as another; say which with --tag"),
        (["(v0)*", "(v0)*"], None, "no host has v0 as a verified release with its torrent"),
        (["v1*"], "v9", "no host has v9"),
    ],
)
def test_where_nobody_can_say_what_is_right_it_is_asked(there: list[str], tag: str | None, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        behind(listings(*there), tag)


def test_hosts_in_one_state_share_a_block() -> None:
    held = {"operator": "ann@desk", "since": "noon", "reason": "the database\x1b moves"}
    text = releases_text({**listings("v2* v1!", "v2* v1!", ""), "web9": listing("v2* v1!", held)})
    assert text.splitlines() == [
        "web[1-2] (2 hosts): current is v2",
        "  * v2  good    d-v2              1.5 MB  2026-11-21 10:00:00 +0000",
        "    v1  bad     d-v1              1.5 MB  slow (ann)",
        "web3 (1 host): current is nothing",
        "  no release",
        "web9 (1 host): current is v2",
        "  locked by ann@desk since noon: the database\\x1b moves",
        "  * v2  good    d-v2              1.5 MB  2026-11-21 10:00:00 +0000",
        "    v1  bad     d-v1              1.5 MB  slow (ann)",
    ]


def inspected(
    tag: str | None, digest: str, *drift: str, ours: bool = True, strangers: int = 0
) -> dict[str, object]:
    return {
        "tag": tag,
        "digest": digest,
        "ours": ours,
        "drift": list(drift),
        "drift_count": len(drift),
        "damage_count": len(drift) - strangers,
    }


def test_drift_is_named_and_most_hosts_are_right_only_if_they_are_as_verified() -> None:
    hosts = {
        "web1": inspected("v1", "d1", *(f"file{number} is missing" for number in range(12))),
        "web2": inspected("v1", "d1"),
        "web3": inspected("v1", "d1", *(f"file{number} is missing" for number in range(12))),
        "web4": inspected(None, ""),
        "web5": inspected("v1", "d1", "cache does not belong there", strangers=1),
    }
    text, wrong = verify_text(hosts)
    assert wrong == {
        "web1": "12 paths of its v1 changed; murder.catch-up --mend mends that",
        "web3": "12 paths of its v1 changed; murder.catch-up --mend mends that",
        "web4": "it has no current release; murder.catch-up brings it what the others have",
        "web5": "what does not belong there lies in its v1; remove it there if it is not needed",
    }
    lines = text.splitlines()
    assert lines[0] == "web[1,3] (2 hosts): current is v1, digest d1, but 12 of its paths differ"
    assert lines[10:12] == ["  file9 is missing", "  and 2 more"]
    assert "web4 (1 host): current is nothing" in lines


def test_what_was_changed_and_what_was_added_is_one_count_in_two_parts() -> None:
    changed = ("index is missing", "page has the mode 600, and should have 644")
    hosts = {
        "web1": inspected("v1", "d1", *changed, "new does not belong there", strangers=1),
        "web2": inspected("v1", "d1"),
        "web3": inspected("v1", "d1", *changed, "new does not belong there", "old does not", strangers=2),
    }
    text, wrong = verify_text(hosts)
    assert wrong == {
        "web1": "3 paths differ in its v1: 2 changed (murder.catch-up --mend mends that),"
        " 1 does not belong there (remove there what is not needed)",
        "web3": "4 paths differ in its v1: 2 changed (murder.catch-up --mend mends that),"
        " 2 do not belong there (remove there what is not needed)",
    }
    assert "web1 (1 host): current is v1, digest d1, but 3 of its paths differ" in text.splitlines()


def test_who_has_more_than_belongs_there_can_give_the_others_what_does() -> None:
    hosts = {
        "web1": inspected("v1", "d1", "index is missing"),
        "web2": inspected("v1", "d1", "cache does not belong there", strangers=1),
    }
    wrong = verify_text(hosts)[1]
    assert wrong["web1"] == "1 path of its v1 changed; murder.catch-up --mend mends that"
    assert wrong["web2"].startswith("what does not belong there lies in its v1")


def test_the_same_release_under_another_tag_is_right_too() -> None:
    hosts = {"web1": inspected("v1", "d1"), "web2": inspected("v2", "d1"), "web3": inspected("v1", "d2")}
    text, wrong = verify_text(hosts)
    assert list(wrong) == ["web3"]
    assert wrong["web3"].startswith("its v1 (d2) is another release than that of most hosts; murder.catch-up")
    assert "web2 (1 host): current is v2, digest d1, as it was verified" in text


def test_where_no_host_is_as_verified_another_deploy_is_what_helps() -> None:
    _, wrong = verify_text({"web1": inspected("v1", "d1", "index is missing")})
    assert wrong["web1"].endswith("no host is as it was verified: deploy the tree again under another --tag")


def test_of_releases_that_nobody_verified_it_counts_that_hosts_have_the_same() -> None:
    same = {f"web{number}": inspected("cap", "d1", ours=False) for number in (1, 2)}
    assert verify_text(same)[1] == {}
    wrong = verify_text({**same, "web3": inspected("cap", "d2", ours=False)})[1]
    said = "its cap (d2) is another release than that of most hosts; nobody knows which is right"
    assert wrong == {"web3": f"{said}: deploy a new one"}


@pytest.mark.parametrize(
    ("said", "is_alone", "believed"),
    [
        ("a", True, "a"),
        # The others that have it did not answer.
        ("a", False, None),
        ("aa", False, "a"),
        ("ab", False, None),
        ("aab", False, "a"),
        ("baa", False, "a"),
        ("abc", False, None),
        ("", False, None),
    ],
)
def test_what_no_digest_covers_is_as_two_hosts_say_or_the_only_one(
    said: str, is_alone: bool, believed: str | None
) -> None:
    assert confirmed(list(said), is_alone=is_alone) == believed
