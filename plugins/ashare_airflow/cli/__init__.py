"""`airflow dags backfill`, with Airflow 2's spelling on Airflow 3's backfills."""
