"""Random numbers without a stream: each number is a hash of (seed, purpose, security, day).

So a number depends neither on the order of the calls nor on the machine.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Purpose(IntEnum):
    """What a random number decides. The values define the generated market: a changed value changes the market."""

    CODE = 0
    LIST = 1
    DELIST = 2
    NAME = 3
    SPECIAL = 4
    PRICE = 5
    VOLATILITY = 6
    SHARES = 7
    TURNOVER = 8
    RATIOS = 9
    RETURN = 10
    MARKET = 11
    SUSPEND = 12
    SPELL = 13
    EX_YEAR = 20
    EX_DAY = 21
    EX_RATIO = 22
    PAST_EX = 23
    OPEN = 24
    HIGH = 25
    LOW = 26
    VOLUME = 27
    VWAP = 28
    ST_WHEN = 29
    INDEX_DRIFT = 30
    INDUSTRY = 31
    INDUSTRY_CHANGE = 32
    RENAME = 33


class Noise:
    """Uniform and normal numbers from a hash of integers (the finaliser of SplitMix64)."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def _bits(self, purpose: Purpose, a: Any, b: Any) -> NDArray[np.uint64]:
        key = (self._seed * 0x9E3779B97F4A7C15 + purpose * 0xD1B54A32D192ED03) % 2**64
        first = np.atleast_1d(np.asarray(a)).astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
        second = np.atleast_1d(np.asarray(b)).astype(np.uint64) * np.uint64(0x94D049BB133111EB)
        x: NDArray[np.uint64] = (first + np.uint64(key)) ^ (second + np.uint64(0x9E3779B97F4A7C15))
        x ^= x >> np.uint64(30)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(27)
        x *= np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
        return x

    def uniform(self, purpose: Purpose, a: Any, b: Any = 0) -> Floats:
        """Numbers in [0, 1)."""
        numbers: Floats = (self._bits(purpose, a, b) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return numbers

    def one(self, purpose: Purpose, a: int, b: int = 0) -> float:
        """``uniform`` for single integers, without the cost of an array."""
        key = (self._seed * 0x9E3779B97F4A7C15 + purpose * 0xD1B54A32D192ED03) % 2**64
        x = (a * 0xBF58476D1CE4E5B9 + key) ^ ((b * 0x94D049BB133111EB + 0x9E3779B97F4A7C15) % 2**64)
        x %= 2**64
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        x ^= x >> 31
        return (x >> 11) * 2.0**-53

    def normal(self, purpose: Purpose, a: Any, b: Any = 0) -> Floats:
        """Nearly normal numbers in [-3, 3), mean 0, standard deviation 1: scaled sums of three 21-bit uniforms."""
        x = self._bits(purpose, a, b)
        mask = np.uint64(0x1FFFFF)
        total = (x & mask) + ((x >> np.uint64(21)) & mask) + ((x >> np.uint64(42)) & mask)
        numbers: Floats = (total.astype(np.float64) * 2.0**-21 - 1.5) * 2.0
        return numbers
