"""The table ``security``: all securities, and those that should have a bar on a trade date."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from ashare.store.bar_merge import replace_rejected
from ashare.store.queries import queries
from ashare.store.rows import Expectation, RejectedRow, Security

if TYPE_CHECKING:
    from ashare.store.store import Store


@dataclass(frozen=True)
class Universe:
    """The point-in-time universe of securities."""

    store: Store

    def refreshed_at(self) -> datetime | None:
        """When the list of securities was last read from the source."""
        value: datetime | None = self.store.rows("read", "list_read_at")[0][0]
        return value

    def found_wrong_at(self) -> datetime | None:
        """When a cross-check of any date last failed because of bars of unlisted securities."""
        found: datetime | None = self.store.rows("cross_check", "universe_found_wrong")[0][0]
        return found

    def known_kinds(self) -> dict[str, str]:
        """Kind by code, for every code that a list has ever had."""
        return dict(self.store.rows("universe", "known_kinds"))

    def listed_codes_beside(self, codes: Collection[str], today: date) -> list[str]:
        """Codes of known securities that are listed today but are not in ``codes``."""
        return [
            row[0]
            for row in self.store.rows("universe", "listed_codes_beside", {"codes": list(codes), "today": today})
        ]

    def save(
        self,
        securities: Sequence[Security],
        odd: Sequence[RejectedRow] = (),
        run_id: str | None = None,
        *,
        is_whole: bool = True,
    ) -> None:
        """Upsert the list of securities; no security is ever deleted.

        :param odd: rows of the list that broke a rule; a row that is not taken leaves the known security unchanged.
        :param is_whole: whether the list is complete, so that a code that it lacks counts as missed.
        """
        codes = [s.code for s in securities]
        columns = {
            "codes": codes,
            "names": [s.name for s in securities],
            "kinds": [s.kind for s in securities],
            "ipo_dates": [s.ipo_date for s in securities],
            "out_dates": [s.out_date for s in securities],
        }
        sql = queries("universe")
        with self.store.transaction() as connection:
            connection.execute(sql["save"], columns)
            if is_whole:
                connection.execute(sql["count_missed_lists"], {"codes": [*codes, *(row.code for row in odd)]})
            replace_rejected(connection, "security", odd, run_id)

    def record_unlisted_indices(self, day: date, indices: Sequence[str]) -> None:
        """Record which of the configured indices the list of securities lacks, and forget the others."""
        self.store.execute("universe", "record_unlisted_indices", {"day": day, "indices": list(indices)})

    def unlisted_by_day(self) -> dict[date, list[str]]:
        """The indices that the list of securities lacks, by the trade date on which that was first noticed."""
        return dict(self.store.rows("universe", "unlisted_indices"))

    def expected(self, expectation: Expectation, kind: str) -> list[str]:
        """Codes of a kind that should have a bar on the day."""
        return [row[0] for row in self.store.rows("universe", "expected", {**expectation.parameters, "kind": kind})]

    def remaining(self, expectation: Expectation) -> dict[str, list[str]]:
        """Codes by kind that are expected on the day and have neither a bar nor a recorded reason."""
        return dict(self.store.rows("universe", "remaining", expectation.parameters))

    def sample_codes(self, expectation: Expectation, most: int) -> list[str]:
        """At most ``most`` codes that have a bar on every session: a probe for whether a day is published."""
        return [row[0] for row in self.store.rows("universe", "sample", {**expectation.parameters, "most": most})]
