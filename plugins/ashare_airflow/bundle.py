"""The DAG files of this package as a DAG bundle: one line of configuration adds an installed package's DAGs."""

from __future__ import annotations

from pathlib import Path

from airflow.dag_processing.bundles.local import LocalDagBundle

_PACKAGE = Path(__file__).parent


class AshareDagBundle(LocalDagBundle):
    """``{"name": "ashare", "classpath": "ashare_airflow.bundle.AshareDagBundle", "kwargs": {}}``

    The bundle is unversioned (``supports_versioning``), as only one version of the package is installed. After an
    update of the package, a run pinned to the version that it began with would find no DAG file.
    """

    def __init__(self, **options: object) -> None:
        super().__init__(path=str(dags_folder()), **options)


def dags_folder() -> Path:
    """The folder of the DAG files: within the installed package, or beside ``plugins`` in a checkout."""
    installed = _PACKAGE / "dags"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "dags"
