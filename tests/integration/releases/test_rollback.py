"""Answering alerts, with a real database and a fake Cloud Run on the wire."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from common.bus.topology import RELEASES
from common.cloud_run.port import CloudRunUnavailable
from common.cloud_run.rest import CloudRunRest
from common.database.engine import connect
from common.errors import Unavailable
from common.releases import store
from common.releases.probe import Health
from common.releases.record import Record
from common.releases.rollback import Rollback
from common.releases.traffic import failed_tag
from tests.fakes.cloud_run.world import LATEST, NAMED
from tests.integration.releases.conftest import BAD, GOOD, REGION, RELEASED, Watch, notification, now


def test_a_bad_revision_is_taken_back_and_marked_failed_for_ever(watch: Watch) -> None:
    """All traffic goes to the revision before, and the record says who, why and how it ended."""
    decision = watch.answer(notification())
    assert (decision.action, decision.source, decision.target) == ("roll_back", BAD, GOOD)
    assert watch.serving() == {GOOD: 100}
    (change,) = watch.sql("SELECT state, actor, before, after FROM traffic_changes")
    assert (change.state, change.actor) == ("verified", "rollback")
    assert change.before == [{"revision": BAD, "percent": 100, "tag": None}]
    assert {"revision": BAD, "percent": 0, "tag": failed_tag(BAD)} in change.after
    assert watch.sql("SELECT state FROM releases WHERE revision = :r", r=BAD)[0].state == "failed"
    types = [row.type for row in watch.sql("SELECT type FROM release_events ORDER BY at")]
    assert types == ["alert", "decided", "shifting", "shifted"]
    (told,) = watch.sql("SELECT channel, message FROM notifications")
    assert told.message["title"] == f"api: rolled back to {GOOD}"
    assert told.message["status"] == "done"


def test_an_incident_is_acted_on_once_however_often_it_is_told(watch: Watch) -> None:
    """Repeats, its closing, and its opening after that move nothing."""
    watch.answer(notification())
    for data in (notification(), notification(state="closed"), notification()):
        watch.answer(data)
    assert len(watch.world.patches) == 1
    assert watch.serving() == {GOOD: 100}
    assert watch.sql("SELECT action, state FROM incidents") == [("roll_back", "closed")]
    assert watch.sql("SELECT count(*) FROM traffic_changes")[0].count == 1


def test_an_opening_that_arrives_after_the_closing_moves_nothing(watch: Watch) -> None:
    """Messages come in any order."""
    assert watch.answer(notification(state="closed")).code == "closed"
    assert watch.answer(notification()).code == "closed"
    assert watch.world.patches == []


def test_two_instances_that_race_shift_the_traffic_once(watch: Watch) -> None:
    """One acts; the others find that it did."""
    watch.world.faults.operation_seconds = 0.3
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(watch.answer(notification()).code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["already_acted"] * 3 + ["rolled_back"]
    assert len(watch.world.patches) == 1


def die_before_moving(watch: Watch) -> None:
    """Has an instance die once it has written down what it is about to do."""
    instance = watch.rollback()

    def die(*_: object, **__: object) -> None:
        raise CloudRunUnavailable("killed here")

    instance.cloud_run.move = die  # type: ignore[method-assign, assignment]
    with pytest.raises(CloudRunUnavailable):
        instance.answer(notification())


def test_an_instance_that_died_before_moving_is_finished_by_the_next(watch: Watch) -> None:
    """What was asked for is done when the alert comes again, and nothing else."""
    die_before_moving(watch)
    assert watch.sql("SELECT state FROM traffic_changes") == [("asked",)]
    decision = watch.answer(notification())
    assert decision.action == "roll_back"
    assert watch.serving() == {GOOD: 100}
    assert watch.sql("SELECT state FROM traffic_changes") == [("verified",)]
    assert len(watch.world.patches) == 1


def test_an_instance_that_died_after_moving_is_only_written_down(watch: Watch) -> None:
    """The traffic is where it was sent: that is verified, not done again."""
    first = watch.rollback()
    original = CloudRunRest.move

    def die(*arguments: object, **options: object) -> None:
        original(*arguments, **options)  # type: ignore[arg-type]
        raise CloudRunUnavailable("killed here")

    assert isinstance(first.cloud_run, CloudRunRest)
    first.cloud_run.move = die.__get__(first.cloud_run)  # type: ignore[method-assign]
    with pytest.raises(CloudRunUnavailable):
        first.answer(notification())
    watch.answer(notification())
    assert watch.sql("SELECT state FROM traffic_changes") == [("verified",)]
    assert len(watch.world.patches) == 1


def test_what_was_begun_is_left_when_somebody_else_moved_the_traffic(watch: Watch) -> None:
    """The change that was asked for is of a world that is gone."""
    die_before_moving(watch)
    watch.world.deploy("api", "api-3", no_traffic=True)
    watch.world.set_traffic("api", [{"type": NAMED, "revision": "api-3", "percent": 100}])
    watch.answer(notification())
    assert watch.serving() == {"api-3": 100}
    (change,) = watch.sql("SELECT state, detail FROM traffic_changes")
    assert (change.state, change.detail) == ("failed", "somebody else moved the traffic meanwhile: it is left to them")
    (told,) = watch.sql("SELECT message FROM notifications")
    assert told.message["status"] == "trouble"


def test_what_was_begun_is_left_when_the_incident_has_closed(watch: Watch) -> None:
    """Nobody acts on a closed incident, not even halfway."""
    die_before_moving(watch)
    watch.answer(notification(state="closed"))
    assert watch.world.patches == []
    assert watch.sql("SELECT state FROM traffic_changes") == [("failed",)]
    assert watch.answer(notification()).code == "closed"


def test_what_was_begun_keeps_the_tags_that_came_meanwhile(watch: Watch) -> None:
    """A tag that somebody set while the instance was dead is not lost."""
    die_before_moving(watch)
    watch.world.set_traffic(
        "api",
        [{"type": NAMED, "revision": BAD, "percent": 100}, {"type": NAMED, "revision": GOOD, "tag": "blue"}],
    )
    watch.answer(notification())
    assert watch.serving() == {GOOD: 100}
    assert {"type": NAMED, "revision": GOOD, "tag": "blue"} in watch.world.patches[-1]["traffic"]


def test_the_sweep_finishes_what_no_alert_comes_again_for(watch: Watch) -> None:
    """Once nobody can be at it any more, and only once."""
    die_before_moving(watch)
    instance = watch.rollback()
    assert instance.finish_overdue() == 0
    watch.sql("UPDATE traffic_changes SET created_at = now() - interval '5 minutes' RETURNING 1")
    assert instance.finish_overdue() == 1
    assert watch.serving() == {GOOD: 100}
    assert watch.sql("SELECT state FROM traffic_changes") == [("verified",)]
    assert instance.finish_overdue() == 0
    assert len(watch.world.patches) == 1


def test_alerts_of_one_revision_that_race_shift_the_traffic_once(watch: Watch) -> None:
    """Two incidents, one cause: whoever waited looks at the service anew and finds the work done."""
    watch.world.faults.operation_seconds = 0.3
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(watch.answer(notification(f"i{n}")).code)) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["already_rolled_back"] * 3 + ["rolled_back"]
    assert len(watch.world.patches) == 1


def test_a_revision_beside_it_that_suffers_as_well_shows_a_dependency(watch: Watch) -> None:
    """Both serve, both answer with errors: to move users from one to the other helps nobody."""
    traffic = [{"type": NAMED, "revision": BAD, "percent": 10}, {"type": NAMED, "revision": GOOD, "percent": 90}]
    watch.world.set_traffic("api", traffic)
    watch.requests(GOOD)
    decision = watch.answer(notification())
    assert (decision.action, decision.code) == ("notify", "dependency")
    assert "100% of its own answers are errors" in decision.reason
    watch.requests(GOOD, count=10_000, status=200)
    assert watch.answer(notification()).target == GOOD


def test_a_cloud_run_that_is_away_for_long_is_told(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert comes again and again; after five minutes a human learns why nothing happens, and when it does."""
    watch.world.faults.reads_down = 1000
    instance = watch.rollback()
    late = replace(instance, clock=lambda: now() + timedelta(minutes=4))
    with monkeypatch.context() as hasty:
        hasty.setattr("common.google_api.READ_SECONDS", 0.1)
        with pytest.raises(CloudRunUnavailable):
            instance.answer(notification())
        assert watch.sql("SELECT 1 FROM notifications") == []
        with pytest.raises(CloudRunUnavailable):
            late.answer(notification())
    assert watch.sql("SELECT code FROM incidents") == [("cloud_run_unavailable",)]
    watch.world.faults.reads_down = 0
    watch.requests(BAD)
    assert watch.answer(notification()).action == "roll_back"
    (told,) = watch.sql("SELECT message FROM notifications")
    assert told.message["status"] == "done"


def test_a_cloud_run_that_refuses_to_be_read_is_told(watch: Watch) -> None:
    """To ask again would change nothing: somebody has to give Sight the role it needs."""
    instance = replace(watch.rollback(), cloud_run=CloudRunRest("another-project", endpoint=watch.server.url))
    assert instance.answer(notification()).code == "cloud_run_refused"
    (told,) = watch.sql("SELECT message FROM notifications")
    assert "403" in told.message["text"]
    assert watch.answer(notification()).action == "roll_back"


def test_a_lock_is_given_up_when_nothing_is_heard_of_its_process(watch: Watch) -> None:
    """Postgres ends the session of a machine that is gone, and with it the lock."""
    connection = watch.engine.connect()
    with connection.begin():
        assert store.try_lock(connection, "api", REGION)
    (row,) = connection.exec_driver_sql("SHOW idle_session_timeout").all()
    connection.close()
    assert row[0] == "2min"


def test_a_service_without_a_policy_is_not_even_looked_at(watch: Watch) -> None:
    """It is recorded and told."""
    watch.world.faults.reads_down = 1000
    assert watch.answer(notification(service="billing")).code == "not_allowlisted"
    assert watch.sql("SELECT service, code FROM incidents") == [("billing", "not_allowlisted")]


def test_a_dependency_that_is_down_for_both_only_tells(watch: Watch) -> None:
    """The revision that would take over says itself that it could not."""
    watch.health = Health(up=False, detail="it says itself that database is down")
    watch.world.set_traffic(
        "api",
        [{"type": NAMED, "revision": BAD, "percent": 100}, {"type": NAMED, "revision": GOOD, "tag": "stable"}],
    )
    decision = watch.answer(notification())
    assert (decision.action, decision.code) == ("notify", "dependency")
    assert watch.world.patches == []
    assert watch.sql("SELECT message ->> 'status' AS status FROM notifications") == [("trouble",)]


def test_too_little_traffic_only_tells_and_more_of_it_acts(watch: Watch) -> None:
    """A later notification of the same incident is judged anew, as nothing was done about the first."""
    watch.world.samples.clear()
    watch.requests(count=3)
    assert watch.answer(notification()).code == "too_little_traffic"
    watch.requests(count=100)
    assert watch.answer(notification()).action == "roll_back"
    assert watch.serving() == {GOOD: 100}


def test_traffic_moved_by_a_person_is_left_to_them(watch: Watch) -> None:
    """Cloud Run says who changed the service last."""
    watch.world.set_traffic("api", [{"type": NAMED, "revision": BAD, "percent": 100}], modifier="ada@example.com")
    assert watch.answer(notification()).code == "moved_by_hand"
    assert watch.world.patches == []


def test_tags_of_others_are_kept(watch: Watch) -> None:
    """Those of the target, of the one at fault and of any other."""
    watch.world.set_traffic(
        "api",
        [
            {"type": LATEST, "percent": 100},
            {"type": NAMED, "revision": BAD, "tag": "green"},
            {"type": NAMED, "revision": GOOD, "tag": "blue"},
        ],
    )
    watch.answer(notification())
    tags = {target["tag"]: target["revision"] for target in watch.world.patches[0]["traffic"] if "tag" in target}
    assert tags == {"green": BAD, "blue": GOOD, "stable": GOOD, failed_tag(BAD): BAD}


def test_what_is_no_notification_is_recorded_and_told(watch: Watch) -> None:
    """Neither text, nor other JSON, nor a version of tomorrow moves anything; all are there to look at."""
    for data in (b"hello", b"[1]", b"\xff\x00", notification("i9", version="2.0"), notification("i8", version="test")):
        assert watch.answer(data).code == "unknown_version"
    assert watch.world.patches == []
    assert watch.sql("SELECT count(*) FROM incidents")[0].count == 5


def test_traffic_that_cannot_be_moved_is_told_and_not_tried_for_ever(watch: Watch) -> None:
    """The on-call engineer learns where it is and what to type."""
    watch.world.faults.failed_operations = 1
    watch.answer(notification())
    assert watch.sql("SELECT state FROM traffic_changes") == [("failed",)]
    (told,) = watch.sql("SELECT message FROM notifications")
    assert told.message["status"] == "trouble"
    assert any(command.startswith("sight ops rollback api") for command in told.message["commands"])
    assert watch.answer(notification()).code == "already_acted"


def test_monitoring_that_is_away_has_a_fresh_alert_come_again(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much traffic there was has to be known before it is judged."""
    watch.world.faults.monitoring_down = 100
    with monkeypatch.context() as hasty:
        hasty.setattr("common.google_api.READ_SECONDS", 0.2)
        with pytest.raises(Unavailable):
            watch.answer(notification())
    watch.world.faults.monitoring_down = 0
    assert watch.answer(notification()).action == "roll_back"


def test_without_postgres_the_traffic_is_moved_and_the_record_published(watch: Watch, no_database: Engine) -> None:
    """It decides from Cloud Run alone, tells people directly, and the record is written when somebody can."""
    watch.world.set_traffic("api", RELEASED)
    decision = watch.answer(notification(), no_database)
    assert decision.action == "roll_back"
    assert watch.serving() == {GOOD: 100}
    assert [message.title for message in watch.said] == [f"api: rolled back to {GOOD}"]
    (event,) = [json.loads(data) for data in watch.bus.take(RELEASES)]
    record = Record.from_json(event["record"])
    with watch.engine.begin() as connection:
        store.write(connection, record, ("log",))
    assert watch.sql("SELECT state FROM traffic_changes") == [("verified",)]
    assert watch.answer(notification()).code == "already_acted"


def test_without_postgres_a_failed_revision_is_known_by_its_tag(watch: Watch, no_database: Engine) -> None:
    """Cloud Run itself remembers: nobody is sent to a revision that failed."""
    watch.world.set_traffic("api", RELEASED)
    watch.answer(notification())
    watch.world.deploy("api", "api-3", no_traffic=True)
    tags = [target for target in watch.world.patches[-1]["traffic"] if "tag" in target]
    watch.world.set_traffic("api", [{"type": NAMED, "revision": "api-3", "percent": 100}, *tags])
    watch.requests("api-3")
    decision = watch.answer(notification("i2", revision="api-3"), no_database)
    assert (decision.action, decision.target) == ("roll_back", GOOD)


def with_a_record_in_memory(watch: Watch, no_database: Engine) -> Rollback:
    """An instance that rolled back while there was neither Postgres nor a bus."""
    watch.world.set_traffic("api", RELEASED)
    watch.bus.broken = True
    instance = watch.rollback(no_database)
    with pytest.raises(Unavailable, match="memory"):
        instance.answer(notification())
    return instance


def test_without_postgres_and_bus_the_record_waits_for_the_next_alert(watch: Watch, no_database: Engine) -> None:
    """The traffic is moved all the same; the alert comes again, and the record is written as soon as it can be."""
    instance = with_a_record_in_memory(watch, no_database)
    assert watch.serving() == {GOOD: 100}
    instance.ledger.engine = lambda: watch.engine
    assert instance.answer(notification()).code == "already_acted"
    assert watch.sql("SELECT state FROM traffic_changes") == [("verified",)]
    assert len(watch.world.patches) == 1


def test_a_postgres_that_takes_nothing_for_a_moment_costs_no_record(watch: Watch, no_database: Engine) -> None:
    """A server that is read-only after a failover is away, as far as records go."""
    instance = with_a_record_in_memory(watch, no_database)
    url = watch.engine.url.render_as_string(hide_password=False)
    read_only = connect(url)
    event.listen(read_only, "begin", lambda connection: connection.exec_driver_sql("SET TRANSACTION READ ONLY"))
    instance.ledger.engine = lambda: read_only
    with pytest.raises(Unavailable, match="memory"):
        instance.answer(notification("i2", service="web", revision="web-1"))
    read_only.dispose()
    instance.ledger.engine = lambda: watch.engine
    assert instance.answer(notification()).code == "already_acted"
    assert watch.sql("SELECT state FROM traffic_changes") == [("verified",)]
    assert len(watch.world.patches) == 1


def test_a_rehearsal_decides_and_does_nothing(watch: Watch) -> None:
    """Even of an incident that was acted on long ago."""
    watch.answer(notification())
    watch.world.set_traffic("api", [{"type": NAMED, "revision": BAD, "percent": 100}])
    before = watch.sql("SELECT count(*) FROM release_events")
    decision = watch.rollback().rehearse(notification())
    assert decision.dry_run
    assert decision.code == "cooling_down"
    assert watch.sql("SELECT count(*) FROM release_events") == before
    assert REGION
