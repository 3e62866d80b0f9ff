"""Parses and checks the arguments of `airflow dags backfill`."""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.models.backfill import ReprocessBehavior

from ashare.dates import parse_trade_date_range
from ashare.errors import InvalidInput
from ashare.params import check_names
from ashare.settings import Settings
from ashare.sync.run import check_verifiable
from ashare.texts import history_command
from ashare_airflow.backfills import HISTORY_DAG_ID, PARTITIONS, verifies
from ashare_airflow.backfills.refusals import WrongUsage
from ashare_airflow.backfills.request import BackfillRequest

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG

DATE_FORM = "YYYY-MM-DD"


def refuse_other_dag(args: Namespace) -> None:
    """Refuse a DAG whose runs are not trade dates or weeks. The error names the command that runs the DAG.

    :raises WrongUsage: the DAG is neither ``ashare_daily`` nor ``ashare_reference``.
    """
    start = args.start_date or args.end_date or DATE_FORM
    end = args.end_date or args.start_date or DATE_FORM
    if args.dag_id == HISTORY_DAG_ID:
        raise WrongUsage(
            f"One run of {HISTORY_DAG_ID} takes a whole range of dates, so it is triggered: "
            f"{history_command(start, end)}"
        )
    if args.dag_id not in PARTITIONS:
        dates = f"--from-date {shlex.quote(start)} --to-date {shlex.quote(end)}"
        raise WrongUsage(
            f"`airflow dags backfill` is for {' and '.join(PARTITIONS)}; Airflow's own command is for every other "
            f"DAG: airflow backfill create --dag-id {shlex.quote(args.dag_id)} {dates}"
        )


def read_request(args: Namespace, dag: SerializedDAG) -> BackfillRequest:
    """The backfill that the arguments request.

    :raises WrongUsage: an argument is wrong, or two arguments exclude each other.
    """
    try:
        first, last = _read_range(args.start_date, args.end_date)
        reprocess, conf = _read_reprocess(args), _read_conf(args.conf, dag)
        if verifies(conf):
            _check_verification(first, reprocess, conf)
        return BackfillRequest(
            first,
            last,
            reprocess,
            conf=conf,
            backwards=args.run_backwards,
            max_active_runs=args.max_active_runs,
            dag_id=dag.dag_id,
        )
    except InvalidInput as error:
        raise WrongUsage(str(error)) from None


def _read_reprocess(args: Namespace) -> ReprocessBehavior:
    if args.rerun_failed_tasks and args.reset_dagruns:
        raise WrongUsage(
            "--reset-dagruns runs all dates again, --rerun-failed-tasks only failed ones: give one of them."
        )
    if args.reset_dagruns:
        return ReprocessBehavior.COMPLETED
    return ReprocessBehavior.FAILED if args.rerun_failed_tasks else ReprocessBehavior.NONE


def _check_verification(first: date, reprocess: ReprocessBehavior, conf: dict[str, Any]) -> None:
    """Check a request to read complete dates again.

    :raises WrongUsage: complete dates would be left alone.
    :raises InvalidInput: Baostock has no whole markets of the first date.
    """
    if reprocess is not ReprocessBehavior.COMPLETED:
        raise WrongUsage(
            "verify reads complete dates again, and without --reset-dagruns complete dates are left alone: add it."
        )
    check_verifiable(first, conf.get("kinds") or Settings().kinds, conf.get("fetch", "auto"))


def _read_conf(text: str | None, dag: SerializedDAG) -> dict[str, Any]:
    """The params of each run.

    :raises WrongUsage: ``text`` is not a JSON object.
    :raises InvalidInput: the DAG does not have one of the params.
    """
    if text is None:
        return {}
    try:
        conf = json.loads(text)
    except ValueError as error:
        raise WrongUsage(
            f"--conf is not JSON ({error}): write an object, for example '{{\"batch_size\": 200}}'."
        ) from None
    if not isinstance(conf, dict):
        raise WrongUsage(f"--conf is a JSON {type(conf).__name__}, not an object: write '{{\"name\": value}}'.")
    check_names(conf, dag.params, dag.dag_id)
    return conf


def _read_range(start: str | None, end: str | None) -> tuple[date, date]:
    """First and last trade date. If only one is given, the range is that single date, as in Airflow 2."""
    if start is None and end is None:
        raise WrongUsage("Say which dates: -s/--start-date and -e/--end-date, YYYY-MM-DD.")
    return parse_trade_date_range(start or end or "", end or start or "")
