"""What looks at a release see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from common.releases.look import spans
from common.releases.models import Policy

END = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_as_many_windows_are_judged_as_monitoring_may_lag_behind() -> None:
    """Five minutes for a window of two that may be three minutes late, newest first."""
    found = list(spans(END - timedelta(hours=1), END, Policy("api")))
    seconds = [((END - start).total_seconds(), (END - end).total_seconds()) for start, end in found]
    assert seconds == [(120, 0), (240, 120), (300, 240)]


@given(st.floats(-10, 10_000), st.floats(1, 600), st.floats(0, 600))
def test_windows_cover_all_that_may_count_and_nothing_before(ago: float, window: float, lag: float) -> None:
    """Without a gap, none longer than the policy's, and never from before the share was reached; clocks may differ."""
    since = END - timedelta(seconds=ago)
    found = list(spans(since, END, Policy("api", window_seconds=window, lag_seconds=lag)))
    assert found[0][1] == END
    assert all(later[0] == earlier[1] for later, earlier in pairwise(found))
    assert all(timedelta() < end - start <= timedelta(seconds=window) for start, end in found)
    assert found[-1][0] >= min(since, END - timedelta(seconds=1))
