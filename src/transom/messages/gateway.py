"""Text messages and voice calls by an HTTP provider, in the form of Twilio's API."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import httpx2

from transom.domain.errors import Unavailable
from transom.domain.messages import Mail, Message, TextMessage
from transom.ports import Messenger, Undeliverable

_SECONDS = 10
_TOO_MANY = 429
_CLIENT_ERROR = 400
_SERVER_ERROR = 500
_DENIED = frozenset({401, 403, 404})


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider's base URL, our account there with its token, and our number."""

    url: str
    account: str
    token: str = field(repr=False)
    sender: str


class GatewayMessenger:
    """Sends text messages and makes calls; mails go on to another messenger."""

    def __init__(self, provider: Provider, mail: Messenger) -> None:
        self._provider = provider
        self._mail = mail

    def can_call(self) -> bool:
        """It does."""
        return True

    def send(self, message: Message) -> None:
        """As ports.Messenger has it."""
        if isinstance(message, Mail):
            self._mail.send(message)
            return
        provider = self._provider
        if isinstance(message, TextMessage):
            resource, what = "Messages", {"Body": message.text}
        else:
            spoken = f' language="{escape(message.language)}"' if message.language else ""
            said = f'<Response><Say loop="2"{spoken}>{escape(message.words)}</Say></Response>'
            resource, what = "Calls", {"Twiml": said}
        url = f"{provider.url}/2010-04-01/Accounts/{provider.account}/{resource}.json"
        try:
            answer = httpx2.post(
                url,
                data={"To": message.to, "From": provider.sender} | what,
                auth=(provider.account, provider.token),
                timeout=_SECONDS,
            )
        except httpx2.HTTPError as failure:
            raise Unavailable("telephone gateway") from failure
        _judge(answer)


def _judge(answer: httpx2.Response) -> None:
    status = answer.status_code
    if status >= _SERVER_ERROR or status == _TOO_MANY or status in _DENIED:
        raise Unavailable("telephone gateway")
    if status >= _CLIENT_ERROR:
        raise Undeliverable(f"the gateway refused the number ({_code(answer)})")


def _code(answer: httpx2.Response) -> str:
    """The provider's own number for what is wrong, or the status."""
    try:
        return str(int(answer.json()["code"]))
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)
