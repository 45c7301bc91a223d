"""Markup seen as a tree."""

from __future__ import annotations

from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def parse(markup: str) -> ElementTree.Element:
    """The markup as a tree; fails where it is not well formed."""
    return ElementTree.fromstring(f"<whole>{markup}</whole>")


def texts(markup: str) -> list[str]:
    """Every piece of text, entities resolved."""
    return [text for element in parse(markup).iter() for text in (element.text, element.tail) if text]


def drawn(markup: str, tag: str) -> list[ElementTree.Element]:
    """All elements of a drawing that have this tag."""
    return list(parse(markup).iter(SVG + tag))
