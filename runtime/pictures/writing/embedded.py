"""Texts in a file: those of a PNG, and an XMP packet with one property in the other formats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from PIL.PngImagePlugin import PngInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

SPACE = "urn:impasto:1"
"""The namespace of the property, which holds the texts as one JSON object."""
XMP_TAG = 700
LONGEST = 1 << 20
"""Characters of a packet that is looked into."""

_PACKET = """<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>\
<x:xmpmeta xmlns:x="adobe:ns:meta/">\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:impasto="{space}"\
{creator} impasto:texts={texts}/>\
</rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""


def png_info(texts: Mapping[str, str]) -> PngInfo:
    """The texts as a PNG's chunks."""
    info = PngInfo()
    for key, value in texts.items():
        info.add_text(key, value)
    return info


def xmp_packet(texts: Mapping[str, str]) -> bytes:
    """The texts as XMP (ISO 16684-1); none are no bytes."""
    if not texts:
        return b""
    creator = f" xmp:CreatorTool={quoteattr(texts['Software'])}" if "Software" in texts else ""
    escaped = quoteattr(json.dumps(dict(texts)))  # ASCII: whatever the texts hold, XML can
    return _PACKET.format(space=SPACE, creator=creator, texts=escaped).encode()


def texts_of(image: Image.Image) -> dict[str, str]:
    """The texts in a file that Pillow has opened, those of other programs too; {}: none."""
    if image.format == "PNG":
        return {str(key): str(v) for key, v in image.info.items() if isinstance(v, str)}
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    packet = image.info.get("xmp") or tags.get(XMP_TAG) or b""
    if isinstance(packet, str):
        packet = packet.encode()
    if len(packet) > LONGEST or b"<!" in packet or SPACE.encode() not in packet:
        return {}  # no packet of ours declares anything: entities could be without end
    return _texts_of_packet(packet.rstrip(b"\0"))


def _texts_of_packet(packet: bytes) -> dict[str, str]:
    try:
        root = ElementTree.fromstring(packet)
        for element in root.iter():
            if (text := element.get(f"{{{SPACE}}}texts")) is not None:
                found = json.loads(text)
                return {str(key): str(value) for key, value in found.items()}
    except (ElementTree.ParseError, ValueError, AttributeError, RecursionError):
        return {}
    return {}
