"""`make down`: stop the stacks on this project's state directories, and processes left behind by a killed stack."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from ashare_local import StackError, processes
from ashare_local.make_variables import demo_dir, state_dir, wants_demo
from ashare_local.state_directory import claim, holder, stop_left_over
from ashare_local.terminal import console, errors, shown

WAIT_SECONDS = 90


def main() -> int:
    """Stop the stack and the demo, or with ``DEMO=1`` the demo alone, and return the exit code."""
    stopped = False
    try:
        for directory in (demo_dir(),) if wants_demo() else (demo_dir(), state_dir()):
            if directory.exists():
                stopped |= bring_down(directory)
    except StackError as error:
        errors.print(str(error), markup=False)
        return 1
    if not stopped:
        console.print("Nothing was running.")
    return 0


def bring_down(directory: Path) -> bool:
    """Stop the stack of a state directory, live or left behind; return whether there was one.

    :raises StackError: another process claims the directory meanwhile.
    """
    pid = holder(directory)
    if pid:
        _terminate(pid, directory)
    with claim(directory):
        names = stop_left_over(directory)
    if pid:
        console.print(f"Stopped the stack on {shown(directory)} (process {pid}).")
    elif names:
        console.print(f"Stopped what was left behind on {shown(directory)}: {', '.join(names)}.")
    return bool(pid or names)


def _terminate(pid: int, directory: Path) -> None:
    """End the process that holds the directory's lock: SIGTERM, then SIGKILL after ``WAIT_SECONDS``.

    The held lock proves that the pid has not been reused by another program.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    started = processes.start_time(pid)
    os.kill(pid, signal.SIGTERM)
    while holder(directory) == pid:
        if time.monotonic() > deadline:
            if processes.start_time(pid) == started:
                os.kill(pid, signal.SIGKILL)
            deadline += WAIT_SECONDS
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
