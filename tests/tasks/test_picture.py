from __future__ import annotations

import io
import os
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from nascence.errors import DataError
from nascence.tasks.picture import decode_picture

CASES = int(os.environ.get("NASCENCE_CASES", "60"))
"""More of them in ``make cases``."""
NO_CLOCK = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(content: bytes) -> list[list[int]]:
    pixels = decode_picture("it", content)
    assert pixels.shape[2] == 1
    return pixels[..., 0].tolist()


# Depth ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG2000", "PPM"])
def test_sixteen_bits_are_scaled_by_their_type(kind: str) -> None:
    options = {"irreversible": False} if kind == "JPEG2000" else {}
    dark = np.array([[0, 100, 200], [300, 129, 128]], np.uint16)
    assert grey(saved(Image.fromarray(dark), kind, **options)) == [[0, 0, 1], [1, 1, 0]]
    bright = np.array([[65535, 257 * 128, 514], [0, 771, 32896]], np.uint16)
    assert grey(saved(Image.fromarray(bright), kind, **options)) == [[255, 128, 2], [0, 3, 128]]


def test_floats_reach_from_zero_to_one() -> None:
    assert grey(saved(Image.fromarray(np.array([[0, 0.5, 1], [0.1, 0.002, 0.001]], np.float32)), "TIFF")) == [
        [0, 128, 255],
        [26, 1, 0],
    ]
    for wrong in (-0.01, 1.01, 200.0, float("nan"), float("inf")):
        content = saved(Image.fromarray(np.array([[0, wrong]], np.float32)), "TIFF")
        with pytest.raises(
            DataError, match=r"it holds floats (from .*|that are no finite numbers); floats are read from 0 to 1"
        ):
            decode_picture("it", content)


def test_whole_numbers_of_32_bits() -> None:
    top = 2**31 - 1
    assert grey(saved(Image.fromarray(np.array([[0, top, top // 2]], np.int32)), "TIFF")) == [[0, 255, 127]]
    with pytest.raises(
        DataError, match=r"it holds whole numbers from -1 to 5; its kind is read from 0 to 2,147,483,647"
    ):
        decode_picture("it", saved(Image.fromarray(np.array([[5, -1]], np.int32)), "TIFF"))


def tiff(values: np.ndarray, bits: int, *, form: int = 1, photometric: int = 1) -> bytes:
    """An uncompressed grey TIFF of one strip, as the standard has it."""
    data = values.tobytes()
    fields = [
        (256, 3, values.shape[1]),
        (257, 3, values.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, values.shape[0]),
        (279, 4, len(data)),
        (339, 3, form),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in fields)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    return head + data + struct.pack("<H", len(fields)) + entries + struct.pack("<I", 0)


def test_unsigned_numbers_of_32_bits_and_white_that_is_zero() -> None:
    assert grey(tiff(np.array([[0, 2**32 - 1, 2**31]], np.uint32), 32)) == [[0, 255, 128]]
    assert grey(tiff(np.array([[0, 65535, 257]], np.uint16), 16, photometric=0)) == [[255, 0, 254]]
    assert grey(tiff(np.array([[0, 32767]], np.int16), 16, form=2)) == [[0, 255]]


def test_numbers_of_twelve_bits() -> None:
    packed = np.array([[0xFF, 0xF8, 0x00]], np.uint8)  # 4095, 2048
    content = bytearray(tiff(packed, 12))
    at = content.index(struct.pack("<HHII", 256, 3, 1, 3))
    content[at : at + 12] = struct.pack("<HHII", 256, 3, 1, 2)
    assert grey(bytes(content)) == [[255, 128]]


def test_a_kind_without_a_range_is_refused() -> None:
    cards = ["SIMPLE  =                    T", "BITPIX  =                   16", "NAXIS   =                    2"]
    cards += ["NAXIS1  =                    2", "NAXIS2  =                    1", "END"]
    content = "".join(card.ljust(80) for card in cards).ljust(2880).encode() + struct.pack(">HH", 1, 2).ljust(
        2880, b"\0"
    )
    with pytest.raises(DataError, match=r"whole numbers without a defined range; save it as PNG or TIFF"):
        decode_picture("it", content)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "YCbCr", "1", "RGBX"])
def test_every_mode_becomes_grey_or_colours(mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    kind = "PNG" if mode in ("RGBA", "LA", "P", "1") else "TIFF"
    found = decode_picture("it", saved(Image.fromarray(pixels).convert(mode), kind))
    assert found.shape == (5, 7, 1 if mode in ("LA", "1") else 3)


def test_colours_that_cannot_be_converted_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Image.Image, mode: str, *_: object) -> None:
        raise ValueError("conversion not supported")

    content = saved(Image.new("CMYK", (2, 2)), "TIFF")
    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(DataError, match="has colours of the kind CMYK; save it as RGB or grey"):
        decode_picture("it", content)


# Orientation ----------------------------------------------------------------------------------------------------------


def exif_block(fields: list[tuple[int, int, int, bytes]]) -> bytes:
    offset, entries, rest = 8 + 2 + 12 * len(fields) + 4, b"", b""
    for tag, kind, count, data in fields:
        if len(data) > 4:
            entries += struct.pack("<HHII", tag, kind, count, offset + len(rest))
            rest += data
        else:
            entries += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(fields)) + entries + struct.pack("<I", 0) + rest


TURN = (0x112, 3, 1, struct.pack("<H", 6))
ODD = [
    (0x100, 2, 4, b"640\0"),
    (0x11A, 2, 3, b"72\0"),
    (0x131, 11, 1, struct.pack("<f", 1.5)),
    (0x8769, 2, 6, b"where\0"),
    (0x10F, 5, 1, struct.pack("<II", 1, 0)),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda field: hex(field[0]))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_other_fields_of_any_type_do_not_matter(odd: tuple[int, int, int, bytes], kind: str) -> None:
    content = saved(Image.new("RGB", (6, 4), (9, 9, 9)), kind, exif=exif_block(sorted([TURN, odd])))
    assert decode_picture("it", content).shape == (6, 4, 3)


@pytest.mark.parametrize(
    "field",
    [
        (0x112, 4, 1, struct.pack("<I", 6)),
        (0x112, 2, 2, b"6\0"),
        (0x112, 1, 1, b"\6"),
        (0x112, 11, 1, struct.pack("<f", 6)),
    ],
    ids=["long", "text", "byte", "float"],
)
def test_the_orientation_itself_may_be_of_another_type(field: tuple[int, int, int, bytes]) -> None:
    content = saved(Image.new("RGB", (6, 4)), "JPEG", exif=exif_block([field]))
    assert decode_picture("it", content).shape == (6, 4, 3)


@pytest.mark.parametrize(
    "field", [(0x112, 2, 5, b"what\0"), (0x112, 3, 1, b"\x63\0"), (0x112, 12, 1, struct.pack("<d", 6.5))]
)
def test_an_orientation_that_is_none_leaves_the_picture(field: tuple[int, int, int, bytes]) -> None:
    content = saved(Image.new("RGB", (6, 4)), "JPEG", exif=exif_block([field]))
    assert decode_picture("it", content).shape == (4, 6, 3)


def test_damaged_metadata_leave_the_picture() -> None:
    content = saved(Image.new("RGB", (6, 4)), "JPEG", exif=b"Exif\0\0" + b"\xff" * 30)
    assert decode_picture("it", content).shape == (4, 6, 3)


def test_xmp_counts_where_exif_says_nothing() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    picture = Image.new("RGB", (6, 4))
    assert decode_picture("it", saved(picture, "JPEG", xmp=xmp)).shape == (6, 4, 3)
    upright = exif_block([(0x112, 3, 1, struct.pack("<H", 1))])
    assert decode_picture("it", saved(picture, "JPEG", xmp=xmp, exif=upright)).shape == (4, 6, 3)
    both = saved(picture, "JPEG", xmp=xmp, exif=exif_block([TURN]))
    assert decode_picture("it", both).shape == (6, 4, 3)  # once, not twice
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    assert decode_picture("it", saved(picture, pnginfo=info)).shape == (6, 4, 3)


# Reasons --------------------------------------------------------------------------------------------------------------


def test_large_texts_and_profiles_do_not_matter() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("note", "x" * 3_000_000, zip=True)
    content = saved(Image.new("L", (3, 2), 7), pnginfo=info, icc_profile=b"x" * 2_000_000)
    assert grey(content) == [[7] * 3] * 2
    assert grey(content[:-12] + saved(Image.new("L", (1, 1)), pnginfo=info)[33:]) == [[7] * 3] * 2


def test_too_many_pixels_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(
        DataError, match=r"^it has 121 pixels, more than the 100 that one may have; bring it to a smaller"
    ):
        decode_picture("it", saved(Image.new("L", (11, 11))))


def test_missing_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image, "open", full)
    with pytest.raises(DataError, match="it needs more memory to be decoded than there is"):
        decode_picture("it", b"any")


# Any picture ----------------------------------------------------------------------------------------------------------


@st.composite
def pictures(draw: st.DrawFn) -> tuple[bytes, np.ndarray | None]:
    """An encoded picture, and what it is to be read as; None for one that is to be refused."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    top = draw(st.floats(0, 1)) if draw(st.booleans()) else 1.0  # dark ones as often as others
    share = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((height, width, 3)) * top
    mode = draw(st.sampled_from(["L", "RGB", "1", "LA", "RGBA", "16", "float", "32", "float beyond", "negative"]))
    eight = np.rint(share * 255).astype(np.uint8)
    if mode == "16":
        values = np.rint(share[..., 0] * 65535).astype(np.uint16)
        kind = draw(st.sampled_from(["PNG", "TIFF", "PPM"]))
        return saved(Image.fromarray(values), kind), np.rint(values / 257).astype(np.uint8)[..., None]
    if mode in ("float", "float beyond"):
        values32 = share[..., 0].astype(np.float32)
        if mode == "float beyond":
            values32[0, 0] = draw(st.sampled_from([-1.0, 1.5, 255.0, float("nan")]))
            return saved(Image.fromarray(values32), "TIFF"), None
        expected = np.rint(values32.astype(np.float64) * 255).astype(np.uint8)
        return saved(Image.fromarray(values32), "TIFF"), expected[..., None]
    if mode in ("32", "negative"):
        whole = (share[..., 0] * (2**31 - 1)).astype(np.int32)
        if mode == "negative":
            whole[0, 0] = -draw(st.integers(1, 2**31))
            return saved(Image.fromarray(whole), "TIFF"), None
        expected = np.rint(whole / (2**31 - 1) * 255).astype(np.uint8)
        return saved(Image.fromarray(whole), "TIFF"), expected[..., None]
    if mode == "1":
        bits = share[..., 0] > 0.4
        return saved(Image.fromarray(bits)), bits[..., None].astype(np.uint8) * 255
    if mode in ("LA", "RGBA"):
        colours = eight if mode == "RGBA" else eight[..., :1]
        alpha = np.full((height, width, 1), draw(st.integers(0, 255)), np.uint8)
        return saved(Image.fromarray(np.concatenate([colours, alpha], axis=2), mode)), colours
    plain = eight if mode == "RGB" else eight[..., :1]
    kind = draw(st.sampled_from(["PNG", "TIFF", "BMP", "PPM"]))
    return saved(Image.fromarray(plain.squeeze(2) if mode == "L" else plain), kind), plain


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@NO_CLOCK
@given(pictures())
def test_any_picture_is_read_as_it_is_or_refused(case: tuple[bytes, np.ndarray | None]) -> None:
    content, expected = case
    if expected is None:
        with pytest.raises(DataError):
            decode_picture("it", content)
        return
    found = decode_picture("it", content)
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


@pytest.mark.filterwarnings("ignore")
@NO_CLOCK
@given(pictures(), st.data())
def test_any_damage_ends_in_pixels_or_in_one_sentence(
    case: tuple[bytes, np.ndarray | None], data: st.DataObject
) -> None:
    content = bytearray(case[0])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    try:
        pixels = decode_picture("it", bytes(content))
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either way is right)
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3


@NO_CLOCK
@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.integers(0, 14), st.integers(0, 9), st.binary(max_size=12)), max_size=6
    )
)
def test_any_exif_leaves_the_pixels(fields: list[tuple[int, int, int, bytes]]) -> None:
    own = [field for field in fields if field[0] != 0x112]
    content = saved(Image.new("RGB", (6, 4), (9, 9, 9)), "PNG", exif=exif_block(sorted([*own, TURN])))
    assert decode_picture("it", content).shape in ((6, 4, 3), (4, 6, 3))
