"""What it costs to believe a request to the S3 door, before its first byte is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench import seeding, servers
from bench.report import Report, median
from bench.setting import Setting
from transom.core.exchange import Exchange
from transom.core.sealed_grants import unseal
from transom.core.transfer_tokens import TransferToken
from transom.domain import signature
from transom.domain.authorization import read_authorization, require_in_time
from transom.domain.names import OrgId
from transom.domain.signature import RawRequest
from transom.server import settings
from transom.server.assemble import key_ring
from transom.server.system import SystemClock

MOST_MICROSECONDS = 150
_CALLS = 2_000
_SOURCE = "127.0.0.1"
_REGION = "us-east-1"
_METHOD = """\
One thread of one process, no network. The request is an UploadPart as boto3 sends it, with a
session token. *Verifying* reads the request, checks its clock, makes the canonical request and
compares the HMAC, with the day's signing key in its cache. *Unsealing* opens the session token.
*Both* is what the door does for each request: verifying, unsealing, deriving the secret, and the
account's present rights, which are read once in ten seconds. Each round is the median of 2,000
calls."""


def measure(setting: Setting) -> list[Report]:
    """How long verifying, unsealing and both take, in microseconds."""
    directory = setting.directory("signatures")
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    report = Report("Signatures at the S3 door", _METHOD, ["step", "median, microseconds"])
    with seeding.administering(config) as exchange:
        steps = _steps(exchange, _granted(exchange), settings.load(config, {}))
        found = {
            name: [_timed(step) for _ in range(setting.rounds)] for name, step in steps.items()
        }
    for name, rounds in found.items():
        report.rows.append([name, f"{median(rounds):,.1f}"])
        report.raw(name, rounds, 1)
        report.limit(f"{name}, median", median(rounds), MOST_MICROSECONDS, " microseconds")
    return [report]


def _granted(exchange: Exchange) -> TransferToken:
    (login,) = seeding.seed(exchange, 1)
    principal = exchange.administration.account(login.user)
    actor = exchange.tokens.acting(principal.id, _SOURCE)
    return exchange.transfer_tokens.grant(actor, OrgId(seeding.ORG), seeding.APPLICATION)


def _steps(
    exchange: Exchange, token: TransferToken, chosen: settings.Settings
) -> dict[str, Callable[[], object]]:
    request, keys, clock = _upload_part(token), key_ring(chosen), SystemClock()

    def verify() -> None:
        claim = read_authorization(request, _REGION)
        require_in_time(claim, clock.wall())
        signature.require_genuine(claim, token.secret)
        signature.require_amz_headers_signed(claim)

    return {
        "verifying": verify,
        "unsealing": lambda: unseal(token.session_token, token.access_key_id, keys),
        "both": lambda: exchange.transfer_tokens.redeem(request, _SOURCE, ""),
    }


def _upload_part(token: TransferToken) -> RawRequest:
    path, query = "/filex/0001/bench/in/file-of-some-size.zip", "partNumber=17&uploadId=" + "a" * 36
    made = AWSRequest("PUT", f"http://{_SOURCE}:9000{path}?{query}", {"Expect": "100-continue"})
    made.headers["x-amz-checksum-crc32"] = "AAAAAA=="
    made.headers["x-amz-sdk-checksum-algorithm"] = "CRC32"
    keys = Credentials(token.access_key_id, token.secret, token.session_token)
    S3SigV4Auth(keys, "s3", _REGION).add_auth(made)
    headers = {name.lower(): (str(value),) for name, value in made.headers.items()}
    headers |= {
        "host": (f"{_SOURCE}:9000",),
        "content-length": ("8388608",),
        "user-agent": ("Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 md/arch#x86_64",),
        "amz-sdk-invocation-id": ("6f4d6c2c-4f3b-4d2e-9a53-1a2b3c4d5e6f",),
        "amz-sdk-request": ("attempt=1",),
    }
    return RawRequest("PUT", path, query, headers)


def _timed(step: Callable[[], object]) -> float:
    """The median of so many calls, in microseconds."""
    taken = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return median(taken) * 1e6
