"""`[acquire]` of a recipe: how much mirrors are asked, how patiently, and the downloader that keeps to it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.mirrors.budget import Budget, BudgetSettings
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.retry import RetrySettings


class AcquireSettings(BudgetSettings):
    """How much each host is asked, by all workers together."""

    retry: RetrySettings = RetrySettings()
    """When a request that failed is made again."""


@dataclass(frozen=True)
class Network:
    """How mirrors are asked, by all workers of a build."""

    retry: RetrySettings
    budget: Budget

    def downloader(self) -> Downloader:
        return Downloader(self.retry, budget=self.budget)
