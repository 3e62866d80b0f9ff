#!/bin/bash
# PostgreSQL's image runs this script once, if the volume is new: create a user and a database for Airflow and for
# the bars each.
set -e
psql -v ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    -v airflow="$AIRFLOW_DB_PASSWORD" -v ashare="$ASHARE_DB_PASSWORD" <<'SQL'
CREATE ROLE airflow LOGIN PASSWORD :'airflow';
CREATE DATABASE airflow OWNER airflow;
CREATE ROLE ashare LOGIN PASSWORD :'ashare';
CREATE DATABASE ashare OWNER ashare;
SQL
