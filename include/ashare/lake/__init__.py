"""The lake: the bars as Parquet files that researchers read without the database.

``ashare.export`` writes it, ``ashare.read`` reads it. A lake is a directory, or an fsspec URL such as
``s3://bucket/lake``.
"""

from __future__ import annotations
