"""Command line of the bench; see the package's own words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from bench import (
    client,
    handoff,
    listing,
    machine,
    nginx,
    people,
    portal,
    portal_live,
    portal_upload,
    report,
    s3,
    s3_signatures,
    sftp,
    sftp_sessions,
    start,
    submissions,
    tokens,
    transfer,
)
from bench.profiling import Profile
from bench.report import Report
from bench.setting import Setting, directories

BENCHES: dict[str, Callable[[Setting], list[Report]]] = {
    "transfer": transfer.measure,
    "tokens": tokens.measure,
    "listing": listing.measure,
    "submissions": submissions.measure,
    "handoff": handoff.measure,
    "client": client.measure,
    "sftp": sftp.measure,
    "sftp-sessions": sftp_sessions.measure,
    "s3": s3.measure,
    "s3-signatures": s3_signatures.measure,
    "people": people.measure,
    "portal": portal.measure,
    "portal-live": portal_live.measure,
    "portal-upload": portal_upload.measure,
    "start": start.measure,
}


def main() -> int:
    """Measure, print, and write when asked to; 1 when a target was missed."""
    asked = _arguments()
    nginx.install()
    wanted = [name for name in asked.names if name != "profile"] or list(BENCHES)
    with directories(asked.data) as (fast, disk):
        setting = Setting(asked.rounds, asked.seconds, asked.mib << 20, fast, disk)
        facts = machine.facts(fast, disk)
        print("\n".join(f"{name}: {value}" for name, value in facts.items()), flush=True)
        if "profile" in asked.names:
            return _profile(wanted, setting)
        found = [each for name in wanted for each in _measured(name, setting)]
    if asked.write:
        report.write(found, facts)
    missed = [str(each) for one in found for each in one.targets if not each.met]
    print("\nEvery target is met." if not missed else "\n".join(["", *missed]))
    return 1 if missed else 0


def _measured(name: str, setting: Setting) -> list[Report]:
    witness = machine.Witness()
    try:
        found = BENCHES[name](setting)
    except nginx.CannotMeasure as missing:
        print(f"\n{name} was left out: {missing}", flush=True)
        return []
    meanwhile = str(witness)
    for each in found:
        each.rounds.append(f"meanwhile {meanwhile}")
        print(report.plain(each), flush=True)
    return found


def _profile(wanted: list[str], setting: Setting) -> int:
    profile = Profile(setting.fast)
    looking = Setting(
        setting.rounds,
        setting.seconds,
        setting.file_bytes,
        setting.fast,
        setting.disk,
        profile.watch,
    )
    for name in wanted:
        _measured(name, looking)
    print(profile)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    choices = ["profile", *BENCHES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(choices)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each figure")
    parser.add_argument("--seconds", type=float, default=5, help="of load in each round of a rate")
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file")
    parser.add_argument("--data", type=Path, help="directory for all data")
    parser.add_argument("--write", action="store_true", help=f"fill in {report.PAGE.name}")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(choices):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(choices)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
