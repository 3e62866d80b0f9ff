"""Configuration of the connection to Baostock."""

from __future__ import annotations

from dataclasses import dataclass, field

from ashare.source.transport import Limits

PUBLIC_HOST = "public-api.baostock.com"
VIP_HOST = "vip-api.baostock.com"
PORT = 10030


@dataclass(frozen=True)
class SourceConfig:
    """Address, login and limits for Baostock.

    :ivar host: empty: the public host, or with an ``api_key`` the VIP host.
    :ivar session_requests: maximum messages per session, login and logout included, before a new session is opened;
        0: no maximum.
    """

    host: str = ""
    port: int = PORT
    user: str = "anonymous"
    password: str = field(default="123456", repr=False)
    api_key: str | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits)
    session_requests: int = 0

    @property
    def address(self) -> tuple[str, int]:
        return self.host or (VIP_HOST if self.api_key else PUBLIC_HOST), self.port
