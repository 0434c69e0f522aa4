"""What one host may be asked, and what it was asked lately: the arithmetic of a budget, without its files."""

from __future__ import annotations

import struct
import zlib
from dataclasses import astuple, dataclass

from pydantic import Field, field_validator

from manifests.settings import Settings

_BURST_SECONDS = 1.0  # what a host that was left alone may be asked at once, in seconds of its rate
_MOST_GROWN_HOLD_SECONDS = 120.0
_SHORTEST_STORM_SECONDS = 0.05
_CLOCK_SECONDS = 1e-6  # a clock cannot tell less apart


class HostLimits(Settings):
    """The most that one host is asked."""

    connections: int = Field(default=8, ge=1, le=256)
    """Requests that are under way at a time."""
    requests_per_second: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """Requests that begin in a second; at most one second's worth of them begin at once."""
    bytes_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Bytes that arrive in a second; no limit where this is not set."""


class BudgetSettings(HostLimits):
    """Limits for every host, all workers of a build together."""

    hosts: dict[str, HostLimits] = Field(default_factory=dict)
    """Limits that differ for single hosts, by name and port as in the URL: `"data.commoncrawl.org"`."""

    @field_validator("hosts")
    @classmethod
    def _names_are_hosts(cls, hosts: dict[str, HostLimits]) -> dict[str, HostLimits]:
        for name in hosts:
            if not name or set(name) & set("/@?# "):
                raise ValueError("a host is written without scheme and path, such as data.commoncrawl.org")
        return {name.lower(): limits for name, limits in hosts.items()}

    def of(self, host: str) -> HostLimits:
        """Limits of a host; what its own table does not set is as for every host."""
        own = self.hosts.get(host)
        chosen = {name: getattr(own, name) for name in own.model_fields_set} if own else {}
        return HostLimits(**{name: chosen.get(name, getattr(self, name)) for name in HostLimits.model_fields})


@dataclass
class HostState:
    """What was asked of a host lately, as debts in seconds that shrink with time.

    Debts instead of points in time: a clock that jumps can make a debt vanish early, but never lets anybody wait for
    longer than the debts that were made.

    requests, bytes: seconds until the host has nothing more outstanding at its rates.
    hold: seconds that everybody has still to wait.
    storm: seconds of the last hold, halved by each good answer since.
    """

    seen: float = 0.0
    requests: float = 0.0
    bytes: float = 0.0
    hold: float = 0.0
    storm: float = 0.0
    num_bytes: int = 0

    def advance(self, now: float) -> None:
        elapsed = max(0.0, now - self.seen)
        self.requests = max(0.0, self.requests - elapsed)
        self.bytes = max(0.0, self.bytes - elapsed)
        self.hold = self.hold - elapsed if self.hold - elapsed > _CLOCK_SECONDS else 0.0
        self.seen = now

    def ask(self, limits: HostLimits) -> float:
        """Take a place in the row of requests; seconds until its turn. The row is a token bucket of one second."""
        each = 1 / limits.requests_per_second
        self.requests += each
        return max(0.0, self.requests - max(_BURST_SECONDS, each))

    def spend(self, num_bytes: int, limits: HostLimits) -> float:
        """Count bytes that arrived; seconds until more may be read."""
        self.num_bytes += num_bytes
        if limits.bytes_per_second is None:
            return 0.0
        self.bytes += num_bytes / limits.bytes_per_second
        return max(0.0, self.bytes - _BURST_SECONDS)

    def hold_for(self, seconds: float, limits: HostLimits) -> None:
        """Hold everybody. A storm that goes on after a hold makes the next one twice as long, up to two minutes."""
        if self.hold == 0:
            self.hold = max(seconds, min(2 * self.storm, _MOST_GROWN_HOLD_SECONDS))
        self.hold = max(self.hold, seconds)
        self.storm = max(self.storm, self.hold)
        # Afterwards there is no burst: requests come at their rate from the first on.
        each = 1 / limits.requests_per_second
        self.requests = max(self.requests, self.hold + max(_BURST_SECONDS, each) - each)

    def answered_well(self) -> None:
        self.storm = self.storm / 2 if self.storm > _SHORTEST_STORM_SECONDS else 0.0


_LAYOUT = struct.Struct("<5dq")
_CHECKSUM = struct.Struct("<I")


def pack(state: HostState) -> bytes:
    """The state as it is stored, with a checksum."""
    data = _LAYOUT.pack(*astuple(state))
    return data + _CHECKSUM.pack(zlib.crc32(data))


def unpack(data: bytes) -> HostState:
    """The state, or a new one where it is damaged or was not written yet."""
    if len(data) != _LAYOUT.size + _CHECKSUM.size:
        return HostState()
    if _CHECKSUM.unpack(data[_LAYOUT.size :])[0] != zlib.crc32(data[: _LAYOUT.size]):
        return HostState()
    return HostState(*_LAYOUT.unpack(data[: _LAYOUT.size]))
