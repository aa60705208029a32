"""Reads a page as a tree, far enough to judge its structure and to read its words."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "input", "br", "img", "hr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def all(self, tag: str | None = None, **attributes: str) -> list[Element]:
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if (tag is None or child.tag == tag) and all(
                    value in child.attributes.get(name.rstrip("_"), "").split()
                    for name, value in attributes.items()
                ):
                    found.append(child)
                found += child.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join(" ".join(parts).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("document", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> names an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(page: str) -> Element:
    """The tree of a page; an AssertionError where elements do not nest."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == [reader.root], f"never closed: {[one.tag for one in reader.open]}"
    return reader.root


def check(page: str) -> Element:
    """What must hold of every page; its tree."""
    tree = read(page)
    elements = tree.all()
    ids = [one.attributes["id"] for one in elements if "id" in one.attributes]
    assert len(ids) == len(set(ids)), {one for one in ids if ids.count(one) > 1}
    for one in elements:
        assert "style" not in one.attributes, one
        assert not any(name.startswith("on") for name in one.attributes), one
        for name in ("aria-labelledby", "aria-describedby", "for"):
            for target in one.attributes.get(name, "").split():
                assert target in ids, f"{name} names {target}, which is nowhere"
    assert not tree.all("script")
    assert not tree.all("style")
    for drawing in tree.all("svg"):
        hidden = drawing.attributes.get("aria-hidden") == "true"
        named = drawing.all("title") and drawing.all("desc")
        assert hidden or (named and drawing.attributes["role"] == "img"), drawing
    for table in tree.all("table"):
        assert len(table.all("caption")) == 1
        assert all(cell.attributes.get("scope") for cell in table.all("th"))
        _check_grid(table)
    for field_ in [*tree.all("input"), *tree.all("select")]:
        labels = [one.attributes.get("for") for one in tree.all("label")]
        assert field_.attributes.get("type") == "hidden" or field_.attributes.get("id") in labels
    assert len(tree.all("h1")) == 1
    (html,) = tree.all("html")
    assert html.attributes["lang"]
    levels = [int(one.tag[1]) for one in elements if one.tag in {"h1", "h2", "h3", "h4"}]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    return tree


def _check_grid(table: Element) -> None:
    """Every row fills as many columns as the head, row spans counted."""
    (head,) = table.all("thead")
    columns = len(head.all("th"))
    spans = [0] * columns
    for row in [row for body in table.all("tbody") for row in body.all("tr")]:
        cells = [one for one in row.all() if one.tag in {"th", "td"}]
        assert len(cells) + sum(span > 0 for span in spans) == columns, row.text
        free = [place for place, span in enumerate(spans) if span == 0]
        spans = [max(0, span - 1) for span in spans]
        for place, cell in zip(free, cells, strict=True):
            spans[place] = int(cell.attributes.get("rowspan", "1")) - 1
