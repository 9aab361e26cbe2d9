"""The messengers against a real SMTP server and a provider that speaks Twilio's HTTP."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiosmtpd.controller import Controller
from contracts.messenger import CALL, MAIL, TEXT, MessengerContract, OutsideContract
from world import MovableClock

from transom.domain.errors import Unavailable
from transom.domain.messages import Mail, Message, TextMessage, VoiceCall
from transom.messages.gateway import GatewayMessenger, Provider
from transom.messages.inbox import Inbox
from transom.messages.nowhere import Nowhere
from transom.messages.smtp import SmtpMessenger, SmtpServer
from transom.ports import Undeliverable


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class _MailBox:
    """The other end of an SMTP server: keeps what comes, or answers as it is told."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.answer = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if not self.answer:
            envelope.rcpt_tos.append(address)
        return self.answer or "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        return "250 OK"


class TestSmtp(OutsideContract):
    @pytest.fixture(autouse=True)
    def server(self) -> Iterator[None]:
        self.box = _MailBox()
        self.port = free_port()
        self.controller = Controller(self.box, hostname="127.0.0.1", port=self.port)
        self.controller.start()
        yield
        if self.controller.loop.is_running():
            self.controller.stop()

    @pytest.fixture
    def messenger(self) -> SmtpMessenger:
        sender = "Transom <no-reply@operator.example>"
        return SmtpMessenger(SmtpServer("127.0.0.1", self.port, sender, "none"))

    def arrived(self) -> list[Message]:
        found: list[Message] = []
        for raw in self.box.mails:
            mail = message_from_bytes(raw, policy=policy.default)
            text, html = mail.get_body(("plain",)), mail.get_body(("html",))
            assert text is not None
            assert html is not None
            body = text.get_content().replace("\r\n", "\n")
            found.append(Mail(mail["To"], mail["Subject"], body, html.get_content(), ""))
        return found

    def refuse(self, *, for_good: bool) -> None:
        self.box.answer = "550 5.1.1 no such user" if for_good else "451 try again"

    def vanish(self) -> None:
        self.controller.stop()

    def sample(self) -> Message:
        return MAIL

    def test_a_mail_names_its_sender_its_id_and_that_a_machine_wrote_it(
        self, messenger: SmtpMessenger
    ) -> None:
        messenger.send(MAIL)
        mail = message_from_bytes(self.box.mails[0], policy=policy.default)

        assert mail["From"] == "Transom <no-reply@operator.example>"
        assert mail["Message-ID"] == "<m-1@operator.example>"
        assert mail["Auto-Submitted"] == "auto-generated"

    def test_a_subject_cannot_bring_header_lines_of_its_own(self, messenger: SmtpMessenger) -> None:
        for subject, to in (("a\r\nBcc: x@x.example", MAIL.to), ("a", "b@b.example\r\nBcc: c")):
            with pytest.raises(Undeliverable):
                messenger.send(Mail(to, subject, "", "", "m"))
        assert self.box.mails == []

    def test_it_does_not_talk_in_the_clear_where_the_operator_wants_tls(self) -> None:
        for security in ("starttls", "tls"):
            server = SmtpServer("127.0.0.1", self.port, "a@b.example", security)  # type: ignore[arg-type]
            with pytest.raises(Unavailable):
                SmtpMessenger(server).send(MAIL)
        assert self.box.mails == []


class TestGateway(OutsideContract):
    @pytest.fixture(autouse=True)
    def provider(self) -> Iterator[None]:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer: tuple[int, object] = (201, {"sid": "SM1"})
        case = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                assert (
                    self.headers["Authorization"]
                    == "Basic " + base64.b64encode(b"AC1:secret").decode()
                )
                case.asked.append((self.path, {k: v[0] for k, v in parse_qs(body).items()}))
                status, told = case.answer
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(told).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=self.http.serve_forever)
        thread.start()
        yield
        self.http.shutdown()
        thread.join()
        self.http.server_close()

    @pytest.fixture
    def messenger(self) -> GatewayMessenger:
        self.mails = Inbox(MovableClock())
        url = f"http://127.0.0.1:{self.http.server_address[1]}"
        return GatewayMessenger(Provider(url, "AC1", "secret", "+15550100000"), self.mails)

    def arrived(self) -> list[Message]:
        found: list[Message] = [each.message for each in self.mails.messages()]
        for path, form in self.asked:
            if path.endswith("/Messages.json"):
                found.append(TextMessage(form["To"], form["Body"]))
            else:
                found.append(VoiceCall(form["To"], form["Twiml"]))
        return found

    def refuse(self, *, for_good: bool) -> None:
        self.answer = (400, {"code": 21211}) if for_good else (503, {})

    def vanish(self) -> None:
        self.http.socket.close()

    def sample(self) -> Message:
        return TEXT

    def test_it_speaks_the_providers_form(self, messenger: GatewayMessenger) -> None:
        messenger.send(TEXT)
        messenger.send(CALL)

        base = "/2010-04-01/Accounts/AC1"
        assert self.asked[0] == (
            f"{base}/Messages.json",
            {"To": "+12125550142", "From": "+15550100000", "Body": TEXT.text},
        )
        path, form = self.asked[1]
        assert path == f"{base}/Calls.json"
        assert form["Twiml"] == f'<Response><Say loop="2">{CALL.words}</Say></Response>'

    def test_it_says_which_language_a_call_is_in(self, messenger: GatewayMessenger) -> None:
        messenger.send(VoiceCall(CALL.to, "Su código es: 1.", "es"))

        said = '<Say loop="2" language="es">Su código es: 1.</Say>'
        assert self.asked[0][1]["Twiml"] == f"<Response>{said}</Response>"

    @pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
    def test_our_own_troubles_with_the_provider_pass(
        self, messenger: GatewayMessenger, status: int
    ) -> None:
        self.answer = (status, [])

        with pytest.raises(Unavailable):
            messenger.send(TEXT)

    def test_a_refusal_is_told_by_its_number_only(self, messenger: GatewayMessenger) -> None:
        for told, shown in (({"code": 21614}, "21614"), ({"code": "<b>"}, "422"), ([], "422")):
            self.answer = (422, told)
            with pytest.raises(Undeliverable, match=rf"\({shown}\)"):
                messenger.send(TEXT)


class TestInbox(MessengerContract):
    @pytest.fixture
    def messenger(self) -> Inbox:
        self.inbox = Inbox(MovableClock())
        return self.inbox

    def arrived(self) -> list[Message]:
        return [each.message for each in self.inbox.messages()]

    def test_it_keeps_the_newest_first(self, messenger: Inbox) -> None:
        for _ in range(600):
            messenger.send(MAIL)

        numbers = [each.number for each in messenger.messages()]
        assert (len(numbers), numbers[0], numbers[-1]) == (500, 600, 101)


def test_without_a_mail_server_nothing_goes() -> None:
    assert not Nowhere().can_call()
    with pytest.raises(Undeliverable):
        Nowhere().send(MAIL)
