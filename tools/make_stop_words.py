"""`python -m tools.make_stop_words`: writes `pipeline/filters/stop_words.json` from the frequencies of words.

FineWeb-2 (Penedo et al. 2025, arXiv:2506.20920) takes as stop words of a language the words whose share of a corpus is
above a threshold. Here the corpus is the sentences of `lid/` (some 1,000 of each language, news and web, by Leipzig
Corpora), and the articles of the truncated dumps in `wiki/` for the languages that have one. A word is one where

- it has letters and the marks upon them only, of the language's commonest script, in German, English, Spanish and
  French at least two (there one-letter words would change what the published rules decide);
- it is written in lower case, where its script has case: Gopher's rule compares words as they are written;
- its share of all words with letters is at least 0.8 %, or it is among the eight commonest such words, or the commoner
  ones do not make up 10 % of all words yet, so that prose of a hundred words is sure to have some;
- where there is an encyclopedia, too: both shares are averaged, so that no subject of one corpus gets in.

At most 20 words a language, the commonest first, 30 where their share is small. English has Gopher's own eight.
Languages without spaces have none. Amharic has Tigrinya's, too, which lid.176 takes for Amharic.
"""

from __future__ import annotations

import json
import tarfile
import unicodedata
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

from bench.data import REPOSITORY, data_folder
from pipeline.filters.boundaries import PUBLISHED, UNSPACED_LANGUAGES, boundaries_of
from pipeline.filters.text.measurer import words_of
from pipeline.formats import RawFile, reader_for
from pipeline.markup.wikitext.names import WIKI_NAMES_KEY
from pipeline.markup.wikitext.text import wikitext_to_text

GOPHER_STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with"]
_SMALLEST_SHARE = 0.008
_FEWEST, _MOST, _MOST_RARE = 8, 20, 30
_SHARE_OF_ALL = 0.1
_MOST_ARTICLES = 400
_DUMPS = {
    "bg": "gensim/bgwiki-latest-pages-articles-shortened.xml.bz2",
    "it": "json-wikipedia/it__small-dump.xml.gz",
    "bn": "xztextfilter/bnwiki-truncated-100k.xml.xz",
}


def _shares(texts: list[str], language: str) -> dict[str, float]:
    """Each word's share of the words with letters only."""
    boundaries = boundaries_of(language)
    counts = Counter(word for text in texts for word in words_of(text, boundaries) if _has_letters_only(word))
    total = max(counts.total(), 1)
    return {word: count / total for word, count in counts.items()}


def sentences_of_languages() -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    with tarfile.open(data_folder() / "lid" / "lingua-testdata.tar.xz") as archive:
        for member in archive:
            path = Path(member.name)
            file = archive.extractfile(member) if path.parent.name == "sentences" and path.suffix == ".txt" else None
            if file is not None:
                texts[path.stem] = file.read().decode("utf-8").splitlines()
    return texts


def _articles(name: str) -> list[str]:
    reader = reader_for(RawFile(name, str(data_folder() / "wiki" / name), "wiki", "mediawiki"))
    return [
        wikitext_to_text(page.text, page.metadata.get("language"), names=tuple(page.metadata[WIKI_NAMES_KEY]))
        for page in islice(reader(), _MOST_ARTICLES)
    ]


def _has_letters_only(word: str) -> bool:
    return word[0].isalpha() and all(unicodedata.category(character)[0] in "LM" for character in word)


def _script(word: str) -> str:
    """The script of a word's first letter, as Unicode's names of characters begin."""
    return unicodedata.name(word[0], "").partition(" ")[0]


def _may_be(word: str, language: str) -> bool:
    has_case = word.lower() != word.upper()
    return (not has_case or word.islower()) and (len(word) > 1 or language not in PUBLISHED)


def _stop_words(language: str, sentences: list[str]) -> list[str]:
    shares = _shares(sentences, language)
    if language in _DUMPS:
        others = _shares(_articles(_DUMPS[language]), language)
        shares = {word: (shares.get(word, 0.0) + others.get(word, 0.0)) / 2 for word in shares.keys() | others.keys()}
    by_script: dict[str, float] = defaultdict(float)
    for word, share in shares.items():
        by_script[_script(word)] += share
    script = max(sorted(by_script), key=by_script.__getitem__)
    ranked = sorted(
        (-share, word) for word, share in shares.items() if _may_be(word, language) and _script(word) == script
    )
    chosen: list[str] = []
    total = 0.0
    for place, (share, word) in enumerate(ranked[:_MOST_RARE]):
        is_common = place < _MOST and -share >= _SMALLEST_SHARE
        if is_common or place < _FEWEST or (total < _SHARE_OF_ALL and language not in PUBLISHED):
            chosen.append(word)
            total -= share
    return chosen


def main() -> None:
    found = {
        language: GOPHER_STOP_WORDS if language == "en" else _stop_words(language, sentences)
        for language, sentences in sorted(sentences_of_languages().items())
        if language not in UNSPACED_LANGUAGES
    }
    found["am"] += [word for word in found["ti"] if word not in found["am"]]
    found["no"] = found["nb"]  # what identification calls both kinds of Norwegian, most of which is this one
    found = dict(sorted(found.items()))
    lines = [f"  {json.dumps(language)}: {json.dumps(words, ensure_ascii=False)}" for language, words in found.items()]
    target = REPOSITORY / "pipeline" / "filters" / "stop_words.json"
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{target}: {len(found)} languages")


if __name__ == "__main__":
    main()
