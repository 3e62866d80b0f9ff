"""The envelope of every reply, and the replies without data: errors and health."""

from __future__ import annotations

from datetime import date
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, computed_field

from ashare_airflow.page.models.sentence import CodedSentences, Sentence, coded_sentences

T = TypeVar("T")


class Reply(BaseModel, Generic[T]):
    """An answer; ``status`` is ``success`` wherever the HTTP status is."""

    status: Literal["success"] = "success"
    data: T

    @computed_field(description="The sentences of the data as codes with values; see /messages.")
    def sentences(self) -> CodedSentences:
        return coded_sentences(self.data)


class Problem(BaseModel):
    """Why a request was refused: one sentence, as ``message`` and, as FastAPI has it, as ``detail``."""

    status: Literal["error", "not_found"]
    message: Sentence
    detail: str

    @computed_field(description="The sentence as codes with values; see /messages.")
    def sentences(self) -> CodedSentences:
        return coded_sentences(self)


class Health(BaseModel):
    """Says no more than that: everybody may ask.

    ``open_sessions``, if there are any: the sessions that are not complete, and further back than ASHARE_MAX_LAG
    allows.
    """

    status: Literal["healthy", "stale", "unavailable"]
    open_sessions: list[date] | None = None
