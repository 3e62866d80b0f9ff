"""`airflow dags backfill`: Airflow 2's command line for Airflow 3's backfills."""
