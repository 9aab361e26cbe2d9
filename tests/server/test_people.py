"""From settings to whoever carries messages to people, and their rules."""

from datetime import timedelta
from pathlib import Path

from world import World

from transom.messages.gateway import GatewayMessenger
from transom.messages.nowhere import Nowhere
from transom.messages.smtp import SmtpMessenger
from transom.server.people import messenger_of, rules_of
from transom.server.sections import GatewaySettings, MailSettings, PeopleSettings
from transom.server.settings import Settings


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def changed(world: World, **sections: object) -> Settings:
    return world.program.settings.model_copy(update=sections)


def test_without_a_mail_server_there_is_no_carrier(sqlite_world: World) -> None:
    assert isinstance(messenger_of(sqlite_world.program.settings), Nowhere)


def test_a_mail_server_carries_mail_with_the_password_of_its_file(
    sqlite_world: World, tmp_path: Path
) -> None:
    password = private(tmp_path / "password", "sesame\n")
    mail = MailSettings(host="smtp.example.net", user="transom", password_file=password)
    found = messenger_of(changed(sqlite_world, mail=mail))

    assert isinstance(found, SmtpMessenger)
    assert not found.can_call()
    server = found._server
    assert (server.host, server.port, server.security) == ("smtp.example.net", 587, "starttls")
    assert (server.user, server.password) == ("transom", "sesame")
    assert "sesame" not in repr(server)


def test_a_gateway_carries_codes_and_leaves_mail_to_the_mail_server(
    sqlite_world: World, tmp_path: Path
) -> None:
    gateway = GatewaySettings(
        url="https://api.twilio.com",
        account="AC1",
        token_file=private(tmp_path / "token", "sesame"),
        sender="+15550100000",
    )
    mail = MailSettings(host="smtp.example.net")
    found = messenger_of(changed(sqlite_world, mail=mail, gateway=gateway))

    assert isinstance(found, GatewayMessenger)
    assert found.can_call()
    assert isinstance(found._mail, SmtpMessenger)
    assert "sesame" not in repr(found._provider)


def test_the_rules_are_the_operators(sqlite_world: World) -> None:
    chosen = PeopleSettings(
        questions=False, invitation_hours=24, idle_minutes=5, phone_countries=("GB",)
    )
    rules = rules_of(changed(sqlite_world, people=chosen))

    assert (rules.questions, rules.countries) == (False, ("GB",))
    assert (rules.invitation_life, rules.idle) == (timedelta(hours=24), timedelta(minutes=5))
    assert rules.host == "localhost"
    assert rules.remember == timedelta(0)
