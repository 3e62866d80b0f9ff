"""Access checks. Airflow's sign-in does not cover a plugin's app, so the routes depend on these checks."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_backfill, requires_access_dag
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request, status
from sqlalchemy.exc import DataError, ProgrammingError

from ashare_airflow.backfills import DAG_ID
from ashare_airflow.backfills.links import base_url


def same_site(request: Request, _: GetUserDep) -> None:
    """Refuse requests that another site makes a signed-in browser send (CSRF).

    A bearer token in a header is safe: a browser adds cookies by itself, but never such a header.

    :raises HTTPException: 403: neither a token nor the page's own origin.
    """
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return
    fetched_by = request.headers.get("sec-fetch-site")
    if fetched_by == "same-origin":
        return
    # Browsers omit Sec-Fetch-Site over plain http: then Origin decides.
    if fetched_by is None and _is_own_origin(request.headers.get("origin"), request):
        return
    raise HTTPException(
        status.HTTP_403_FORBIDDEN,
        "This request came from another site, or does not say from where: use the page, or send a token in the "
        "Authorization header (POST /auth/token).",
    )


def _is_own_origin(origin: str | None, request: Request) -> bool:
    if not origin:
        return False
    own = {request.headers.get("host", ""), urlsplit(base_url(default="")).netloc}
    return urlsplit(origin).netloc in own - {""}


def may_start_backfills(user: BaseUser, dag_id: str) -> bool:
    """Whether a user may create backfills of a DAG: the same check as in Airflow's own API."""
    return get_auth_manager().is_authorized_dag(
        method="POST",
        access_entity=DagAccessEntity.RUN,
        details=DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id)),
        user=user,
    )


def not_allowed(dag_id: str) -> str:
    """Why a user without the right cannot start backfills of a DAG."""
    return f"You may look, and not start: that takes the right to create runs of {dag_id} in Airflow."


def check_may_start(user: BaseUser, dag_id: str) -> None:
    """Refuse a user who may not create backfills of a DAG.

    :raises HTTPException: 403.
    """
    if not may_start_backfills(user, dag_id):
        raise HTTPException(status.HTTP_403_FORBIDDEN, not_allowed(dag_id))


_write_audit_log = action_logging("ashare_sync")


async def audited(request: Request, session: SessionDep, user: GetUserDep) -> None:
    """Write the request and its user to Airflow's audit log, as Airflow's own routes do.

    :raises HTTPException: 400: the body or the query cannot be read.
    """
    try:
        await _write_audit_log(request, session, user)
    except (ValueError, RecursionError, DataError, ProgrammingError):
        # Airflow's function parses the body and the query itself.
        raise HTTPException(
            status.HTTP_400_BAD_REQUEST, "The body or the query cannot be read: send a JSON object, or no body."
        ) from None


MAY_READ = Depends(requires_access_dag("GET", param_dag_id=DAG_ID))
MAY_START = Depends(requires_access_dag("POST", DagAccessEntity.RUN, DAG_ID))
MAY_CANCEL = Depends(requires_access_backfill("PUT"))
SAME_SITE = Depends(same_site)
AUDITED = Depends(audited)
