"""Changed copies of pages for training: what the gold pages of news sites lack, other pages have.

A copy gets boxes of a modern page (consent, newsletter, share bar, comment) that are no main content, and a list, a
table, code, a quotation or terms between two of its paragraphs that are. Half of the copies are cut down to the first
few blocks of their main content, so that little text is not taken for none. Nothing here is language or a site's: the
words of what is put in come from the page, but those of the boxes.
"""

from __future__ import annotations

import random
import re

import numpy as np

_PARAGRAPH_END = re.compile(r"</p\s*>", re.IGNORECASE)
_TAIL = 25  # characters before it that the main text must have
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_CONSENT = (
    "We use cookies to improve your experience. By continuing you agree to our use of cookies.",
    "This website stores cookies on your computer. To find out more, see our privacy policy.",
    "Wir verwenden Cookies, um Inhalte zu personalisieren. Mehr dazu in der Datenschutzerklärung.",
    "Diese Seite nutzt Cookies. Mit der weiteren Nutzung stimmen Sie dem zu.",
    "Nous utilisons des cookies pour mesurer l'audience. En savoir plus sur la confidentialité.",
    "Utilizamos cookies propias y de terceros. Si continúa navegando, acepta su uso.",
    "Questo sito utilizza i cookie. Proseguendo nella navigazione ne accetti l'uso.",
    "Este site usa cookies. Ao continuar, você aceita a nossa política de privacidade.",
    "Ta strona używa plików cookies. Korzystając z niej, zgadzasz się na ich użycie.",
    "Мы используем файлы cookie, чтобы сайт работал лучше. Подробнее в политике конфиденциальности.",
    "Χρησιμοποιούμε cookies για να βελτιώσουμε την εμπειρία σας. Δείτε την πολιτική απορρήτου.",
    "Bu site çerez kullanır. Devam ederek gizlilik politikamızı kabul edersiniz.",
    "我们使用 cookie 来改善您的体验。继续浏览即表示您同意。",
    "当サイトはクッキー（cookie）を使用しています。続けて閲覧すると同意したことになります。",
    "يستخدم هذا الموقع ملفات تعريف الارتباط (cookies) لتحسين تجربتك.",
)
_CONSENT_NAMES = ("cookie-banner", "cookie-consent", "cc-window cc-banner", "gdpr", "consent-modal", "cookie_notice")
_ACCEPT = ("Accept all", "OK", "Akzeptieren", "Accepter", "Aceptar", "Принять", "同意", "Got it!")
_NEWSLETTER = ("Subscribe to our newsletter and never miss a story.", "Melden Sie sich für unseren Newsletter an.",
               "Recevez notre newsletter chaque semaine.", "Подпишитесь на нашу рассылку новостей.")  # fmt: skip
_NEWSLETTER_NAMES = ("newsletter", "newsletter-signup", "subscribe-box", "mc_embed_signup")
_SHARE = ("Share on Facebook", "Tweet", "Share", "WhatsApp", "Pinterest", "E-mail", "Print", "LinkedIn")
_SHARE_NAMES = ("share-buttons", "social-share", "sharing", "shariff", "post-share")
_COMMENT_NAMES = ("comments", "comment-list", "comments-area", "user-comments")
_COMMENTS = ("Great article, thank you for that!", "I do not agree at all. Who wrote this?", "Danke, sehr hilfreich.",
             "Merci pour cet article, très utile !", "Спасибо, очень интересно!", "写得很好，谢谢分享！")  # fmt: skip


def _boxes(rng: random.Random) -> tuple[str, str]:
    """What is put at the start and at the end of a page's body."""
    before: list[str] = []
    after: list[str] = []
    if rng.random() < 0.7:
        name = rng.choice(_CONSENT_NAMES)
        attribute = rng.choice((f'id="{name}"', f'class="{name}"', f'class="{name}" role="dialog"', ""))
        tag, inner = rng.choice((("div", "p"), ("div", "span"), ("section", "p"), ("div", "div"), ("aside", "p")))
        box = (
            f"<{tag} {attribute}><{inner}>{rng.choice(_CONSENT)}</{inner}>"
            f"<button>{rng.choice(_ACCEPT)}</button></{tag}>"
        )
        (before if rng.random() < 0.5 else after).append(box)
    if rng.random() < 0.4:
        name = rng.choice(_COMMENT_NAMES)
        remarks = "".join(
            f'<div class="comment"><b>{rng.choice(("Sam", "Eva", "admin", "Guest"))}</b><p>{remark}</p></div>'
            for remark in rng.sample(_COMMENTS, rng.randint(1, 3))
        )
        after.append(f'<section id="{name}"><h3>{rng.randint(1, 30)} comments</h3>{remarks}</section>')
    if rng.random() < 0.4:
        after.append(f'<div class="{rng.choice(_NEWSLETTER_NAMES)}"><p>{rng.choice(_NEWSLETTER)}</p></div>')
    return "".join(before), "".join(after)


def _share(rng: random.Random) -> str:
    links = " ".join(f'<a href="#">{name}</a>' for name in rng.sample(_SHARE, rng.randint(2, 5)))
    return f'<div class="{rng.choice(_SHARE_NAMES)}">{links}</div>'


def _structure(words: list[str], code: list[str], rng: random.Random) -> tuple[str, list[str]]:
    """Markup of something that is no paragraph, and the texts of its blocks."""

    def phrase(least: int, most: int) -> str:
        size = rng.randint(least, most)
        start = rng.randrange(max(1, len(words) - size))
        return " ".join(words[start : start + size])

    kind = rng.choice(("ul", "ol", "table", "table", "pre", "pre", "quote", "dl"))
    if kind in ("ul", "ol"):
        texts = [phrase(1, 9) for _ in range(rng.randint(2, 7))]
        return f"<{kind}>" + "".join(f"<li>{text}</li>" for text in texts) + f"</{kind}>", texts
    if kind == "table":
        width = rng.randint(2, 5)
        rows = [
            [phrase(1, 3) if not row or not column or rng.random() < 0.3 else f"{rng.randint(1, 9999)}"
             for column in range(width)]
            for row in range(rng.randint(2, 7))
        ]  # fmt: skip
        cells = ["".join(f"<{'td' if n else 'th'}>{cell}</{'td' if n else 'th'}>" for cell in row)
                 for n, row in enumerate(rows)]  # fmt: skip
        name = rng.choice(("", ' class="data-table"', ' class="wikitable"', ' border="1"'))
        return f"<table{name}><tr>" + "</tr><tr>".join(cells) + "</tr></table>", [c for row in rows for c in row]
    if kind == "pre":
        start = rng.randrange(max(1, len(code) - 12))
        text = "\n".join(code[start : start + rng.randint(2, 12)]).strip()
        text = text.replace("&", "+").replace("<", "{").replace(">", "}") or "x = 1"
        opened, closed = rng.choice(
            (("<pre>", "</pre>"), ("<pre><code>", "</code></pre>"), ('<div class="highlight"><pre>', "</pre></div>"))
        )
        return opened + text + closed, [text]
    if kind == "quote":
        texts = [phrase(6, 25) + "." for _ in range(rng.randint(1, 2))]
        return "<blockquote>" + "".join(f"<p>{text}</p>" for text in texts) + "</blockquote>", texts
    pairs = [(phrase(1, 2), phrase(4, 12)) for _ in range(rng.randint(2, 5))]
    return "<dl>" + "".join(f"<dt>{a}</dt><dd>{b}</dd>" for a, b in pairs) + "</dl>", [
        t for pair in pairs for t in pair
    ]


def changed_html(html: str, main_text: str, code: list[str], rng: random.Random) -> tuple[str, frozenset[str]] | None:
    """A copy of a page and the texts of the blocks put into its main content; None where there is no place for them."""
    folded = " ".join(main_text.split())
    ends = []
    for match in _PARAGRAPH_END.finditer(html):
        tail = " ".join(html[max(0, match.start() - 2 * _TAIL) : match.start()].split())[-_TAIL:]
        if len(tail) == _TAIL and "<" not in tail and tail in folded:
            ends.append(match.end())
    words = [word for word in folded.split(" ") if "<" not in word and "&" not in word][:400]
    if len(ends) < 2 or len(words) < 20:
        return None
    put: list[tuple[int, str]] = []
    texts: list[str] = []
    for place in rng.sample(ends[:-1], min(len(ends) - 1, rng.randint(1, 2))):
        markup, of_blocks = _structure(words, code, rng)
        put.append((place, markup))
        texts += of_blocks
    if rng.random() < 0.5:
        put.append((ends[-1], _share(rng)))
    before, after = _boxes(rng)
    body = _BODY.search(html)
    put.append((body.end() if body is not None else 0, before))
    last = html.lower().rfind("</body")
    put.append((last if last >= 0 else len(html), after))
    for place, markup in sorted(put, reverse=True):
        html = html[:place] + markup + html[place:]
    return html, frozenset(" ".join(text.split()) for text in texts)


def cut_down(labels: np.ndarray, rng: random.Random) -> np.ndarray:
    """Which blocks stay when only the first few of the main content do."""
    main = np.flatnonzero(labels > 0.3)
    stay = np.ones(len(labels), bool)
    stay[main[rng.choice((1, 2, 2, 3, 4, 6, 8)) :]] = False
    return stay
