"""A firm that lives in S3 tools: boto3 with the keys of a transfer token, unmodified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from world import Account, MovableClock, Served

from transom.core.transfer_tokens import TransferToken
from transom.domain.names import OrgId
from transom.server.system import SystemClock

BUCKET = "bucket-filex"
MIB = 1 << 20


class LiveClock(MovableClock):
    """The machine's clock, which can be moved: tools sign with the machine's time."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self._began = self._real.wall()
        super().__init__(self._began)

    def wall(self) -> datetime:
        return super().wall() + (self._real.wall() - self._began)

    def now(self) -> datetime:
        return super().now() + (self._real.wall() - self._began)


@dataclass(frozen=True)
class Firm:
    """An account with a transfer token for one application."""

    account: Account
    served: Served
    token: TransferToken

    @classmethod
    def of(cls, account: Account, served: Served, application: str = "app1") -> Firm:
        tokens = account.world.exchange.transfer_tokens
        return cls(account, served, tokens.grant(account.actor, OrgId("0001"), application))

    @property
    def keys(self) -> dict[str, str]:
        return {
            "aws_access_key_id": self.token.access_key_id,
            "aws_secret_access_key": self.token.secret,
            "aws_session_token": self.token.session_token,
        }

    def client(self, endpoint: str = "", verify: str | bool = True, **config: Any) -> Any:
        """boto3 as it comes, with one try for each call."""
        options = {"retries": {"total_max_attempts": 1}, "signature_version": "s3v4"} | config
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.served.s3,
            region_name="us-east-1",
            verify=verify,
            config=Config(**options),
            **self.keys,
        )

    def ask(self, method: str, path: str, content: bytes = b"") -> requests.Response:
        """A signed request that no client would make. The path goes out as it stands."""
        keys = Credentials(self.token.access_key_id, self.token.secret, self.token.session_token)
        request = AWSRequest(method, self.served.s3 + path, data=content)
        S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
        prepared = requests.Request(method, self.served.s3, data=content).prepare()
        prepared.headers.update(request.headers)
        prepared.url = self.served.s3 + path
        with requests.Session() as session:
            return session.send(prepared, timeout=20)


def refusal(call: Any, **arguments: Any) -> tuple[int, str]:
    """Status and code with which a call is refused."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    raise AssertionError("it was not refused")


def tracking_id(answer: dict[str, Any]) -> str:
    """Under which the exchange tracks what was just sent."""
    found: str = answer["ResponseMetadata"]["HTTPHeaders"]["x-transom-tracking-id"]
    return found


def keys(answer: dict[str, Any]) -> list[str]:
    """The keys of a listing."""
    return [each["Key"] for each in answer.get("Contents", ())]


def branches(answer: dict[str, Any]) -> list[str]:
    """The common prefixes of a listing."""
    return [each["Prefix"] for each in answer.get("CommonPrefixes", ())]
