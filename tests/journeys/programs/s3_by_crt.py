"""put FILE KEY | get KEY FILE, by Amazon's common runtime, as their newer tools transfer."""

import os
import sys

import botocore.session
from botocore.config import Config
from s3transfer.crt import (
    BotocoreCRTCredentialsWrapper,
    BotocoreCRTRequestSerializer,
    CRTTransferManager,
    create_s3_crt_client,
)

verb, first, second = sys.argv[1:]
endpoint = os.environ["ENDPOINT"]
session = botocore.session.Session()
options = {
    "region_name": "us-east-1",
    "endpoint_url": endpoint,
    "config": Config(s3={"addressing_style": "path"}),
}
keys = BotocoreCRTCredentialsWrapper(session.get_credentials())
client = create_s3_crt_client(
    "us-east-1",
    crt_credentials_provider=keys.to_crt_credentials_provider(),
    use_ssl=endpoint.startswith("https"),
    verify=os.environ.get("AWS_CA_BUNDLE"),
    part_size=8 << 20,
)
with CRTTransferManager(client, BotocoreCRTRequestSerializer(session, options)) as manager:
    if verb == "put":
        manager.upload(first, "bucket-filex", second).result()
    else:
        manager.download("bucket-filex", first, second).result()
