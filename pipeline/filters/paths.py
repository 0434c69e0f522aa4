"""The files that filter settings name: where they can be opened, and the digests that stand for them."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.filters.bad_words import bad_words_digest, load_bad_words
from pipeline.filters.boundaries import boundaries_of
from pipeline.filters.classifier.signals import digests as classifier_digests
from pipeline.filters.custom.rule import CustomRule
from pipeline.filters.custom.rule import digests as custom_digests
from pipeline.filters.language import check_keys, check_languages, language_model_digest, load_language_model
from pipeline.filters.pii.redact import check_placeholders
from pipeline.filters.pii.settings import PiiSettings
from pipeline.filters.settings import FilterSettings
from pipeline.filters.stop_words import stop_words_digest
from pipeline.filters.urls.rule import check_expressions
from pipeline.filters.urls.settings import ListFile
from pipeline.filters.urls.settings import list_digests as url_digests


def resolved(settings: FilterSettings, resolve: Callable[[str], str]) -> FilterSettings:
    """The settings with paths as they can be opened; `resolve` makes one of a path as the recipe states it."""

    def opened(path: str | None) -> str | None:
        return None if path is None else resolve(path)

    urls, c4 = settings.urls, settings.c4
    changes = {
        "language_model": opened(settings.language_model),
        "urls": urls.model_copy(
            update={
                "block_lists": [resolve(path) for path in urls.block_lists],
                "opt_out": opened(urls.opt_out),
                "word_lists": opened(urls.word_lists),
            }
        ),
        "c4": c4.model_copy(update={"bad_words": {code: resolve(path) for code, path in c4.bad_words.items()}}),
        "classifier": settings.classifier.model_copy(update={"model": opened(settings.classifier.model)}),
        "custom": settings.custom.model_copy(update={"module": opened(settings.custom.module)}),
    }
    return settings.model_copy(update=changes)


def check(settings: FilterSettings) -> None:
    """Raise `UserError` for what `resolved` settings name and cannot be used. The user's module is executed."""
    check_languages(settings, settings.language_model)
    model = load_language_model(settings.language_model)
    check_keys("gopher_quality.stop_words", settings.gopher_quality.stop_words, model)
    check_keys("c4.bad_words", settings.c4.bad_words, model)
    regions = PiiSettings().regions
    check_keys("pii.regions", [code for code in settings.pii.regions if code not in regions], model)
    digests(settings)
    check_expressions(settings.urls)
    for language, path in settings.c4.bad_words.items():
        load_bad_words(path, boundaries_of(language).is_spaced)
    if settings.pii.enabled:
        pii = settings.pii
        check_placeholders(pii.email, pii.ip, pii.ipv6, pii.phone, pii.credit_card)
    if settings.custom.module is not None:
        CustomRule(settings.custom)


def name_of_list(number: int, file: ListFile) -> str:
    """What stands for a file of the URL lists in a manifest: its place among them, its category, its name."""
    return f"urls/{number}/{file.category}/{file.path.name}"


def digests(settings: FilterSettings) -> dict[str, str]:
    """The digest of each file that `resolved` settings name. Raises `UserError` for one that cannot be read."""
    found = {"language_model": language_model_digest(settings.language_model)}
    # By their place and not by their path, which is another on another machine.
    for number, (file, digest) in enumerate(url_digests(settings.urls)):
        found[name_of_list(number, file)] = digest
    found |= classifier_digests(settings.classifier)
    found |= custom_digests(settings.custom)
    found |= {language: bad_words_digest(path) for language, path in sorted(settings.c4.bad_words.items())}
    found["stop_words"] = stop_words_digest()
    return found
