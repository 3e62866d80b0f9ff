"""`make test-clock`: the quick tests, or those that are named, at another time of Beijing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import date, datetime, time
from pathlib import Path

from ashare.dates import SHANGHAI, beijing_now
from ashare_emulator.trading_days import next_session

QUICK = (
    "tests/unit",
    "tests/dags",
    *(f"tests/integration/test_{name}.py" for name in ("limits", "health", "status")),
)
FORM = "%Y-%m-%d %H:%M"


def main(at: str = "", *arguments: str) -> int:
    """Run pytest at that time; its exit code.

    :param at: as ``YYYY-MM-DD HH:MM``; by default the evening of the next year's first session.
    """
    program = shutil.which("faketime")
    if program is None:
        sys.stderr.write(
            "There is no faketime on this machine: apt-get install faketime, or brew install libfaketime.\n"
        )
        return 2
    first = next_session(date(beijing_now().year + 1, 1, 1))
    try:
        moment = datetime.strptime(at, FORM) if at else datetime.combine(first, time(18, 30))
    except ValueError:
        sys.stderr.write(f"AT is {at!r}: it must be a time of Beijing, for example AT='{first} 18:30'.\n")
        return 2
    sys.stdout.write(f"At {moment:%Y-%m-%d %H:%M} in Beijing:\n")
    sys.stdout.flush()
    # An offset is the same for every process that is started later; a time would begin anew with each.
    offset = f"{(moment.replace(tzinfo=SHANGHAI) - beijing_now()).total_seconds():+.0f}s"
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--no-loadscope-reorder", *(arguments or QUICK)]
    env = {
        **os.environ,
        "DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.run([program, "-f", offset, *pytest], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
