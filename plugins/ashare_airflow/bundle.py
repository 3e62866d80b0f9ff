"""The DAG files of this package as a bundle: an installed package's DAGs are one line of configuration."""

from __future__ import annotations

from pathlib import Path

from airflow.dag_processing.bundles.local import LocalDagBundle

_PACKAGE = Path(__file__).parent


class AshareDagBundle(LocalDagBundle):
    """``{"name": "ashare", "classpath": "ashare_airflow.bundle.AshareDagBundle", "kwargs": {}}``

    The bundle has no versions (``supports_versioning``), as only one version of the package is installed. A run that
    is kept at the version that it began with would have no DAG file after an update of the package.
    """

    def __init__(self, **options: object) -> None:
        super().__init__(path=str(dags_folder()), **options)


def dags_folder() -> Path:
    """Where the DAG files are: within the installed package, or beside ``plugins`` in a checkout."""
    installed = _PACKAGE / "dags"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "dags"
