"""Output of `airflow dags backfill`: a progress bar on a terminal, a line for each date, a table at the end."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ashare_airflow.backfills import PARTITIONS
from ashare_airflow.cli.date_result import DateResult

_TABLE_LINES = 60
_COLOURS = {"success": "green", "skipped": "cyan", "failed": "red"}


def print_line(console: Console, text: str) -> None:
    """Print a text verbatim, without folding."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)


class ProgressDisplay:
    """Shows how many of all dates have ended, and prints the result of each.

    :param total: the number of dates.
    """

    def __init__(self, console: Console, total: int, dag_id: str) -> None:
        self._console = console
        self._total = total
        self._ended = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[running]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(escape(dag_id), total=total, running="")

    def __enter__(self) -> ProgressDisplay:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show_notice(self, text: str) -> None:
        self._console.print(text, style="yellow", soft_wrap=True, markup=False, highlight=False)

    def show_running(self, count: int) -> None:
        self._progress.update(self._task, running=f"{count} running")

    def show_result(self, result: DateResult) -> None:
        self._ended += 1
        self._progress.update(self._task, completed=self._ended)
        status = f"[{_colour(result)}]{result.status_text:<9}[/]"
        rows = "" if result.rows is None else f"{result.rows:,} rows"
        seconds = "" if result.seconds is None else f"{result.seconds:.0f} s"
        count = escape(f"[{self._ended}/{self._total}]")
        text = f"{count} {result.trade_date}  {status}  {rows:>11}  {seconds:>5}  {escape(result.reason)}"
        self._console.print(text.rstrip(), soft_wrap=True, highlight=False)


def print_table(console: Console, results: list[DateResult], dag_id: str) -> None:
    """Print the results by date, then their counts. A table of more than 60 lines is cut to the failed dates."""
    shown = sorted(results, key=lambda result: result.trade_date)
    if len(shown) > _TABLE_LINES:
        shown = [result for result in shown if result.failed]
    if shown:
        table = Table()
        for heading in (PARTITIONS[dag_id].removesuffix("s").capitalize(), "Status"):
            table.add_column(heading, no_wrap=True)
        for heading in ("Rows", "Seconds"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("Reason", overflow="fold")
        for result in shown:
            table.add_row(
                str(result.trade_date),
                f"[{_colour(result)}]{result.status_text}[/]",
                "" if result.rows is None else f"{result.rows:,}",
                "" if result.seconds is None else f"{result.seconds:.1f}",
                escape(result.reason),
            )
        console.print(table)
    counts: dict[str, int] = {}
    for result in results:
        counts[result.status] = counts.get(result.status, 0) + 1
    summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    console.print(f"{len(results)} {PARTITIONS[dag_id]}: {summary}.", highlight=False)


def _colour(result: DateResult) -> str:
    return _COLOURS.get(result.status, "red")
