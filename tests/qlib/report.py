"""Prints what a run of Qlib's workflow has recorded, as JSON. Python of .venv-qlib runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd


def main(mlruns: Path) -> None:
    """:param mlruns: the folder of mlflow's records, with one run."""
    (report,) = mlruns.rglob("report_normal_1day.pkl")
    (analysis,) = mlruns.rglob("port_analysis_1day.pkl")
    (signal,) = mlruns.rglob("ic.pkl")
    days = pd.read_pickle(report)
    json.dump(
        {
            "days": [f"{day:%Y-%m-%d}" for day in days.index],
            **{name: days[name].tolist() for name in ("account", "return", "bench", "turnover", "cost")},
            "analysis": {" ".join(name): value for name, value in pd.read_pickle(analysis)["risk"].items()},
            "ic": pd.read_pickle(signal).tolist(),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
