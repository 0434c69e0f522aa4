"""Which modules move data but do not shape it, and the version of the code that does."""

from __future__ import annotations

from manifests.code import code_digest

# A change in these rebuilds nothing. A file that was downloaded is the mirror's, whatever code fetched it.
PLUMBING = frozenset(
    {
        "manifests",
        "manifests.code",
        "manifests.errors",
        "manifests.manifest",
        "manifests.secrets",
        "manifests.settings",
        "manifests.storage",
        "pipeline",
        "pipeline.executors",
        "pipeline.plumbing",
        "pipeline.recipe",
        "pipeline.runner",
        "pipeline.sources.buckets",
        "pipeline.sources.budget",
        "pipeline.sources.download",
        "pipeline.sources.file_system_transport",
        "pipeline.sources.host_limits",
        "pipeline.sources.http_transport",
        "pipeline.sources.integrity",
        "pipeline.sources.network",
        "pipeline.sources.partial",
        "pipeline.sources.retry",
        "pipeline.sources.space",
        "pipeline.sources.transport",
        "pipeline.stages",
        "pipeline.stages.base",
        "pipeline.tasks",
        "tokenizer",
    }
)


def code_of(*modules: str) -> str:
    """The digest of these modules and of all that they use, but for plumbing."""
    return code_digest(modules, PLUMBING)
