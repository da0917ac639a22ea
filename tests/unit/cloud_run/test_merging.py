"""Tests of merging a change of traffic with what others did meanwhile."""

from __future__ import annotations

import pytest

from common.cloud_run.merging import lost, merged, moved_by_others
from common.cloud_run.port import Target

SEEN = [Target("new", 100), Target("old", 0, "stable"), Target("older", 0, "theirs")]
WANTED = [Target("old", 100), Target("new", 0, "failed-new"), Target("older", 0, "theirs")]


def ready(name: str) -> bool:
    """Whether a revision is ready: all but one are."""
    return name != "broken"


def tags(targets: list[Target]) -> dict[str, str | None]:
    """The revision of each tag."""
    return {target.tag: target.revision for target in targets if target.tag}


@pytest.mark.parametrize(
    ("found", "moved"),
    [
        (SEEN, False),
        (WANTED, False),
        ([Target("new", 60), Target("new", 40), Target("old", 0, "other")], False),
        ([Target("older", 100)], True),
        ([Target("new", 50), Target("old", 50)], True),
        ([Target(None, 100)], False),
        ([Target(None, 50), Target("old", 50)], True),
    ],
)
def test_shares_that_are_neither_those_seen_nor_those_wanted_are_of_others(found: list[Target], moved: bool) -> None:
    """Tags and the way shares are listed do not count; the latest is here the new one."""
    assert moved_by_others(WANTED, SEEN, found, "new") is moved


def test_where_nobody_did_anything_the_change_is_what_was_wanted() -> None:
    """Tag for tag and share for share."""
    assert merged(WANTED, SEEN, SEEN, ready) == WANTED


def test_a_tag_set_meanwhile_is_kept() -> None:
    """Somebody else's deployment under a tag does not lose its address."""
    assert tags(merged(WANTED, SEEN, [*SEEN, Target("newest", 0, "preview")], ready)) == {
        "failed-new": "new",
        "theirs": "older",
        "preview": "newest",
    }


def test_a_tag_moved_meanwhile_is_where_they_moved_it() -> None:
    """The last word on a tag that was not ours to change is theirs."""
    assert tags(merged(WANTED, SEEN, [*SEEN[:2], Target("new", 0, "theirs")], ready))["theirs"] == "new"


def test_a_tag_taken_away_meanwhile_does_not_come_back() -> None:
    """Not even though the change was made when it was there."""
    assert "theirs" not in tags(merged(WANTED, SEEN, SEEN[:2], ready))


def test_what_both_changed_is_as_wanted() -> None:
    """The change would not be what was decided otherwise."""
    wanted = [Target("old", 100), Target("new", 0, "stable")]
    assert tags(merged(wanted, SEEN, [*SEEN[:1], Target("older", 0, "stable")], ready))["stable"] == "new"


def test_a_new_tag_on_a_revision_that_is_not_ready_is_left_out() -> None:
    """One such tag is enough for Cloud Run to move nothing at all."""
    assert "preview" not in tags(merged(WANTED, SEEN, [*SEEN, Target("broken", 0, "preview")], ready))


@pytest.mark.parametrize("mended", ["older", None])
def test_a_tag_that_was_left_out_and_is_mended_meanwhile_is_kept(mended: str | None) -> None:
    """It was only left out because its revision was not ready, which it now is: also where it is on the latest."""
    seen = [*SEEN, Target("broken", 0, "qa")]
    assert "qa" not in tags(merged(WANTED, seen, seen, ready))
    assert "qa" not in tags(merged(WANTED, seen, SEEN, ready))
    assert tags(merged(WANTED, seen, [*SEEN, Target(mended, 0, "qa")], ready))["qa"] == mended


@pytest.mark.parametrize("tag", ["stable", "previous", "failed-1a2b3c4d", "instead-of-1a2b3c4d"])
def test_a_tag_of_ours_that_was_left_out_does_not_come_back(tag: str) -> None:
    """That was decided."""
    wanted = [Target("old", 100)]
    assert merged(wanted, [Target("new", 100), Target("old", 0, tag)], [Target("new", 100, tag)], ready) == wanted


def test_the_tags_of_others_that_are_lost_are_told() -> None:
    """Those on revisions that are not ready; which of ours are asked for was decided."""
    found = [*SEEN, Target("broken", 0, "qa"), Target("gone", 0, "demo"), Target("broken", 0, "failed-1a2b3c4d")]
    assert lost(found, merged(WANTED, found, found, ready)) == ["demo", "qa"]


def test_shares_are_never_touched() -> None:
    """A share whose tag somebody took away stays a share."""
    seen, wanted = [Target("new", 100, "live")], [Target("old", 90, "live2"), Target("new", 10, "live")]
    found = merged(wanted, seen, [Target("new", 100)], ready)
    assert [(target.revision, target.percent, target.tag) for target in found] == [
        ("old", 90, "live2"),
        ("new", 10, None),
    ]
