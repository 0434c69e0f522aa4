"""Sets up the server that forks workers, in which it is loaded first and alone; `pipeline.engine.process` says so."""

from manifests.process import hide_unsent_workers
from pipeline.engine.process import outlive_signals

hide_unsent_workers()
outlive_signals()
