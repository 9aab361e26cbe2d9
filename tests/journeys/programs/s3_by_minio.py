"""put FILE KEY | get KEY FILE | ls PREFIX | rm KEY, by MinIO's client library."""

import os
import sys
from urllib.parse import urlsplit

import urllib3
from minio import Minio

verb, *names = sys.argv[1:]
endpoint = urlsplit(os.environ["ENDPOINT"])
client = Minio(
    endpoint=endpoint.netloc,
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    session_token=os.environ["AWS_SESSION_TOKEN"],
    region="us-east-1",
    secure=endpoint.scheme == "https",
    http_client=urllib3.PoolManager(ca_certs=os.environ.get("AWS_CA_BUNDLE")),
)
BUCKET = "bucket-filex"
if verb == "put":
    client.fput_object(
        bucket_name=BUCKET, object_name=names[1], file_path=names[0], part_size=5 << 20
    )
elif verb == "get":
    client.fget_object(bucket_name=BUCKET, object_name=names[0], file_path=names[1])
elif verb == "ls":
    for each in client.list_objects(bucket_name=BUCKET, prefix=names[0]):
        sys.stdout.write(f"{each.object_name}\n")
else:
    client.remove_object(bucket_name=BUCKET, object_name=names[0])
