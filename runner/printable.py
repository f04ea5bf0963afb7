"""Text that others wrote, made safe to show to a person.

Endpoints are not trusted, and what they say (log lines, close reasons, names of files) ends up in
reasons and messages. Whatever shows such text, be it a terminal, HTML, XML or Markdown, passes it
through :func:`printable` first and then escapes it for its own format.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The same text on one line, with everything that is not a visible character spelt out.

    Control characters (also those that drive a terminal, or are illegal in XML), bidirectional
    overrides, zero-width characters, line separators and lone surrogates become what a Python
    string literal would call them: ``"\x1b[2J"`` reads ``\x1b[2J`` and does nothing.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _spelt_out(char) for char in text)


def _spelt_out(char: str) -> str:
    if char == "\N{NO-BREAK SPACE}":
        return " "
    return char.encode("unicode_escape").decode("ascii")
