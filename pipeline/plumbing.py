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
        "pipeline.libraries",
        "pipeline.plumbing",
        "pipeline.recipe",
        "pipeline.runner",
        "pipeline.mirrors",
        "pipeline.mirrors.buckets",
        "pipeline.mirrors.budget",
        "pipeline.mirrors.download",
        "pipeline.mirrors.file_system_transport",
        "pipeline.mirrors.host_limits",
        "pipeline.mirrors.http_pool",
        "pipeline.mirrors.http_transport",
        "pipeline.mirrors.integrity",
        "pipeline.mirrors.network",
        "pipeline.mirrors.partial",
        "pipeline.mirrors.remote",
        "pipeline.mirrors.retry",
        "pipeline.mirrors.space",
        "pipeline.mirrors.transport",
        "pipeline.stages",
        "pipeline.stages.base",
        "pipeline.stages.verify_records",  # accepts a file or not
        "pipeline.tasks",
        "tokenizer",
    }
)


def code_of(*modules: str) -> str:
    """The digest of these modules and of all that they use, but for plumbing."""
    return code_digest(modules, PLUMBING)
