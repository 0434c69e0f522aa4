"""Sets up the server that forks workers, in which it is loaded first and alone; `pipeline.engine.process` says so."""

from manifests.process import hide_unsent_workers

hide_unsent_workers()
