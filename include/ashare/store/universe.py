"""The table ``security``: which securities there are, and which a trade date should have bars of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from ashare.store.bar_merge import record_rejected
from ashare.store.queries import queries
from ashare.store.rows import DateCount, Expectation, RejectedRow, Security

if TYPE_CHECKING:
    from ashare.store.store import Store


@dataclass(frozen=True)
class Universe:
    """The securities, point in time."""

    store: Store

    def refreshed_at(self) -> datetime | None:
        """When the list of securities was last read from the source."""
        value: datetime | None = self.store.rows("universe", "refreshed_at")[0][0]
        return value

    def found_wrong_at(self) -> datetime | None:
        """When bars of securities that the list lacks were last found; by any date."""
        found: datetime | None = self.store.rows("cross_check", "universe_found_wrong")[0][0]
        return found

    def known_kinds(self) -> dict[str, str]:
        """Every code that a list has ever had, with its kind."""
        return dict(self.store.rows("universe", "known_kinds"))

    def listed_codes_beside(self, codes: Collection[str], today: date) -> list[str]:
        """Known securities that are listed today, and not among these codes."""
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
        """Record the list of securities; none is ever removed.

        :param odd: its rows that broke a rule; of those that are not taken, what was known stays.
        :param is_whole: whether a code that it lacks is taken for lacking.
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
            connection.execute(sql["supersede_rejected"])
            record_rejected(connection, "security", odd, run_id)

    def record_unlisted_indices(self, day: date, indices: Sequence[str]) -> None:
        """Hold the indices of the settings against the list of securities, and record those that it lacks."""
        self.store.execute("universe", "record_unlisted_indices", {"day": day, "indices": list(indices)})

    def unlisted_indices(self, day: date | None = None) -> list[str]:
        """The indices that the list of securities lacks; with a trade date, those that were noticed there."""
        return [row[0] for row in self.store.rows("universe", "unlisted_indices", {"day": day})]

    def expected(self, expectation: Expectation, kind: str) -> list[str]:
        """Codes of a kind that should have a bar that day."""
        return [row[0] for row in self.store.rows("universe", "expected", {**expectation.parameters, "kind": kind})]

    def remaining(self, expectation: Expectation) -> dict[str, list[str]]:
        """Codes by kind that are expected that day and have neither a row nor a recorded reason."""
        return dict(self.store.rows("universe", "remaining", expectation.parameters))

    def sample_codes(self, expectation: Expectation, most: int) -> list[str]:
        """A few that have a bar on every session: asking for them tells whether a day is published."""
        return [row[0] for row in self.store.rows("universe", "sample", {**expectation.parameters, "most": most})]

    def count(self, expectation: Expectation) -> DateCount:
        """Count what the tables hold for the date."""
        return DateCount(*self.store.rows("universe", "count", expectation.parameters)[0])
