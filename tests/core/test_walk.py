"""The walk of one upload through the core, on both databases."""

from world import World

from transom.core.handoff import Answer
from transom.domain.submission import State


def test_a_file_is_received_archived_taken_accepted_and_answered(world: World) -> None:
    firm, app = world.account(), world.processor()

    sent = firm.submit("0001/app1/in/filing.zip", b"filing")
    (lease,) = app.claim()
    handoff = world.exchange.handoff
    assert firm.names("0001/app1/in") == ["filing.zip"]
    handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)
    assert firm.names("0001/app1/in") == []
    app.publish("0001/app1/out/answer.txt", b"ok", about=sent.tracking_id)
    handoff.report(app.actor, sent.tracking_id, lease.fence, Answer(State.ACCEPTED))

    found = world.exchange.tracking.one(firm.actor, sent.tracking_id)
    assert found.state is State.ACCEPTED
    assert found.results == ("0001/app1/out/answer.txt",)
    assert firm.fetch(f"0001/app1/in_arcv/{found.archive_name}") == b"filing"
    assert firm.fetch("0001/app1/out/answer.txt") == b"ok"
