"""The fileX User Guide's own samples, run as they stand against the demo, without and with TLS.

What is filled in: our addresses for FINRA's, a user and password, the token, the signed URL and the
tracking id where the guide leaves a blank or shows an example. Lines of curl that the guide's page
breaks are joined, and its "Curl" is curl.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from journeys.servers import Demo, Firm, demo, on_a_firms_machine

SAMPLES = Path(__file__).parent / "samples"
EXAMPLE_ID = "50e1b1c5-6150-4423-9da6-3c51ea34fc30"
TELL = "\nprint(fileXResponse.status_code)\nsys.stdout.flush()\n"
TELL += "sys.stdout.buffer.write(fileXResponse.content)\n"


@dataclass
class Guide:
    """Someone who follows the guide, in an empty directory."""

    firm: Firm
    directory: Path

    def curl(self, sample: str, token: str = "", tracking_id: str = "") -> Any:
        """What a curl sample answers, in JSON."""
        text = " ".join(self._filled(f"{sample}.curl.txt", "", tracking_id).split("\n"))
        text = text.replace("<access_token>", token)
        script = f'Curl() {{ curl "$@"; }}\n{text}'
        extra = {"CURL_CA_BUNDLE": str(self.firm.demo.ca)} if self.firm.demo.ready["ca"] else {}
        done = on_a_firms_machine(["bash", "-euc", script], self.directory, extra)
        return json.loads(done.stdout)

    def python(self, sample: str, url: str = "", tracking_id: str = "") -> bytes:
        """What a Python sample got, which must have been 200."""
        text = self._filled(f"{sample}.python.txt", url, tracking_id)
        (self.directory / "sample.py").write_text(text + TELL, encoding="utf-8")
        extra = {"REQUESTS_CA_BUNDLE": str(self.firm.demo.ca)} if self.firm.demo.ready["ca"] else {}
        done = on_a_firms_machine([sys.executable, "sample.py"], self.directory, extra)
        status, _, content = done.stdout.partition(b"\n")
        assert status == b"200", done.stdout
        return content

    def _filled(self, file: str, url: str, tracking_id: str) -> str:
        firm = self.firm
        pair = base64.b64encode(f"{firm.user}:{firm.password}".encode()).decode()
        text = (SAMPLES / file).read_text(encoding="utf-8")
        text = re.sub("Basic X+", f"Basic {pair}", text)
        for theirs, ours in {
            "https://ews.fip.finra.org": firm.demo.ready["token_url"].partition("/fip/")[0],
            "https://filex.finra.org": firm.demo.ready["rest"],
            "1234ftp12": firm.user,
            "*****": firm.password,
            "<pre-signed URL received in Step 2>": url,
            "<pre>pre-signed URL received in Step 2</pre>": url,
            EXAMPLE_ID: tracking_id,
        }.items():
            text = text.replace(theirs, ours)
        assert "finra.org" not in text
        return text


@pytest.fixture(scope="module", params=["plain", "tls"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    options = ("--tls",) if request.param == "tls" else ()
    with demo(tmp_path_factory.mktemp("demo"), *options) as running:
        yield running


@pytest.fixture
def guide(served: Demo, tmp_path: Path) -> Guide:
    return Guide(served.account(), tmp_path)


def test_curl_gets_a_token(guide: Guide) -> None:
    granted = guide.curl("token")

    assert granted["access_token"]
    assert granted["token_type"].lower() == "bearer"
    assert int(granted["expires_in"]) == 12 * 3600


@pytest.mark.parametrize("language", ["curl", "python"])
def test_the_applications_are_listed_as_the_guide_shows(guide: Guide, language: str) -> None:
    at = f"{guide.firm.demo.ready['rest']}/files"

    shown = listed(guide, "list_applications", language)

    assert shown == {
        "name": "0001",
        "type": "DIR",
        "metadata": {"writable": False},
        "children": [folder("app1"), folder("app2"), folder("r4530")],
        "_links": {
            "self": [{"href": f"{at}/0001"}],
            "parent": [{"href": at}],
            "children": [{"href": f"{at}/0001/{name}"} for name in ("app1", "app2", "r4530")],
        },
    }


@pytest.mark.parametrize("language", ["curl", "python"])
def test_the_sub_spaces_are_listed_as_the_guide_shows(guide: Guide, language: str) -> None:
    at = f"{guide.firm.demo.ready['rest']}/files/0001"

    shown = listed(guide, "list_sub_spaces", language)

    assert (shown["name"], shown["type"], shown["metadata"]) == ("app1", "DIR", {"writable": False})
    assert in_order(shown["children"]) == [
        folder("in", writable=True),
        folder("in_arcv"),
        folder("out"),
    ]
    assert shown["_links"]["self"] == [{"href": f"{at}/app1"}]
    assert shown["_links"]["parent"] == [{"href": at}]
    assert {link["href"] for link in shown["_links"]["children"]} == {
        f"{at}/app1/{name}" for name in ("in", "out", "in_arcv")
    }


@pytest.mark.parametrize("language", ["curl", "python"])
def test_the_files_are_listed_as_the_guide_shows(guide: Guide, language: str) -> None:
    at = f"{guide.firm.demo.ready['rest']}/files/0001/app1"

    shown = listed(guide, "list_files", language)

    assert (shown["name"], shown["type"], shown["metadata"]) == ("out", "DIR", {"writable": False})
    files = {child["name"]: child for child in shown["children"]}
    for name, size in (("file1.zip", 7473), ("file2.pdf", 2408)):
        when = files[name]["metadata"].pop("lastModified")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", when)
        wanted = {"writable": False, "contentLength": size}
        assert files[name] == {"name": name, "type": "FILE", "metadata": wanted}
    assert shown["_links"]["self"] == [{"href": f"{at}/out"}]
    assert shown["_links"]["parent"] == [{"href": at}]
    assert {"href": f"{at}/out/file1.zip"} in shown["_links"]["children"]


def test_a_file_is_downloaded_in_the_guides_two_steps(guide: Guide) -> None:
    offered = json.loads(guide.python("download_step_1"))

    content = guide.python("download_step_2", url=offered["preSignedUrl"])

    assert len(content) == 7473
    assert zipfile.ZipFile(BytesIO(content)).testzip() is None


def test_a_file_goes_there_and_its_result_comes_back(guide: Guide) -> None:
    sent = secrets.token_bytes(300_000)
    (guide.directory / "newFile.zip").write_bytes(sent)

    asked = json.loads(guide.python("upload_step_1"))
    tracking_id = asked["trackingId"]
    (requested,) = json.loads(guide.python("track", tracking_id=tracking_id))
    guide.python("upload_step_2", url=asked["preSignedUrl"])
    firm = guide.firm
    firm.wait_for(tracking_id)
    (by_python,) = json.loads(guide.python("track", tracking_id=tracking_id))
    token = guide.curl("token")["access_token"]
    (by_curl,) = guide.curl("track", token, tracking_id)

    assert requested["status"] == "Request Received"
    assert requested["downstreamStatus"] is None
    assert by_curl == by_python
    assert by_curl["status"] == "Received by FINRA"
    assert by_curl["downstreamStatus"] == "ACCEPTED"
    assert (by_curl["fileName"], by_curl["userName"]) == ("newFile.zip", firm.user)
    assert by_curl["uploadLocation"] == "0001/app1/in"
    assert (by_curl["applicationName"], by_curl["applicationSpaceName"]) == ("app1", "in")
    assert by_curl["downloadable"] is True
    # Sent by files={...}, it came inside a form; what is kept is the file itself.
    assert by_curl["fileSize"] == len(sent)
    assert by_curl["sha256"] == hashlib.sha256(sent).hexdigest()
    assert re.fullmatch(r"\d{17}_newFile\.zip", by_curl["arcvFileName"])
    assert firm.fetch("in_arcv", by_curl["arcvFileName"]) == sent
    assert "newFile.zip" not in firm.names("in")
    (result,) = (name for name in firm.names("out") if name.startswith(tracking_id[:8]))
    answer = firm.fetch("out", result).decode()
    assert "accepted newFile.zip" in answer
    assert tracking_id in answer


def listed(guide: Guide, sample: str, language: str) -> Any:
    if language == "python":
        return json.loads(guide.python(sample))
    return guide.curl(sample, guide.curl("token")["access_token"])


def folder(name: str, *, writable: bool = False) -> dict[str, Any]:
    return {"name": name, "type": "DIR", "metadata": {"writable": writable}}


def in_order(children: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(children, key=lambda child: child["name"])
