"""One HTML page a Python source file: the docstrings of its module, classes and functions.

Source files are parsed, never imported or run. A page's address follows from the package and the module alone, so
the same installed versions give the same pages on every machine.
"""

from __future__ import annotations

import ast
import os
import sysconfig
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from pipeline.quickstart.markup import docstring_html

MIN_PROSE_CHARS = 300  # characters of prose; a file with less makes no page
_STANDARD_LIBRARY = "python"
_MAX_SECTIONS_LISTED = 40
_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title} - {site} documentation</title>
<link rel="canonical" href="{url}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/static/style.css">
<script src="/static/search.js" defer></script>
</head>
<body>
<header class="site-header">
<a class="logo" href="/">{site} documentation</a>
<nav class="navbar"><ul>
<li><a href="/">Home</a></li>
<li><a href="/index.html">Modules</a></li>
<li><a href="/genindex.html">Index</a></li>
<li><a href="/search.html">Search</a></li>
</ul></nav>
</header>
<nav class="breadcrumbs" aria-label="breadcrumbs"><ol>{breadcrumbs}</ol></nav>
<div class="sidebar"><nav class="toc">
<p>On this page</p>
<ul>{contents}</ul>
</nav></div>
<main role="main">
<article class="body">
<h1>{title}</h1>
{body}
</article>
</main>
<nav class="pager"><ul>{pager}</ul></nav>
<footer class="site-footer">
<p>Copyright the authors of {site}.</p>
<ul><li><a href="/about.html">About</a></li><li><a href="/license.html">License</a></li>
<li><a href="/contact.html">Contact</a></li><li><a href="/privacy.html">Privacy</a></li></ul>
<p>Made from the source of {title}.</p>
</footer>
</body>
</html>
"""


@dataclass(frozen=True)
class SourceFile:
    """A Python source file and where its page stands: `site` is a package's name, `module` a dotted name."""

    path: Path
    site: str
    module: str
    is_package: bool

    @property
    def url(self) -> str:
        """The page's address, in the reserved domain `example`."""
        host = self.site.strip("_").replace("_", "-").lower() or "package"
        path = self.module.replace(".", "/")
        folder = "library/" if self.site == _STANDARD_LIBRARY else ""
        return f"https://docs.{host}.example/{folder}{path}{'/index' if self.is_package else ''}.html"


@dataclass(frozen=True)
class Article:
    """What a source file says: HTML without the site around it. `sections` are (anchor, title) pairs."""

    html: str
    sections: tuple[tuple[str, str], ...]
    num_prose_chars: int


@dataclass(frozen=True)
class Unreadable:
    """A source file that Python itself cannot parse, and why."""

    message: str


def installed_packages() -> list[Path]:
    """The packages and single modules of the standard library and of this interpreter's site-packages, sorted."""
    paths = sysconfig.get_paths()
    roots = [Path(root) for root in dict.fromkeys((paths["stdlib"], paths["purelib"], paths["platlib"]))]
    found: list[Path] = []
    for root in roots:
        if not root.is_dir():
            continue
        for entry in sorted(root.iterdir()):
            is_module = entry.suffix == ".py" and entry.is_file()
            if entry.name not in ("site-packages", "dist-packages") and (is_module or _is_package(entry)):
                found.append(entry)
    return found


def _is_package(folder: Path) -> bool:
    return folder.is_dir() and folder.name.isidentifier() and folder.name != "__pycache__"


def source_files(packages: Iterable[Path]) -> list[SourceFile]:
    """Every Python file of the packages, each an address once, sorted by address."""
    standard_library = Path(sysconfig.get_paths()["stdlib"]).resolve()
    found: dict[str, SourceFile] = {}
    for package in packages:
        site = _STANDARD_LIBRARY if package.resolve().parent == standard_library else package.stem
        for path in _python_files(package):
            parts = list(path.relative_to(package.parent).with_suffix("").parts)
            is_package = parts[-1] == "__init__"
            module = ".".join(parts[:-1] if is_package else parts)
            file = SourceFile(path, site, module, is_package)
            found.setdefault(file.url, file)
    return [found[url] for url in sorted(found)]


def _python_files(package: Path) -> Iterator[Path]:
    if package.is_file():
        yield package
        return
    for folder, folders, names in os.walk(package):
        folders[:] = sorted(name for name in folders if _is_package(Path(folder, name)))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def article(source: bytes, module: str) -> Article | Unreadable:
    """The docstrings of a source file as HTML, in the order of the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the syntax warnings of other people's code
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return Unreadable(f"{type(error).__name__}: {error}")
    pieces: list[str] = []
    sections: list[tuple[str, str]] = []
    num_prose_chars = 0
    for name, node, level in _documented(tree):
        docstring = ast.get_docstring(node, clean=False)
        if not docstring or not docstring.strip():
            continue
        # A docstring may hold lone surrogates, written as escapes; no encoding has them.
        docstring = docstring.encode("utf-8", "replace").decode("utf-8")
        html = docstring_html(docstring, level + 1)
        if name:
            sections.append((f"{module}.{name}", name))
            pieces.append(f'<section id="{escape(module)}.{escape(name)}">')
            pieces.append(f"<h{level}><code>{escape(name + _arguments(node))}</code></h{level}>")
        pieces.append(str(html))
        if name:
            pieces.append("</section>")
        num_prose_chars += html.num_prose_chars
    return Article("\n".join(pieces), tuple(sections), num_prose_chars)


_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _documented(tree: ast.Module) -> Iterator[tuple[str, _Documented, int]]:
    """(qualified name, node, heading level) of the module, its classes, and the functions of either."""
    yield "", tree, 1
    yield from _members(tree.body, "", 2)


def _members(body: Sequence[ast.AST], prefix: str, level: int) -> Iterator[tuple[str, _Documented, int]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node, level
            yield from _members(node.body, f"{prefix}{node.name}.", min(level + 1, 5))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name, node, level
        elif isinstance(node, (ast.If, ast.Try, ast.With)):  # definitions under a condition
            inner = [*node.body, *getattr(node, "orelse", [])]
            for handler in getattr(node, "handlers", []):
                inner.extend(handler.body)
            yield from _members(inner, prefix, level)


def _arguments(node: _Documented) -> str:
    """The names of a function's arguments in brackets, as a heading shows them; empty for a class."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return ""
    arguments = node.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if names[:1] in (["self"], ["cls"]):
        del names[0]
    if arguments.vararg is not None:
        names.append("*" + arguments.vararg.arg)
    elif arguments.kwonlyargs:
        names.append("*")
    names += [argument.arg for argument in arguments.kwonlyargs]
    if arguments.kwarg is not None:
        names.append("**" + arguments.kwarg.arg)
    return f"({', '.join(names)})"


def page(file: SourceFile, content: Article, before: SourceFile | None, after: SourceFile | None) -> bytes:
    """The whole page: the article with its site's header, navigation and footer. UTF-8."""
    parts = file.module.split(".")
    pager = [
        f'<li><a rel="{relation}" href="{escape(other.url)}">{word}: {escape(other.module)}</a></li>'
        for relation, word, other in (("prev", "Previous", before), ("next", "Next", after))
        if other is not None
    ]
    listed = content.sections[:_MAX_SECTIONS_LISTED]
    text = _TEMPLATE.format(
        title=escape(file.module),
        site=escape("Python" if file.site == _STANDARD_LIBRARY else file.site),
        url=escape(file.url),
        breadcrumbs="".join(f"<li>{escape(part)}</li>" for part in parts),
        contents="".join(f'<li><a href="#{escape(anchor)}">{escape(title)}</a></li>' for anchor, title in listed),
        body=content.html,
        pager="".join(pager),
    )
    return text.encode("utf-8")
