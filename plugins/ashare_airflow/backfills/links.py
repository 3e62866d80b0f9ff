"""Addresses of Airflow's UI and API."""

from __future__ import annotations

from urllib.parse import quote

LOCAL_URL = "http://localhost:8080"
"""Airflow's address if none is configured."""


def base_url(default: str = LOCAL_URL) -> str:
    """The address of Airflow's UI and API, without a slash at the end.

    :param default: the address if ``[api] base_url`` is not set.
    """
    from airflow.configuration import conf

    return (conf.get("api", "base_url", fallback="") or "").rstrip("/") or default


def run_path(dag_id: str, run_id: str) -> str:
    """The path of a run's page, relative to the root of Airflow's UI."""
    return f"dags/{dag_id}/runs/{quote(run_id, safe='')}"


def run_link(dag_id: str, run_id: str) -> str:
    """The address of a run's page in Airflow's UI."""
    return f"{base_url()}/{run_path(dag_id, run_id)}"
