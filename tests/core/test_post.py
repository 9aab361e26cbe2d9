"""Messages wait in the database, go out once, and are tried again while they are of use."""

from datetime import timedelta

import pytest
from folk import HOME, enrolled, invited
from sqlalchemy import text
from world import World

from transom.domain.errors import Unavailable, WrongState
from transom.domain.messages import Message
from transom.domain.people import InvitationState
from transom.server.courier import Courier


class Flaky:
    """A messenger that fails so many times first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.sent: list[Message] = []

    def can_call(self) -> bool:
        return True

    def send(self, message: Message) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("mail server")
        self.sent.append(message)


def waiting(world: World) -> int:
    with world.database.reading() as tx:
        return int(tx.execute(text("SELECT count(*) FROM outbox")).scalar_one())


def test_a_message_that_cannot_go_now_is_tried_again(world: World) -> None:
    post, flaky = world.exchange.people.post, Flaky(2)
    post._messenger = flaky
    invited(world)
    counts = []
    for seconds in (0, 1, 4, 5, 10):
        world.clock.pass_time(timedelta(seconds=seconds))
        counts.append(post.deliver())

    assert counts == [0, 0, 0, 0, 1]
    assert (len(flaky.sent), waiting(world)) == (1, 0)


def test_a_mail_that_could_not_go_for_a_day_counts_as_bounced(sqlite_world: World) -> None:
    people = sqlite_world.exchange.people
    people.post._messenger = Flaky(10_000)
    maria = invited(sqlite_world)
    while waiting(sqlite_world):
        people.post.deliver()
        sqlite_world.clock.pass_time(timedelta(minutes=15))

    told = people.administration.show(maria.email).invitation
    assert told is not None
    assert (told.state, told.detail) == (InvitationState.BOUNCED, "it could not be sent in time")


def test_a_message_goes_once_however_many_deliver(world: World) -> None:
    post = world.exchange.people.post
    invited(world)
    with world.database.reading() as tx:
        (due,) = tx.execute(text("SELECT id FROM outbox")).all()

    assert due
    assert post.deliver() + post.deliver() == 1
    assert len(world.inbox.messages()) == 1


def test_what_was_rolled_back_is_never_sent(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    before = len(maria.mails())
    with pytest.raises(WrongState):
        maria.people.account.remove_factor(maria.session, HOME, maria.factor(maria.session))

    assert len(maria.mails()) == before


def test_what_cannot_be_unsealed_any_more_is_given_up(sqlite_world: World) -> None:
    invited(sqlite_world)
    with sqlite_world.database.transaction() as tx:
        tx.execute(text("UPDATE outbox SET sealed = 'gone:AAAA'"))

    assert sqlite_world.exchange.people.post.deliver() == 0
    assert waiting(sqlite_world) == 0


def test_the_courier_delivers_as_soon_as_it_hears_the_bell(sqlite_world: World) -> None:
    courier = Courier(sqlite_world.exchange.people.post)
    courier.start()
    try:
        maria = invited(sqlite_world)
        for _ in range(200):
            if sqlite_world.inbox.messages():
                break
            courier.join(0.05)
    finally:
        courier.ask_to_stop()
        courier.join(10)

    assert sqlite_world.inbox.messages()[0].message.to == maria.email
