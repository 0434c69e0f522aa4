"""The `[filter.pii]` table of a recipe: which personal data is replaced, and by what."""

from __future__ import annotations

from pydantic import Field

from manifests.settings import Settings
from pipeline.filters.pii.spans import KINDS, Kind

DEFAULT_REGIONS = {
    "ar": ["SA", "EG", "AE"], "cs": ["CZ"], "da": ["DK"], "de": ["DE", "AT", "CH"], "el": ["GR"],
    "en": ["US", "GB", "AU"], "es": ["ES", "MX", "AR"], "fi": ["FI"], "fr": ["FR", "BE", "CH"], "he": ["IL"],
    "hu": ["HU"], "it": ["IT"], "ja": ["JP"], "ko": ["KR"], "nl": ["NL", "BE"], "no": ["NO"], "pl": ["PL"],
    "pt": ["BR", "PT"], "ro": ["RO"], "ru": ["RU"], "sv": ["SE"], "tr": ["TR"], "uk": ["UA"], "vi": ["VN"],
    "zh": ["CN", "TW", "HK"],
}  # fmt: skip


class PiiSettings(Settings):
    """What is replaced, and by what.

    The placeholders are values that nobody can have: a domain reserved for examples (RFC 2606), addresses for
    documentation (RFC 5737, RFC 3849), a country code that is not given out, a card number that no issuer begins with.
    They read like what they stand for, also in code and configuration, and a second run leaves them alone. `hashed`
    makes the placeholder a keyed hash of what it stands for: the same address gives the same one in every document.
    That is a pseudonym: who knows the recipe can test whether a given address was the one.
    """

    enabled: bool = Field(default=False, description="Edit the texts that are kept.")
    kinds: list[Kind] = Field(default=list(KINDS), description="Kinds of personal data that are looked for.")
    email: str = Field(default="email@example.com", description="Placeholder of an e-mail address.")
    ip: str = Field(default="192.0.2.1", description="Placeholder of an IPv4 address.")
    ipv6: str = Field(default="2001:db8::1", description="Placeholder of an IPv6 address.")
    phone: str = Field(default="+999 555 0100", description="Placeholder of a phone number.")
    credit_card: str = Field(default="0000 0000 0000 0000", description="Placeholder of a credit-card number.")
    hashed: bool = Field(default=False, description="Give each address a placeholder of its own, a hash of it.")
    seed: int = Field(default=0, ge=0, description="The key of `hashed`.")
    regions: dict[str, list[str]] = Field(
        default=DEFAULT_REGIONS,
        description="Countries (ISO 3166) whose national phone numbers are looked for, by language.",
    )
