"""Where Baostock is, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from ashare.source.transport import Limits

PUBLIC_HOST = "public-api.baostock.com"
VIP_HOST = "vip-api.baostock.com"
PORT = 10030


@dataclass(frozen=True)
class SourceConfig:
    """Where Baostock is and how to sign in; ``api_key`` is optional and moves the default host.

    :ivar session_requests: messages of a session, login and logout included, after which a new one is opened;
        0: never.
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
