"""Files that lie where a picture is expected and are none that Pillow reads: what they are, from their first bytes."""

from __future__ import annotations

_HEAD = 1024
_SAVE = "save it as JPEG or PNG"
_BRANDS = {
    "a HEIC picture": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "a camera's raw picture": (b"crx ",),
    "a video": (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V ", b"MSNV"),
}
"""Of the ISO family of formats, by the brand that follows ``ftyp``."""
_STARTS = {
    b"%PDF-": "a PDF",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL \r\n": "a JPEG XL picture",
    b"\x76\x2f\x31\x01": "an OpenEXR picture",
    b"8BPS": "a Photoshop picture",
    b"FUJIFILMCCD-RAW": "a camera's raw picture",
    b"II*\0\x10\0\0\0CR": "a camera's raw picture",
}
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ\0")


def foreign(content: bytes) -> str | None:
    """What a file is that no picture could be read from, and what to do: the end of a sentence that begins with its
    name. None for what is not known, which may be a damaged picture."""
    head = content[:_HEAD]
    if not head:
        return "is empty; replace or remove it."
    if head.startswith(b"version https://git-lfs.github.com/"):
        return "is a pointer of Git LFS, and not the picture itself; fetch it with: git lfs pull"
    if head[4:8] == b"ftyp":
        for what, brands in _BRANDS.items():
            if head[8:12] in brands:
                return f"is {what}, which is not read here; {_SAVE}."
    for start, what in _STARTS.items():
        if head.startswith(start):
            return f"is {what}, which is not read here; {_SAVE}."
    if head.startswith(_ARCHIVES):
        return "is an archive; unpack it."
    if head[128:132] == b"DICM":
        return f"is a DICOM picture, which is not read here; {_SAVE}."
    return _text(head)


def _text(head: bytes) -> str | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "is a web page, perhaps of a download that failed; fetch it again or remove it."
    if text.startswith(b"<svg") or (text.startswith((b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in text):
        return f"is an SVG drawing, which is not read here; {_SAVE}."
    return None


__all__ = ["foreign"]
