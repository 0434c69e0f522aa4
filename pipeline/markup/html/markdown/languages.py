"""The language of a code block, as the class names and attributes around it give it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LANGUAGES = (
    "abap ada actionscript antlr apache apacheconf apex applescript arduino asciidoc asm assembly astro autohotkey "
    "awk bash bat batch batchfile bibtex bicep c c# c++ cfg clj clojure cmake cmd cobol coffee coffeescript "
    "common-lisp conf console cpp cql crystal cs csharp css csv cuda cython d dart delphi diff django docker "
    "dockerfile dos dot elisp elixir elm emacs-lisp erb erl erlang ex f# f90 fish fortran fs fsharp gherkin git "
    "gitignore glsl gnuplot go golang gradle graphql groovy haml handlebars haskell hcl hlsl hs html html5 http ini "
    "ipython ipython3 irb java javascript jinja jinja2 js json json5 jsonc jsonnet jsp jsx julia julia-repl kotlin "
    "kql ksh kt latex less liquid lisp llvm lua makefile make markdown mathematica matlab md mdx mermaid mysql nasm "
    "nginx nim nix node objc objective-c objectivec ocaml octave pascal perl pgsql php php-template pl plpgsql "
    "plsql postgresql powershell prisma prolog promql properties proto protobuf ps1 pug puppet purescript py py3 "
    "pycon python python2 python3 q qml r racket rb rest rs rst ruby rust sas sass scala scheme scss sh shell "
    "shell-session shellsession smalltalk solidity sparql sql sqlite stan stata sv svelte svg swift systemverilog "
    "tcl terraform tex thrift toml ts tsql tsx twig typescript v vala vb vb.net vba vbnet verilog vhdl vim viml vue "
    "wasm wgsl wolfram xhtml xml xquery xsl xslt yaml yml zig zsh "
)
_NO_LANGUAGE = (
    "none default plain plaintext plain-text text txt nohighlight no-highlight auto autodetect null undefined unknown "
    "raw code source output true false "
)
_NAMES, _NONE = frozenset(_LANGUAGES.split()), frozenset(_NO_LANGUAGE.split())
_ATTRIBUTES = (
    *("data-lang", "data-language", "data-canonical-lang", "data-code-language", "data-enlighter-language"),
    *("data-code-lang", "data-programming-language", "data-syntaxhighlighter-params", "syntax"),
)
# Names behind a prefix: `language-x`, `lang-x`, `lang:x`, `highlight-source-x`, `mw-highlight-lang-x`, `brush: x`.
_PREFIXED = re.compile(
    r"(?:^|\s)(?:lang(?:uage)?[-:_=]|highlight-(?:source|text)-|(?:mw-highlight|code-block|code)-lang(?:uage)?-|src-"
    r"|ltx_lst_language_|highlighter-)([\w#+.-]+)|brush\s*:\s*([\w#+.-]+)",
    re.IGNORECASE,
)
_SPHINX = re.compile(r"(?:^|\s)highlight-([\w#+.-]+)")
# Words beside which a language stands by itself: `hljs x`, `sourceCode x`.
_BESIDE = (
    "hljs sourcecode highlight prettyprint chroma code codehilite geshifilter syntaxhighlighter prism wp-block-code "
    "src shiki codeblock code-block enlighterjsraw programlisting downlit listing "
)
_MARKERS = frozenset(_BESIDE.split())
_SHOWN = re.compile(r"[a-z0-9][\w#+.-]{0,29}")


def language_of(attributes: Mapping[str, str], *, is_code: bool) -> str:
    """The language that an element's attributes give its code, in lower case; "" where they give none.

    is_code: whether the element is `<pre>` or `<code>`; of what stands around one, only a name that is known counts.
    """
    classes = attributes.get("class", "")
    found = [attributes[name] for name in _ATTRIBUTES if name in attributes]
    found += [name or brush for name, brush in _PREFIXED.findall(classes)]
    for name in found:
        if (brush := _PREFIXED.search(name)) is not None:
            name = brush[1] or brush[2]
        if language := _clean(name, is_code):
            return language
    for name in _SPHINX.findall(classes):
        if language := _clean(name, is_known_only=True):
            return language
    words = classes.lower().split()
    if (len(words) == 1 and is_code) or not _MARKERS.isdisjoint(words):
        return next((word for word in words if word in _NAMES), "")
    if is_code and attributes.get("lang", "").lower() in _NAMES:
        return attributes["lang"].lower()
    return ""


def _clean(name: str, is_code: bool = True, *, is_known_only: bool = False) -> str:
    name = name.strip().strip(";,").lower()
    if name not in _NAMES and name.startswith(("html-", "xml-", "json-", "js-", "source-")):
        name = name.partition("-")[0]
    if name in _NAMES:
        return name
    is_unknown = is_known_only or not is_code or name in _NONE or _SHOWN.fullmatch(name) is None
    return "" if is_unknown else name
