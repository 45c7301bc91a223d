from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nascence.errors import DataError
from nascence.tasks import decoding
from nascence.tasks.decoding import decode_images, resize
from nascence.tasks.sizes import SeveralSizesError


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(mode: str = "RGB", size: tuple[int, int] = (6, 4)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def decode(*images: bytes, image_size: int | None = None) -> np.ndarray:
    return decode_images([(f"picture {at}", image) for at, image in enumerate(images)], image_size)


def test_colours_come_out_as_they_went_in() -> None:
    decoded = decode(saved(ramp()), saved(ramp(), "BMP"))
    assert decoded.shape == (2, 4, 6, 3)
    assert decoded.dtype == np.uint8
    assert all(np.array_equal(image, np.asarray(ramp())) for image in decoded)


def test_files_and_bytes_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(ramp()))
    assert np.array_equal(decode_images([("a", tmp_path / "a.png")]), decode(saved(ramp())))


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_images_have_one_channel(mode: str) -> None:
    decoded = decode(saved(ramp(mode)))
    assert decoded.shape == (1, 4, 6, 1)
    assert np.array_equal(decoded[0, ..., 0], np.asarray(ramp(mode).convert("L")))


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_other_modes_become_colours(mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    decoded = decode(saved(ramp(mode), kind))
    assert np.array_equal(decoded[0], np.asarray(ramp(mode).convert("RGB")))


def test_palettes_with_transparency_and_of_greys() -> None:
    palette = ramp("P")
    assert decode(saved(palette, transparency=bytes(range(200)))).shape[3] == 3
    grey = ramp("L").convert("P")
    assert np.array_equal(decode(saved(grey))[0, ..., 0], np.asarray(ramp("L")))


def test_sixteen_bits_become_eight() -> None:
    deep = np.array([[0, 257, 65535], [128 * 257, 514, 771]], np.uint16)
    decoded = decode(saved(Image.fromarray(deep)))
    assert decoded[0, ..., 0].tolist() == [[0, 1, 255], [128, 2, 3]]


def test_one_coloured_image_makes_all_coloured() -> None:
    decoded = decode(saved(ramp("L")), saved(ramp()))
    assert decoded.shape == (2, 4, 6, 3)
    assert np.array_equal(decoded[0, ..., 0], decoded[0, ..., 2])


def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    decoded = decode(saved(ramp(), exif=exif))
    assert np.array_equal(decoded[0], np.rot90(np.asarray(ramp()), -1))


def test_resizing_keeps_the_centre_square() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    decoded = decode(saved(Image.fromarray(wide)), saved(ramp()), image_size=5)
    assert decoded.shape == (2, 5, 5, 3)
    assert (np.abs(decoded[0].astype(int) - 200) < 25).all()
    grey = wide[None, ..., :1]
    assert resize(grey, 5).shape == (1, 5, 5, 1)
    assert np.array_equal(resize(wide[None], 5)[0], decoded[0])
    assert resize(grey, None) is grey


def test_many_images_keep_their_order() -> None:
    images = [saved(Image.new("L", (200, 200), at)) for at in range(150)]  # large enough for several threads
    assert decode(*images)[:, 0, 0, 0].tolist() == list(range(150))


def test_different_sizes_are_counted_and_the_remedy_named() -> None:
    with pytest.raises(DataError, match=r"3 different sizes, such as 4 x 6 and 5 x 7; add --image-size N"):
        decode(saved(ramp()), saved(ramp(size=(7, 5))), saved(ramp(size=(9, 9))), saved(ramp()))


def test_different_sizes_are_told_from_headers_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of at most so many images: what those do not show, decoding does."""
    sources = [saved(ramp())] * 5 + [saved(ramp(size=(7, 5)))]
    monkeypatch.setattr(decoding, "_HEADERS", 2)  # images 0 and 3
    with pytest.raises(SeveralSizesError, match="2 different sizes"):
        decode(*sources)
    monkeypatch.setattr(decoding, "_decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(SeveralSizesError, match="2 different sizes"):
        decode(*sources[::-1])


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (b"", "empty"),
        (b"no image at all", "not an image or is damaged"),
        (saved(ramp())[:60], "not an image or is damaged"),
        (saved(ramp(), "JPEG")[:-150], "not an image or is damaged"),
    ],
)
def test_what_is_no_image_is_named(broken: bytes, what: str) -> None:
    with pytest.raises(DataError, match=rf"^picture 1 is {what}; replace or remove it\.$"):
        decode(saved(ramp()), broken)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.png is missing"):
        decode_images([("nowhere.png", tmp_path / "nowhere.png")])


def test_more_than_the_memory_is_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding.os, "sysconf", lambda name: 10)
    with pytest.raises(DataError, match=r"more than half of this machine's memory; .*--image-size"):
        decode(saved(ramp()))


def test_an_image_size_beyond_the_memory_is_refused() -> None:
    for attempt in (
        lambda: decode(saved(ramp()), image_size=10**6),
        lambda: resize(np.zeros((1, 4, 4, 3), np.uint8), 10**6),
    ):
        with pytest.raises(DataError, match="more than half of this machine's memory"):
            attempt()
