"""XML reports, read without following anything outside of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exseos.readers.base import ReportError

if TYPE_CHECKING:
    from lxml.etree import _Element


def xml_root(text: str, file_name: str) -> _Element:
    """The root of an XML report; raises ``ReportError`` where it is cut off or not well-formed."""
    from lxml import etree

    if "<!DOCTYPE" in text:
        what = "the XML declares a document type, which no report does"
        raise ReportError(what, where=file_name, hint="it was edited: take the tool's own file")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, encoding="utf-8")
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ReportError(
            f"the XML is damaged: {str(error)[:200]}", where=file_name, hint="it is cut off or was edited: take the tool's own file"
        ) from error


def words(element: _Element | None, path: str) -> str:
    """The text at ``path`` under ``element``, empty where there is none."""
    return (element.findtext(path) or "").strip() if element is not None else ""
