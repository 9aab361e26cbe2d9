"""Health, readiness, what a client may know before it signs in, and the API's own description."""

from __future__ import annotations

import errno

import pytest
import requests
from world import Served, World

from transom import __version__


def get(served: Served, path: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, served.rest + path, headers=headers, timeout=20)


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_needs_no_token(served: Served, path: str) -> None:
    answer = get(served, path)

    assert (answer.status_code, answer.json()) == (200, {"status": "UP"})
    in_xml = get(served, path, Accept="application/xml")
    assert in_xml.text.endswith("<health><status>UP</status></health>")
    head = get(served, path, "HEAD")
    assert (head.status_code, head.content) == (200, b"")


def test_when_its_disk_has_failed_the_exchange_is_alive_but_not_ready(sqlite_world: World) -> None:
    disk = sqlite_world.exchange.check.blobs._disk
    with sqlite_world.serving() as served:
        disk.failure = OSError(errno.EIO, "fsync failed")
        health, ready = get(served, "/health"), get(served, "/ready")
        disk.failure = None
        again = get(served, "/ready")

    assert health.status_code == 200
    assert ready.status_code == 503
    assert ready.json() == {"status": "DOWN", "error": "unavailable"}
    assert int(ready.headers["Retry-After"]) >= 1
    assert again.status_code == 200


def test_a_client_may_ask_where_everything_is(served: Served) -> None:
    answer = get(served, "/.well-known/transom")

    assert answer.status_code == 200
    about = answer.json()
    assert about["apiVersion"] == "1"
    assert about["tokenUrl"] == f"{served.rest}/fip/rest/ews/oauth2/access_token"
    assert about["s3"]["endpoint"] == served.s3
    assert about["s3"]["bucket"] == "bucket-filex"
    assert about["support"] == {"phone": "800-555-0100"}


def test_the_api_describes_itself(served: Served) -> None:
    answer = get(served, "/openapi.json")

    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": served.rest}]
    assert document["info"]["version"] == __version__


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/health", "GET, HEAD"),
        ("/ready", "GET, HEAD"),
        ("/openapi.json", "GET"),
        ("/.well-known/transom", "GET"),
        ("/tracking", "GET"),
        ("/files", "GET"),
        ("/files/0001/app1/in", "GET"),
        ("/files/0001/app1/in/a.zip", "GET, PUT"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_a_wrong_method_is_told_the_right_ones(
    served: Served, path: str, allowed: str, method: str
) -> None:
    answer = get(served, path, method)

    assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/", "/health/x", "/metrics", "/api", "/favicon.ico", "//files"])
def test_what_is_no_resource_is_forbidden(served: Served, path: str) -> None:
    answer = get(served, path)

    assert (answer.status_code, answer.json()["error"]) == (403, "no_such_resource")
