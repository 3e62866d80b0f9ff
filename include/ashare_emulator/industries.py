"""The industries of the generated market's stocks on every day, as a pure function of the seed."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property

import numpy as np

from ashare_emulator.noise import Floats, Ints, Noise, Purpose
from ashare_emulator.reference_loads import FIRST_LOADS, INDUSTRIES
from ashare_emulator.security_arrays import SecurityArrays

SHENWAN, CSRC = "申万一级行业", "证监会行业分类"
"""The classifications by name, as in the column ``industryClassification``."""

CSRC_FROM = date(2023, 7, 3)
"""The first load with the CSRC's classification.

The emulator's own choice: recorded loads have Shenwan's on 2023-03-20 and the CSRC's on 2026-04-20; the day of the
change is not known.
"""

SHENWAN_UNTIL = date(2021, 11, 15)
"""Stocks that are listed from this day on have no industry of Shenwan; in the load of 2023-03-20 most have none."""

UNCLASSIFIED_DAYS = 30
"""Days after its listing in which a stock has no industry of the CSRC. The emulator's own choice."""
UNCLASSIFIED_SHARE = 0.003
"""Share of the stocks that never have an industry."""
CHANGED_A_YEAR = 0.01
"""Share of the stocks that change their industry in a year."""


def _table(text: str) -> tuple[tuple[str, str, int], ...]:
    entries = (line.split() for line in text.split("/"))
    return tuple((csrc, shenwan, int(weight)) for csrc, shenwan, weight in entries)


TABLE: tuple[tuple[str, str, int], ...] = _table(
    "A01农业 农林牧渔 15 / A03畜牧业 农林牧渔 15 / A04渔业 农林牧渔 6 / C13农副食品加工业 农林牧渔 50 / "
    "B06煤炭开采和洗选业 采掘 26 / B07石油和天然气开采业 采掘 6 / B09有色金属矿采选业 有色金属 25 / "
    "C14食品制造业 食品饮料 70 / C15酒、饮料和精制茶制造业 食品饮料 46 / C17纺织业 纺织服装 45 / "
    "C18纺织服装、服饰业 纺织服装 40 / C21家具制造业 轻工制造 30 / C22造纸和纸制品业 轻工制造 38 / "
    "C26化学原料和化学制品制造业 化工 330 / C27医药制造业 医药生物 300 / C28化学纤维制造业 化工 30 / "
    "C29橡胶和塑料制品业 化工 110 / C30非金属矿物制品业 建筑材料 110 / C31黑色金属冶炼和压延加工业 钢铁 33 / "
    "C32有色金属冶炼和压延加工业 有色金属 80 / C33金属制品业 机械设备 85 / C34通用设备制造业 机械设备 180 / "
    "C35专用设备制造业 机械设备 360 / C36汽车制造业 汽车 170 / "
    "C37铁路、船舶、航空航天和其他运输设备制造业 国防军工 80 / C38电气机械和器材制造业 电气设备 220 / "
    "C38电气机械和器材制造业 家用电器 90 / C39计算机、通信和其他电子设备制造业 电子 600 / "
    "C40仪器仪表制造业 机械设备 85 / D44电力、热力生产和供应业 公用事业 85 / D45燃气生产和供应业 公用事业 30 / "
    "E48土木工程建筑业 建筑装饰 75 / E50建筑装饰、装修和其他建筑业 建筑装饰 25 / F51批发业 商业贸易 80 / "
    "F52零售业 商业贸易 80 / G54道路运输业 交通运输 40 / G55水上运输业 交通运输 35 / G56航空运输业 交通运输 13 / "
    "H61住宿业 休闲服务 8 / I63电信、广播电视和卫星传输服务 通信 20 / I65软件和信息技术服务业 计算机 300 / "
    "J66货币金融服务 银行 42 / J67资本市场服务 非银金融 55 / J68保险业 非银金融 7 / K70房地产业 房地产 100 / "
    "M74专业技术服务业 建筑装饰 70 / N77生态保护和环境治理业 公用事业 80 / N78公共设施管理业 休闲服务 18 / "
    "R85新闻和出版业 传媒 30 / R86广播、电视、电影和录音制作业 传媒 26 / S90综合 综合 20"
)
"""The CSRC's industry, Shenwan's, and the approximate number of stocks in 2026."""


class Industries:
    """The industries of the stocks. Nothing is computed before the first question.

    :param end: the market's last day; no stock changes its industry after it.
    """

    def __init__(self, noise: Noise, arrays: SecurityArrays, end: date) -> None:
        self._noise = noise
        self._arrays = arrays
        self._end = end

    @cached_property
    def _columns(self) -> list[int]:
        columns: list[int] = np.nonzero(self._arrays.is_stock)[0].tolist()
        return columns

    @cached_property
    def _initial(self) -> list[int]:
        """Each stock's first entry of ``TABLE``; -1 for the stocks that never have an industry."""
        keys = self._arrays.keys[self._columns]
        entries = _entries(self._noise.uniform(Purpose.INDUSTRY, keys))
        never = self._noise.uniform(Purpose.INDUSTRY, keys, 1) < UNCLASSIFIED_SHARE
        initial: list[int] = np.where(never, -1, entries).tolist()
        return initial

    @cached_property
    def _changes(self) -> list[tuple[date, int, int]]:
        """(day, place in ``_columns``, new entry of ``TABLE``) of each change, in order of day."""
        keys = self._arrays.keys[self._columns]
        found = []
        for year in range(FIRST_LOADS[INDUSTRIES].year, self._end.year + 1):
            places = np.nonzero(self._noise.uniform(Purpose.INDUSTRY_CHANGE, keys, year) < CHANGED_A_YEAR)[0]
            days = self._noise.uniform(Purpose.INDUSTRY_CHANGE, keys[places], year + 10_000)
            entries = _entries(self._noise.uniform(Purpose.INDUSTRY_CHANGE, keys[places], year + 20_000))
            for place, part, entry in zip(places.tolist(), days.tolist(), entries.tolist(), strict=True):
                found.append((date(year, 1, 1) + timedelta(days=int(part * 365)), place, entry))
        return sorted(found)

    def rows(self, day: date) -> list[tuple[str, str, str, str]]:
        """(code, name, industry, classification) of each stock that was ever listed, in order of code.

        The industry of a delisted stock is blank. The name is that of the day.
        """
        entries = self._initial.copy()
        for changed, place, entry in self._changes:
            if changed > day:
                break
            if entries[place] >= 0:
                entries[place] = entry
        by_csrc = day >= CSRC_FROM
        classification = CSRC if by_csrc else SHENWAN
        unclassified_from = day - timedelta(days=UNCLASSIFIED_DAYS) if by_csrc else SHENWAN_UNTIL
        rows = []
        for column, entry in zip(self._columns, entries, strict=True):
            listing = self._arrays.listings[column]
            if listing.ipo > day:
                continue
            is_blank = (
                entry < 0 or listing.ipo >= unclassified_from or (listing.out is not None and listing.out <= day)
            )
            csrc, shenwan, _ = TABLE[entry]
            industry = csrc if by_csrc else shenwan
            rows.append((listing.code, listing.name_on(day), "" if is_blank else industry, classification))
        return rows


def _entries(numbers: Floats) -> Ints:
    """Entries of ``TABLE``, chosen by their weights."""
    bounds = np.cumsum([weight for _, _, weight in TABLE])
    entries: Ints = np.searchsorted(bounds, numbers * bounds[-1], side="right")
    return entries
