"""What `transom help TOPIC` says."""

from __future__ import annotations

import textwrap
from typing import Final

from transom.client.cli.exits import MEANINGS

PLACES: Final = """\
A place is organization/application/sub-space, and a file in it one level more:

  0001/r4530/in
  0001/r4530/out/feedback_4530_2026Q4.xml

The organization is digits, and leading zeros matter. Where the profile has one
(org), it may be left out: r4530/in. A first level of digits is always an
organization.

`transom ls` shows what there is: without a place the applications, then what
is below. Case matters. The sub-space that ends in _arcv is the archive of its
neighbor.

Sources come first and the destination last, as with cp. "-" is standard input
for put, and standard output for get -o.
"""

FORMATS: Final = """\
For people, results are rows; times are in this machine's zone, which stands in
the head; sizes are decimal, a digest is its first and last 8 digits. In a pipe
rows have their full width and no color. NO_COLOR, FORCE_COLOR, COLUMNS and
TERM count.

--json prints one JSON document on standard output: for ls, track, put and get
an array, even for one item. Names are those of the fileX User Guide where it
has them (trackingId, fileName, downstreamStatus); others stand beside them.
Fields are added, never renamed. Times are RFC 3339, sizes bytes, digests whole.

--json-lines prints one object per line as things happen: put and track --watch
say "event": received, failed, or the state that was reached.

A failure is one object on standard error, and nothing is on standard output:

  {"error": {"code", "message", "detail", "try", "requestId", "trackingId",
   "exitCode"}}

When several files are sent or fetched, the array has an entry for each, with
"error" in those that failed.
"""


def exit_codes() -> str:
    """The table of exit codes."""
    lines = ["Several files with the same end give its code, else 13.", ""]
    for code, meaning in MEANINGS.items():
        first, *rest = textwrap.wrap(meaning, 70)
        lines += [f"  {code:>3}  {first}", *(f"       {each}" for each in rest)]
    return "\n".join(lines) + "\n"
