"""What every messenger promises, run for each adapter."""

import pytest

from transom.domain.errors import Unavailable
from transom.domain.messages import Mail, Message, TextMessage, VoiceCall
from transom.ports import Messenger, Undeliverable

MAIL = Mail("maria@northgate.example", "Hello", "Text é\n", "<p>Text é</p>", "m-1")
TEXT = TextMessage("+12125550142", "123456 is your code.")
CALL = VoiceCall("+12125550142", "Your code is: 1, 2.")


class MessengerContract:
    """Give `messenger`, `arrived()`, and ways to break what is behind it."""

    @pytest.fixture
    def messenger(self) -> Messenger:
        raise NotImplementedError

    def arrived(self) -> list[Message]:
        raise NotImplementedError

    def test_a_mail_arrives(self, messenger: Messenger) -> None:
        messenger.send(MAIL)

        (mail,) = self.arrived()
        assert isinstance(mail, Mail)
        assert (mail.to, mail.subject, mail.text) == (MAIL.to, MAIL.subject, MAIL.text)

    def test_codes_by_phone_go_where_it_can_call(self, messenger: Messenger) -> None:
        for message in (TEXT, CALL):
            if messenger.can_call():
                messenger.send(message)
            else:
                with pytest.raises(Undeliverable):
                    messenger.send(message)
        assert len(self.arrived()) == (2 if messenger.can_call() else 0)


class OutsideContract(MessengerContract):
    """Of those that talk to another program: refuse() and vanish() break it."""

    def refuse(self, *, for_good: bool) -> None:
        raise NotImplementedError

    def vanish(self) -> None:
        raise NotImplementedError

    def sample(self) -> Message:
        raise NotImplementedError

    def test_what_is_refused_for_good_is_undeliverable(self, messenger: Messenger) -> None:
        self.refuse(for_good=True)

        with pytest.raises(Undeliverable) as refused:
            messenger.send(self.sample())
        assert str(refused.value)
        assert "\n" not in str(refused.value)

    def test_what_is_refused_for_now_may_be_tried_again(self, messenger: Messenger) -> None:
        self.refuse(for_good=False)

        with pytest.raises(Unavailable):
            messenger.send(self.sample())

    def test_nobody_there_is_told_as_unavailable(self, messenger: Messenger) -> None:
        self.vanish()

        with pytest.raises(Unavailable):
            messenger.send(self.sample())
