"""`make up`: the stack in the foreground until Ctrl-C."""

from __future__ import annotations

import os
import sys
import time

from ashare.errors import AshareError, InvalidInput
from ashare_local import StackError
from ashare_local.demo_market import DEMO_FROM, KEEP_MARKER, emulator_arguments
from ashare_local.make_variables import demo_dir, state_dir, wants_demo
from ashare_local.other_bars import refuse_other_bars
from ashare_local.ports import free_port, port_is_free
from ashare_local.stack import Stack
from ashare_local.state_directory import already_running, holder
from ashare_local.terminal import Phases, Stopped, console, errors, shown, stop_signals


def main() -> int:
    """Run until a signal asks to stop, and return the exit code."""
    try:
        with stop_signals():
            _run()
    except Stopped:
        console.print("Stopped.")
        return 0
    except (AshareError, StackError) as error:
        errors.print(str(error), markup=False)
        return 1
    return 0


def _run() -> None:
    demo = wants_demo()
    directory = demo_dir() if demo else state_dir()
    host = os.environ.get("ASHARE_UI_HOST") or "127.0.0.1"
    port = chosen_port(os.environ.get("PORT") or "8080")
    if (pid := holder(directory)) is not None:
        raise StackError(already_running(directory, pid))
    if not port_is_free(port, host):
        raise StackError(f"Port {port} is taken: set another, for example `make up PORT={_free_port_after(port)}`.")
    if demo:
        refuse_other_bars(DEMO_FROM)
    phases = Phases()
    with Stack(
        directory, port=port, host=host, emulator=emulator_arguments() if demo else None, report=phases.begin
    ) as stack:
        try:
            phases.end()
            if demo and not stack.has_own_database:
                (directory / KEEP_MARKER).touch()
            _welcome(stack)
            if not stack.has_emulator:
                _check_source(stack)
            while True:
                stack.check()
                time.sleep(0.5)
        except Stopped:
            console.print("\nStopping; running tasks have ten seconds to end.")
            raise


def chosen_port(text: str) -> int:
    """The port as a number.

    :raises InvalidInput: the text is not a port.
    """
    if not text.strip().isdigit() or not 1 <= int(text) <= 65535:
        raise InvalidInput(f"PORT is {text!r}: it must be a whole number from 1 to 65535, for example PORT=8081.")
    return int(text)


def _free_port_after(port: int) -> int:
    following = range(port + 1, min(port + 100, 65536))
    return next((number for number in following if port_is_free(number)), 0) or free_port()


def _welcome(stack: Stack) -> None:
    console.print(
        f"\nAirflow    {stack.url}   user: admin   password: {stack.password}"
        f"\nCommands   . {shown(stack.env_file)}   then airflow, psql"
        f"\nLogs       {shown(stack.logs)}"
        f"\nStop       Ctrl-C, or `make down{' DEMO=1' if wants_demo() else ''}` in another terminal\n",
        markup=False,
    )


def _check_source(stack: Stack) -> None:
    if problem := stack.source_problem():
        errors.print(
            f"{problem} Airflow runs, but nothing can be fetched: set AIRFLOW_CONN_BAOSTOCK to another server, "
            "or use the bundled emulator with `make up DEMO=1`.",
            markup=False,
        )


if __name__ == "__main__":
    sys.exit(main())
