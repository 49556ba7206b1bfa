"""Text of others for display: characters that act on a terminal or reorder text are shown as escapes."""

import unicodedata

__all__ = ["visible"]

_JOINERS = "\u200c\u200d"  # part of the spelling of Persian and Indic words and of emoji
_LINES = "\n\t"


def visible(text: str) -> str:
    r"""The text with control characters, bidirectional marks and lone surrogates as escapes, such as ``\x1b``.

    Line feeds and tabs are kept, and so is every other character, whatever the script.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    acts = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    if not acts or character in _LINES or character in _JOINERS:
        return character
    return (
        character.encode("ascii", "backslashreplace").decode()
        if not character.isascii()
        else f"\\x{ord(character):02x}"
    )
