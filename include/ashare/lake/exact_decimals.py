"""Adjusted prices and volumes, computed from float64 columns, and equal to PostgreSQL's to the last bit.

The views of adjusted prices compute with exact decimals: ``round(price * factor, 8)``. A product of floats differs
from that in the last bits. So the columns are turned into integers (a price has 4 decimals, a factor of Baostock's 6,
one of forward adjustment 12), and int64 arithmetic gives the exact result. Values that do not fit are computed one by
one. PostgreSQL rounds half away from zero. It rounds a quotient twice: to a scale of its own choice
(``select_div_scale``), then by ``round``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

PRICE_DECIMALS, BACK_DECIMALS, FORWARD_DECIMALS = 4, 6, 12
"""The decimals of a price as traded, of a back factor, and of the factor of forward adjustment."""
ADJUSTED_DECIMALS, VOLUME_DECIMALS = 8, 4
"""The decimals of an adjusted price, and of an adjusted volume."""

EXACT = 2**53
"""float64 holds each integer below it. Divided by a power of ten, such an integer gives the nearest float."""
MOST = 9 * 10**18
"""Products up to it fit into int64."""
BLOCK = 1 << 16
"""Rows that are computed at a time: the intermediate columns stay in the processor's cache."""


def back_prices(prices: Floats, factors: Floats) -> Floats:
    """``round(price * back_factor, 8)``; NaN for a missing price."""
    return _in_blocks(_back_block, prices, factors)


def forward_prices(prices: Floats, factors: Floats) -> Floats:
    """``round(price * factor, 8)`` with factors of ``forward_factors``; NaN for a missing price."""
    return _in_blocks(_forward_block, prices, factors)


def forward_factors(back: Floats, newest: Floats) -> Floats:
    """``round(back_factor / newest_back_factor, 12)``."""
    import numpy as np

    numerator, whole = _integers(back, BACK_DECIMALS)
    divisor, has_six = _integers(newest, BACK_DECIMALS)
    fits = whole & has_six & (divisor > 0) & (divisor < MOST // 10**6)
    scale = 16 - 4 * _quotient_weight(numerator, BACK_DECIMALS, divisor, BACK_DECIMALS)
    with np.errstate(invalid="ignore", divide="ignore"):
        fits &= (scale >= FORWARD_DECIMALS) & (back / newest < EXACT / 10**FORWARD_DECIMALS)
    digits, rest = _long_division(numerator, np.where(fits, divisor, 1), (1, 10**6, 10**6))
    rounded = _rounded_twice(digits, rest, np.where(fits, divisor, 1), scale - FORWARD_DECIMALS)
    return _with_fallback(rounded, FORWARD_DECIMALS, fits, _one_factor, back, newest)


def back_volumes(volumes: Floats, factors: Floats) -> Floats:
    """``round(volume / back_factor, 4)``; NaN for a missing volume."""
    return _in_blocks(lambda v, f: _volume_block(v, f, BACK_DECIMALS, (10**6, 10**4)), volumes, factors)


def forward_volumes(volumes: Floats, factors: Floats) -> Floats:
    """``round(volume / factor, 4)`` with factors of ``forward_factors``; NaN for a missing volume."""
    return _in_blocks(lambda v, f: _volume_block(v, f, FORWARD_DECIMALS, (10**6, 10**6, 10**4)), volumes, factors)


def _in_blocks(compute: Callable[[Floats, Floats], Floats], left: Floats, right: Floats) -> Floats:
    import numpy as np

    found = np.empty(len(left))
    # A missing value is computed as any integer, and left out afterwards.
    with np.errstate(invalid="ignore", over="ignore"):
        for begin in range(0, len(left), BLOCK):
            block = slice(begin, begin + BLOCK)
            found[block] = compute(left[block], right[block])
    return found


def _back_block(prices: Floats, factors: Floats) -> Floats:
    price, fits = _integers(prices, PRICE_DECIMALS)
    factor, has_six = _integers(factors, BACK_DECIMALS)
    fits &= has_six & (prices * factors < EXACT / 10**ADJUSTED_DECIMALS)
    return _with_fallback((price * factor + 50) // 100, ADJUSTED_DECIMALS, fits, _one_price, prices, factors)


def _forward_block(prices: Floats, factors: Floats) -> Floats:
    import numpy as np

    price, fits = _integers(prices, PRICE_DECIMALS)
    factor, has_twelve = _integers(factors, FORWARD_DECIMALS)
    fits &= has_twelve & (prices * factors < EXACT / 10**ADJUSTED_DECIMALS) & (prices < 10**8)
    high, low = np.divmod(factor, 10**6)
    whole, rest = np.divmod(price * high, 100)
    rounded = whole + (rest * 10**6 + price * low + 5 * 10**7) // 10**8
    return _with_fallback(rounded, ADJUSTED_DECIMALS, fits, _one_price, prices, factors)


def _volume_block(volumes: Floats, factors: Floats, decimals: int, steps: Sequence[int]) -> Floats:
    import numpy as np

    volume, fits = _integers(volumes, 0)
    divisor, has_decimals = _integers(factors, decimals)
    fits &= has_decimals & (divisor > 0) & (divisor < MOST // 10**6) & (volume < MOST // 10**6)
    volume, divisor = np.where(fits, volume, 0), np.where(fits, divisor, 1)
    scale = np.maximum(16 - 4 * _quotient_weight(volume, 0, divisor, decimals), decimals)
    digits, rest = _long_division(volume, divisor, steps)
    fits &= volumes / factors < EXACT / 10**VOLUME_DECIMALS
    rounded = _rounded_twice(digits, rest, divisor, scale - VOLUME_DECIMALS)

    def one(volume: Decimal, factor: Decimal) -> Decimal:
        return quotient(volume, factor, VOLUME_DECIMALS, decimals)

    return _with_fallback(rounded, VOLUME_DECIMALS, fits, one, volumes, factors)


def _integers(values: Floats, decimals: int) -> tuple[Integers, Flags]:
    """The values times a power of ten, as integers, and which of them are exactly that and not negative."""
    import numpy as np

    power = 10.0**decimals
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(values * power)
        # A float below 2**53 that is the nearest to the decimal number stands for that number.
        fits = (scaled / power == values) & (values >= 0) & (scaled < EXACT)
        return scaled.astype(np.int64), fits


def _long_division(numerator: Integers, divisor: Integers, steps: Sequence[int]) -> tuple[Integers, Integers]:
    """The digits of numerator x (the product of all steps) / divisor, and the rest, without a product over int64."""
    import numpy as np

    digits, rest = np.zeros_like(numerator), numerator
    for step in steps:
        more, rest = np.divmod(rest * step, divisor)
        digits = digits * step + more
    return digits, rest


def _rounded_twice(digits: Integers, rest: Integers, divisor: Integers, further: Integers) -> Integers:
    """The digits, rounded half up after they were rounded half up at ``further`` more digits.

    With d = divisor - 2 x rest, the first rounding reaches the half if d x 10**further <= divisor.
    """
    import numpy as np

    reach = np.where(further > 0, divisor // 10 ** np.clip(further, 0, 18), 0)
    return digits + (divisor - 2 * rest <= reach)


def _quotient_weight(numerator: Integers, decimals: int, divisor: Integers, divisor_decimals: int) -> Integers:
    """The weight of a quotient in digits of base 10,000, as PostgreSQL's ``select_div_scale`` estimates it."""
    weight, first = _leading(numerator, decimals)
    divisor_weight, divisor_first = _leading(divisor, divisor_decimals)
    return weight - divisor_weight - (first <= divisor_first)


def _leading(values: Integers, decimals: int) -> tuple[Integers, Integers]:
    """The weight of the first digit of base 10,000, and this digit; 0 and 0 for zero."""
    import numpy as np

    lowest = -(-decimals // 4)
    places = np.array([10 ** (4 * n) for n in range(1, 5)], dtype=np.int64) // 10 ** (4 * lowest - decimals)
    # How many powers of 10,000 the value reaches, from its last place on.
    above = np.searchsorted(places, values, side="right")
    power = np.concatenate([[1], places])[above]
    first = np.where(above == 0, values * 10 ** (4 * lowest - decimals), values // power)
    return np.where(values == 0, 0, above - lowest), first


def _with_fallback(
    rounded: Integers,
    decimals: int,
    fits: Flags,
    one: Callable[[Decimal, Decimal], Decimal],
    left: Floats,
    right: Floats,
) -> Floats:
    """The integers as floats; where the values do not fit, the result of ``one``; NaN where a value is missing."""
    import numpy as np

    found = rounded / 10.0**decimals
    if not fits.all():
        for row in np.flatnonzero(~fits):
            values = (left[row], right[row])
            missing = np.isnan(values).any()
            found[row] = np.nan if missing else float(one(*(Decimal(repr(float(value))) for value in values)))
    return found


def _one_price(price: Decimal, factor: Decimal) -> Decimal:
    return rounded_half_up(price * factor, ADJUSTED_DECIMALS)


def _one_factor(back: Decimal, newest: Decimal) -> Decimal:
    return quotient(back, newest, FORWARD_DECIMALS, BACK_DECIMALS)


def quotient(numerator: Decimal, divisor: Decimal, decimals: int, least_scale: int) -> Decimal:
    """``round(numerator / divisor, decimals)`` as PostgreSQL has it.

    :param least_scale: the decimals that the divisor is stored with, trailing zeros included.
    """
    weight, first = _decimal_leading(numerator)
    divisor_weight, divisor_first = _decimal_leading(divisor)
    scale = 16 - 4 * (weight - divisor_weight - (first <= divisor_first))
    scale = max(scale, least_scale, *(-int(each.as_tuple().exponent) for each in (numerator, divisor)))
    return rounded_half_up(_divided(numerator, divisor, scale), decimals)


def _decimal_leading(value: Decimal) -> tuple[int, int]:
    if not value:
        return 0, 0
    weight = value.adjusted() // 4
    return weight, int(abs(value).scaleb(-4 * weight))


def _divided(numerator: Decimal, divisor: Decimal, scale: int) -> Decimal:
    (above, below), (above_2, below_2) = numerator.as_integer_ratio(), divisor.as_integer_ratio()
    top, bottom = above * below_2 * 10**scale, below * above_2
    sign = -1 if (top < 0) != (bottom < 0) else 1
    digits, rest = divmod(abs(top), abs(bottom))
    return _of_integer(sign * (digits + (2 * rest >= abs(bottom))), scale)


def rounded_half_up(value: Decimal, decimals: int) -> Decimal:
    """PostgreSQL's ``round(value, decimals)``: half away from zero."""
    return _divided(value, Decimal(1), decimals)


def _of_integer(value: int, scale: int) -> Decimal:
    # A tuple, as arithmetic would round to the digits of the context.
    return Decimal((int(value < 0), tuple(map(int, str(abs(value)))), -scale))
