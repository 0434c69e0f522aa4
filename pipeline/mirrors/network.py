"""`[acquire]` of a recipe, and what it comes to: how patiently mirrors are asked, and how much."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.mirrors.budget import Budget, BudgetSettings
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.retry import RetrySettings


class AcquireSettings(BudgetSettings):
    """`[acquire]` of a recipe: limits for every host, all workers together. They change no output."""

    retry: RetrySettings = RetrySettings()
    """When a request that failed is made again."""


@dataclass(frozen=True)
class Network:
    """How mirrors are asked, by all workers of a build."""

    retry: RetrySettings
    budget: Budget

    def downloader(self) -> Downloader:
        return Downloader(self.retry, budget=self.budget)
