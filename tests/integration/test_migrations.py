"""From each earlier version of the schema to today's, with rows in every table: nothing is lost, nothing differs.

With a new migration file add its line to ``RELEASED``, and rows for its new tables and columns to ``ROWS``; what is
lacking is said by the tests, which take up the new version by themselves.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ashare.errors import StoreBusy
from ashare.store import Store, migrate
from ashare.store.migrate import MIGRATIONS, applied
from ashare_local import PROJECT
from ashare_local.postgres import bin_dir
from tests.conftest import Database
from tests.waiting import until

module = importlib.import_module("ashare.store.migrate")

FILES = sorted(MIGRATIONS.glob("[0-9]*.sql"))
TODAY = len(FILES)

RELEASED = {
    "0001_tables.sql": "053043db82e920e540e75a0e9ce3479e186823e86ebc9a61bf686abc35a6a98e",
    "0002_source_limit.sql": "067587f14b6e637cec59444e125d8194182d6ba13850aa647625b36bc399f991",
    "0003_cross_checks.sql": "22b2463e2c0114b7b0e1054780f605b69465b46b9d143dc7bcfd2eb19af32b99",
    "0004_trade_date_state.sql": "af3fed3a6610c36a9e29ee7465fab24b884833e2f77c1c0fa915d4c9e7c51ef1",
    "0005_history.sql": "8137d9a8807a26f6f87793b157dbaa368d35fde8ada6930395f36aefb88b1b73",
    "0006_adjusted_prices.sql": "054561cba11c0e3f7cfb51420edd3703c19f2a8ae791e7f6e74a6ee88d8f5ba1",
    "0007_alerts.sql": "0a16e45b8f482ae1add3370d4b9e6ecbb2de4ebcc25264fef6d7b405a445c417",
    "0008_ex_dates.sql": "3aa11c4db11526d4e22eb33bb8fe76518686fef372c30bdb756e3b3fe0daa0ab",
    "0009_evening.sql": "288c78aea05d424ac64f1685a5b0488f150e7743fcd6403b78811b36fed39ca3",
    "0010_lists.sql": "5e2edcd151d89ac91962bdd2d176aae5a0f531c2859c17f4f5f8e86a5c2e1c4d",
    "0011_accepted_dates.sql": "495bb042c282d1cab174b2c05b5886a6f2e95e9e37188d2f0433b5d757bc82e9",
    "0012_row_counts.sql": "f5643393fd5a949552d46813613ad649e9c7c525cf76ad09ffcf96411f26564c",
    "0013_coverage.sql": "c36ce9f7e7df24938c45978e31f54cbb2a8e49d7a9b23d66e04c2e3e5efbd116",
