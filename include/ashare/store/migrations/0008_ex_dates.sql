-- The stocks that go ex on a trade date, which every date asks for: by the date, and not by reading all of them.

CREATE INDEX adjust_factor_ex_date ON ashare.adjust_factor (ex_date);
