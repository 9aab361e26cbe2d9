"""A machine that stops at any line of an upload in parts, and a client that goes on afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from core.faults import Program, files_in, over, stopped_everywhere
from core.parts import InParts
from journeys.servers import Demo, demo
from world import World

from transom.core import assembly
from transom.core.multipart import NoSuchUpload
from transom.domain.submission import State


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "MIN_PART_BYTES", 1)


def test_a_crash_at_any_line_of_completing_is_made_good_by_completing_again(world: World) -> None:
    firm, states, uploads = world.account(), set[State](), dict[int, InParts]()

    def story(program: Program, number: int) -> None:
        uploads[number] = InParts.begun(world.exchange, firm, f"0001/app1/in/{number}.bin")
        for part in (1, 2):
            uploads[number].send(world.exchange, part, b"%d/%d " % (number, part))
        uploads[number].complete(program)

    for number in stopped_everywhere(world, story):
        upload = uploads[number]
        states.add(world.exchange.tracking.one(firm.actor, upload.target.upload_id).state)
        restarted = over(world)
        done = upload.complete(restarted)
        restarted.ends()
        whole = b"%d/1 %d/2 " % (number, number)
        assert firm.fetch(f"0001/app1/in_arcv/{done.submission.archive_name}") == whole

    assert states == {State.REQUESTED, State.RECEIVED}
    assert len(uploads) > 12
    assert len(firm.names("0001/app1/in_arcv")) == len(uploads)


def test_a_crash_at_any_line_of_a_part_leaves_it_whole_or_not_there(world: World) -> None:
    firm, found = world.account(), set[int]()
    upload = InParts.begun(world.exchange, firm, "0001/app1/in/file.bin")

    def story(program: Program, number: int) -> None:
        upload.send(program, number, b"part %d " % number)

    for number in stopped_everywhere(world, story):
        there = world.exchange.multiparts.parts(firm.actor, upload.target, number - 1, 10)
        found.add(len(there))
        upload.send(world.exchange, number, b"part %d " % number)

    assert found == {0, 1}
    done = upload.complete(world.exchange)
    content = firm.fetch(f"0001/app1/in_arcv/{done.submission.archive_name}")
    assert content == b"".join(b"part %d " % each for each in range(1, number + 1))


def test_a_crash_at_any_line_of_giving_up_is_made_good_by_giving_up_again(world: World) -> None:
    firm, uploads = world.account(), dict[int, InParts]()

    def story(program: Program, number: int) -> None:
        uploads[number] = InParts.begun(world.exchange, firm, f"0001/app1/in/{number}.bin")
        uploads[number].send(world.exchange, 1, b"gone")
        program.multiparts.give_up(firm.actor, uploads[number].target)

    for number in stopped_everywhere(world, story):
        upload = uploads[number]
        try:
            world.exchange.multiparts.give_up(firm.actor, upload.target)
        except NoSuchUpload:
            found = world.exchange.tracking.one(firm.actor, upload.target.upload_id)
            assert found.state is State.ABANDONED

    assert firm.names("0001/app1/in_arcv") == []
    assert len(files_in(world, "blobs")) < len(uploads)


def test_an_upload_in_parts_goes_on_after_its_server_was_killed(tmp_path: Path) -> None:
    content, where = os.urandom(6 << 20), {"Bucket": "bucket-filex", "Key": "0001/app1/in/kept.bin"}
    with demo(tmp_path / "demo") as server:
        keys = server.account().call("GET", "S3TransferTokens/0001/app1").json()["credentials"]
        s3 = client(server, keys)
        upload = where | {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
        first = s3.upload_part(**upload, PartNumber=1, Body=content)["ETag"]
        server.kill()

    with demo(tmp_path / "demo") as server:
        s3 = client(server, keys)
        last = s3.upload_part(**upload, PartNumber=2, Body=b"the end")["ETag"]
        named = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": last}]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": named})
        firm = server.account()
        (name,) = [each for each in firm.names("in_arcv") if each.endswith("kept.bin")]

        assert firm.fetch("in_arcv", name) == content + b"the end"


def client(server: Demo, keys: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.ready["s3"]["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=keys["accessKeyId"],
        aws_secret_access_key=keys["secretAccessKey"],
        aws_session_token=keys["sessionToken"],
    )
