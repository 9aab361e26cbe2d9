"""Where a server is: presets, discovery, and addresses that are not asked at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from client.conftest import Waiting
from client.lying_server import FIRM, SECRET, TOKEN_PATH, Exchange, Lie, answer, lose_all

from transom.client import PRESETS, Client, Server
from transom.client.addresses import checked_url, files_path, host_of, is_loopback
from transom.client.errors import RefusedByRule, ServerFault, Unreachable
from transom.client.server import _checked, discover
from transom.client.session import Session


def test_the_presets_are_the_guides() -> None:
    assert PRESETS["finra"] == Server(
        "https://filex.finra.org", f"https://ews.fip.finra.org{TOKEN_PATH}", "production"
    )
    assert PRESETS["finra-ct"].rest_url == "https://filex.ct.finra.org"
    assert PRESETS["finra-ct"].token_url == PRESETS["finra"].token_url
    assert PRESETS["finra-qa"].rest_url == "https://filex-int.qa.finra.org"
    assert PRESETS["finra-qa"].token_url == f"https://ews-qaint.fip.qa.finra.org{TOKEN_PATH}"
    assert {each.environment for each in PRESETS.values()} == {"production", "customer test", "QA"}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_asks_nothing(name: str) -> None:
    with Client.connect(name, FIRM, SECRET) as firm:
        assert firm.session.server is PRESETS[name]


def test_a_server_tells_where_its_tokens_are(exchange: Exchange) -> None:
    found = discover(exchange.url + "/")
    assert found == Server(exchange.url, exchange.url + TOKEN_PATH, "sandbox")
    assert all("authorization" not in each.headers for each in exchange.seen)


def test_a_url_is_enough_to_connect(exchange: Exchange) -> None:
    with Client.connect(exchange.url, FIRM, SECRET) as firm:
        assert firm.folder().path == ""


def test_a_server_can_be_given_whole(exchange: Exchange) -> None:
    server = Server(exchange.url, exchange.url + TOKEN_PATH)
    with Client.connect(server, FIRM, SECRET) as firm:
        firm.folder()
    assert exchange.at("well-known") == []


@pytest.mark.parametrize(
    "lie",
    [
        answer(403, "<html>"),
        answer(404),
        answer(401),
        answer(400),
        answer(200, "<html>Welcome</html>", "text/html"),
        answer(200, "[]"),
        answer(200, "{}"),
    ],
)
def test_a_server_that_tells_nothing_has_its_tokens_below_the_same_url(
    exchange: Exchange, lie: Lie
) -> None:
    exchange.lie("well-known", lie)
    assert discover(exchange.url) == Server(exchange.url, exchange.url + TOKEN_PATH, "local")


def test_a_server_that_breaks_is_no_server(exchange: Exchange) -> None:
    exchange.lie("well-known", answer(500), answer(302, Location="https://elsewhere.example/"))
    for _ in range(2):
        with pytest.raises(ServerFault):
            discover(exchange.url)


def test_discovery_is_tried_again(exchange: Exchange, waiting: Waiting) -> None:
    options: dict[str, Any] = {"sleep": waiting.sleep, "retries": 2}
    exchange.lie("well-known", lose_all)
    assert discover(exchange.url, **options).environment == "sandbox"
    exchange.lie("well-known", lose_all, lose_all)
    with pytest.raises(Unreachable):
        discover(exchange.url, **options)


@pytest.mark.parametrize(
    "url", ["http://fip.example/token", "nonsense", "", "https://u:p@fip.example/"]
)
def test_secrets_are_not_sent_where_a_server_points_without_tls(
    exchange: Exchange, url: str
) -> None:
    exchange.lie("well-known", answer(200, f'{{"tokenUrl": "{url}"}}'))
    with pytest.raises(ServerFault, match="token service"):
        discover(exchange.url)


def test_a_server_with_tls_cannot_name_a_token_service_without() -> None:
    with pytest.raises(ServerFault, match="without TLS"):
        _checked("https://filex.example", "http://127.0.0.1/token", {})


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://filex.example", "plain_http"),
        ("http://10.0.0.1:8080", "plain_http"),
        ("filex.example", "bad_url"),
        ("https://user@filex.example", "bad_url"),
        ("https://:secret@filex.example", "bad_url"),
        ("https://filex.example:0", "bad_url"),
        ("https://[bad", "bad_url"),
        ("ftp://filex.example", "bad_url"),
        ("", "bad_url"),
    ],
)
def test_an_address_that_is_not_https_is_refused(url: str, code: str) -> None:
    for make in (
        lambda: discover(url),
        lambda: Session(Server(url, "https://fip.example/"), "", ""),
        lambda: Session(Server("https://filex.example", url), "", ""),
    ):
        with pytest.raises(RefusedByRule) as caught:
            make()
        assert caught.value.code == code
        assert "secret" not in caught.value.message


def test_plain_http_beyond_this_machine_can_be_allowed() -> None:
    assert checked_url("http://filex.example", allow_plain_http=True).hostname == "filex.example"
    server = Server("http://filex.example", "http://filex.example/token")
    Session(server, "", "", allow_plain_http=True).close()


@pytest.mark.parametrize(
    ("host", "loops"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("LocalHost", True),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(host: str, *, loops: bool) -> None:
    assert is_loopback(host) is loops


def test_a_host_is_told_without_path_and_query() -> None:
    assert host_of("https://filex.example/a?b=c") == "filex.example"
    assert host_of("http://[bad") == "?"


def test_levels_are_escaped_one_by_one() -> None:
    assert files_path("0001/app1/in/a#b ?.txt") == "/files/0001/app1/in/a%23b%20%3F.txt"


def test_nothing_asked_means_nothing_seen(
    exchange: Exchange, connect: Callable[..., Client]
) -> None:
    connect(exchange).close()
    assert exchange.seen == []
