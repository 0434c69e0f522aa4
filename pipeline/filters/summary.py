"""Says in a line which rules judge which source."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.filters.settings import FilterSettings


def judges_line(by_source: Mapping[str, FilterSettings]) -> str:
    """What judges the documents of each source; sources that are judged alike stand together."""
    alike: dict[str, list[str]] = {}
    for source, settings in by_source.items():
        alike.setdefault(_judges(settings), []).append(source)
    return "; ".join(f"{', '.join(sources)}: {judges}" for judges, sources in alike.items())


def _judges(settings: FilterSettings) -> str:
    urls = settings.urls
    said = [f"rules {', '.join(settings.rules)}" if settings.rules else "no rules"]
    if settings.languages:
        said.append(f"languages {', '.join(settings.languages)} from a score of {settings.language_threshold:g}")
    else:
        said.append("any language")
    said += [f"{code} from a score of {score:g}" for code, score in settings.language_thresholds.items()]
    if settings.page_types:
        said.append(f"pages of type {', '.join(settings.page_types)}")
    if urls.block_lists or urls.opt_out or urls.adult_words != "off":
        said.append("its URL")
    if settings.classifier.model:
        said.append("the classifier")
    if settings.custom.module:
        said.append(settings.custom.module)
    return ", ".join(said)
