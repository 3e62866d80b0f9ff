"""Nothing but this distribution's name: with its example DAGs on, Airflow imports every provider by that name.

Without the module each of its processes logs an error with a traceback (apache/airflow #66305).
"""
