"""Names and code prefixes for the generated market: realistic in form, not the names of the real companies."""

from __future__ import annotations

from datetime import date


def _words(text: str) -> list[str]:
    return text.split()


STOCK_PREFIXES: dict[str, tuple[int, ...]] = {
    "sh.600": (754, 0, 999),
    "sh.601": (225, 0, 999),
    "sh.603": (611, 0, 999),
    "sh.605": (113, 1, 599),
    "sh.688": (603, 1, 981),
    "sz.000": (414, 1, 999),
    "sz.001": (113, 201, 999),
    "sz.002": (922, 1, 999),
    "sz.003": (42, 0, 99),
    "sz.300": (939, 1, 999),
    "sz.301": (452, 1, 699),
    "sz.302": (1, 132, 132),
}
"""Prefix to (number of stocks in 2026, lowest and highest number in use after the prefix)."""

NEW_LISTING_PREFIXES = ("sh.601", "sh.603", "sh.688", "sz.001", "sz.301")
"""Prefixes of today's new listings. The generated market uses other prefixes only if these have no stock left."""

ALWAYS = ("sh.600000", "sh.600519", "sh.601318", "sh.688981", "sz.000001", "sz.000002", "sz.300750")
"""Well-known codes, which people try first. The generated market prefers them and lists them before the window."""

ETF_PREFIXES: dict[str, tuple[int, int]] = {
    "sh.51": (1000, 8999),
    "sh.56": (0, 3999),
    "sh.58": (8000, 8999),
    "sz.159": (1, 999),
}
"""Prefix to the lowest and highest number after it."""

PLACES = _words(
    "江南 华东 东海 金陵 京华 沪江 岭南 天府 渝州 楚天 湘江 赣江 闽江 齐鲁 燕山 太行 秦岭 陇原 天山 昆仑 "
    "长白 松江 辽河 渤海 黄海 南海 珠江 浦江 钱江 太湖 洞庭 鄱阳 泰山 华山 衡山 嵩山 黄山 庐山 峨眉 武夷 "
    "长城 中原 江淮 淮海 苏河 浙东 皖西 豫北 冀中 晋阳 川西 滇池 黔灵 桂林 琼海 云岭 塞北 河西 青海 宁远 "
    "新安 徽州 姑苏 明州 温岭 台州 泉州 厦门 汕头 佛山 东莞 惠州 中山 珠海 江门 湛江 柳州 株洲 襄阳 宜昌"
)

TRADES = _words(
    "电子 科技 股份 药业 集团 能源 电力 化工 钢铁 机械 重工 汽车 航空 铁路 港口 物流 银行 证券 保险 地产 "
    "建设 水泥 玻璃 纸业 纺织 服饰 食品 乳业 酒业 农业 种业 牧业 渔业 环保 水务 燃气 煤业 矿业 铜业 铝业 "
    "稀土 锂业 光电 半导 芯片 软件 信息 通信 网络 传媒 教育 旅游 酒店 商业 百货 家居 电器 照明 仪器 精工 "
    "材料 塑胶 橡胶 特钢 轴承 电缆 电机 电气 电源 储能 医疗 器械 生物 基因 制药 健康 智能 数据 云谷 安防"
)

ETF_THEMES = _words(
    "沪深300 上证50 中证500 中证1000 科创50 创业板 红利 银行 证券 医药 芯片 半导体 新能源 光伏 军工 酒 消费 "
    "食品饮料 家电 汽车 煤炭 钢铁 有色 化工 地产 基建 传媒 游戏 通信 5G 人工智能 机器人 云计算 大数据 软件 "
    "环保 农业 养殖 旅游 黄金股 央企 国企 低波 价值 成长 质量"
)

ETF_HOUSES = _words("江南 华东 东海 金陵 京华 岭南 天府 楚天 齐鲁 燕山 昆仑 珠江 浦江 钱江 长城 中原")

INDEX_THEMES = _words(
    "能源 材料 工业 可选 消费 医药 金融 信息 电信 公用 红利 成长 价值 治理 责任 央企 民企 基建 资源 运输 "
    "地产 商业 银行 证券 保险 食品 家电 汽车 军工 环保 传媒 软件 芯片 通信 农业 煤炭 钢铁 有色 化工 建材"
)

INDEX_FAMILIES = _words("上证 上证180 上证380 全指 内地 中证 深证 国证 巨潮 深证300 国证1000 中小")

INDICES: dict[str, tuple[str, str, float]] = {
    "sh.000001": ("上证综指", "1991-07-15", 3900.0),
    "sh.000002": ("上证A股指数", "1992-02-21", 4100.0),
    "sh.000003": ("上证B股指数", "1992-02-21", 260.0),
    "sh.000010": ("上证180", "2002-07-01", 9900.0),
    "sh.000015": ("上证红利", "2005-01-04", 3100.0),
    "sh.000016": ("上证50", "2004-01-02", 3000.0),
    "sh.000300": ("沪深300", "2005-04-08", 4600.0),
    "sh.000852": ("中证1000", "2014-10-17", 7400.0),
    "sh.000903": ("中证100", "2006-05-29", 4500.0),
    "sh.000905": ("中证500", "2007-01-15", 7200.0),
    "sh.000906": ("中证800", "2007-01-15", 5000.0),
    "sz.399001": ("深证成指", "1995-01-23", 13400.0),
    "sz.399005": ("中小100", "2006-01-24", 8100.0),
    "sz.399006": ("创业板指", "2010-06-01", 3100.0),
    "sz.399106": ("深证综指", "1991-04-04", 2500.0),
    "sz.399300": ("沪深300", "2005-04-08", 4600.0),
    "sz.399330": ("深证100", "2003-01-02", 5600.0),
    "sz.399673": ("创业板50", "2014-06-18", 3000.0),
}
"""Well-known indices: code to name, day of first publication, and initial level in points."""

INDEX_NUMBERS: dict[str, tuple[tuple[int, int], ...]] = {
    "sh.000": (
        *((1, 13), (15, 22), (25, 54), (56, 79), (90, 123), (128, 139), (145, 153), (158, 162), (851, 858)),
        *((903, 906), (908, 914), (931, 935)),
    ),
    "sz.399": (
        *((1, 13), (100, 103), (106, 108), (231, 244), (298, 303), (310, 322), (350, 353), (355, 413), (415, 420)),
        *((431, 441), (550, 557), (610, 689), (701, 706), (802, 809), (812, 814), (932, 935), (965, 967), (990, 998)),
    ),
}
"""Prefix to ranges of the numbers after it, both ends included. Baostock has an index for each number."""

BEIJING = (
    *("bj.430017", "bj.430047", "bj.430090", "bj.430139", "bj.430198", "bj.430300", "bj.430418", "bj.430425"),
    *("bj.830779", "bj.830799", "bj.830809", "bj.830832"),
)
"""Stocks of the Beijing exchange: they are in ``query_all_stock`` only and have no bars."""

BOND_PREFIXES: dict[str, int] = {"sh.11": 3, "sz.12": 3}
OTHER_PREFIXES: dict[str, int] = {"sh.501": 1, "sz.16": 2}
"""Prefix to number of convertible bonds and other securities, in ``query_stock_basic`` only. They have no bars."""
FIRST_BARS = {
    "sh.000001": date(2000, 1, 4),
    "sh.000300": date(2005, 1, 4),
    "sz.399300": date(2005, 1, 4),
}
"""Dates of first bars that are not the day of publication: years later for ``sh.000001``, earlier for the rest."""
