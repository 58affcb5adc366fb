"""Links of a page that is shown through the proxy, made to lead through it again.

As apimachinery, pkg/util/proxy/transport.go.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import urlsplit, urlunsplit

# Attributes that hold addresses, of which elements.
LINKS: dict[str, tuple[str, ...]] = {
    "a": ("href",),
    "applet": ("codebase",),
    "area": ("href",),
    "audio": ("src",),
    "base": ("href",),
    "blockquote": ("cite",),
    "body": ("background",),
    "button": ("formaction",),
    "command": ("icon",),
    "del": ("cite",),
    "embed": ("src",),
    "form": ("action",),
    "frame": ("longdesc", "src"),
    "head": ("profile",),
    "html": ("manifest",),
    "iframe": ("longdesc", "src"),
    "img": ("longdesc", "src", "usemap"),
    "input": ("src", "usemap", "formaction"),
    "ins": ("cite",),
    "link": ("href",),
    "object": ("classid", "codebase", "data", "usemap"),
    "q": ("cite",),
    "script": ("src",),
    "source": ("src",),
    "video": ("poster", "src"),
}
ATTRIBUTE = re.compile(r"""(?P<before>\s(?P<name>[^\s=>"'/]+)\s*=\s*)(?P<value>"[^"]*"|'[^']*'|[^\s>"']+)""")


def rewrite_link(link: str, prefix: str, own_hosts: tuple[str, ...]) -> str:
    """``/page`` → ``/api/v1/…/proxy/page``; links to elsewhere, relative ones and unreadable ones stay as they are.

    ``own_hosts``: the destination's ``host:port`` and the API server's as the client calls it, in this order.
    """
    try:
        parts = urlsplit(link)
    except ValueError:
        return link
    if (parts.netloc and parts.netloc not in own_hosts) or not parts.path.startswith("/"):
        return link
    path = parts.path if parts.path.startswith(prefix) else prefix + parts.path
    scheme, host = (parts.scheme, parts.netloc) if parts.netloc in own_hosts[1:] else ("", "")
    return urlunsplit((scheme, host, path, parts.query, parts.fragment))


def rewrite_page(page: str, rewrite: Callable[[str], str]) -> str:
    """The page with every address in an attribute rewritten, and all else as it was."""
    finder = _Finder(page)
    finder.feed(page)
    finder.close()
    pieces, position = [], 0
    for start, tag, text in finder.tags:
        pieces += [page[position:start], _rewrite_tag(text, LINKS[tag], rewrite)]
        position = start + len(text)
    return "".join([*pieces, page[position:]])


class _Finder(HTMLParser):
    """Where in the page the tags with addresses are; scripts and comments have none."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self.tags: list[tuple[int, str, str]] = []
        self._lines = [0, *(match.end() for match in re.finditer("\n", page))]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text = self.get_starttag_text()
        if tag in LINKS and text:
            line, column = self.getpos()
            self.tags.append((self._lines[line - 1] + column, tag, text))


def _rewrite_tag(text: str, names: tuple[str, ...], rewrite: Callable[[str], str]) -> str:
    def rewritten(attribute: re.Match[str]) -> str:
        if attribute["name"].lower() not in names:
            return attribute[0]
        link = html.unescape(attribute["value"].strip("\"'"))
        return f'{attribute["before"]}"{html.escape(rewrite(link))}"'

    return ATTRIBUTE.sub(rewritten, text)
