"""A whole application: takes what firms submit to app1/in, and answers. Run it with its account.

python examples/ten_lines.py https://filex.example app1-app app1.secret
"""  # noqa: INP001 - a script

import sys
from pathlib import Path

from transom.connector import Answer, Job, Worker, accepted

url, user, secret_file = sys.argv[1:]
worker = Worker(url, user=user, secret=Path(secret_file).read_text().strip())


@worker.on("app1/in")
def take(job: Job) -> Answer:
    """Count lines, and thank for them."""
    with job.open() as content:
        lines = sum(1 for _ in content)
    job.publish("out", f"receipt_{job.file_name}.txt", f"{lines} lines, thanks\n".encode())
    return accepted()


worker.run()
