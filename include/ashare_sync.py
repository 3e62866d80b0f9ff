"""An empty module with this distribution's name: with example DAGs on, Airflow imports every provider by that name.

Without this module, each Airflow process logs an error with a traceback (apache/airflow #66305).
"""
