"""Files of every kind that a user has: 8 and 16 bits, palettes, transparency, turned, truncated."""

import numpy as np
import pytest
from PIL import Image

from nascence.errors import DataError
from nascence.tasks.restoration.decoding import ALPHA, DEEP, PALETTE, decode_picture


@pytest.mark.parametrize("channels", [1, 3])
def test_eight_bits(tmp_path, random_picture, save, channels):
    picture = random_picture(5, 7, channels)
    read, notes = decode_picture(save(tmp_path / "a.png", picture))
    assert read.dtype == np.uint8
    assert np.array_equal(read, picture)
    assert not notes


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_kept(tmp_path, random_picture, save_deep, channels):
    picture = random_picture(5, 7, channels, deep=True)
    read, notes = decode_picture(save_deep(tmp_path / "a.png", picture))
    assert read.dtype == np.uint16
    assert np.array_equal(read, picture[:3])
    assert notes == ({DEEP, ALPHA} if channels == 4 else {DEEP})


def test_palettes(tmp_path):
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[..., 0] = np.arange(6) * 20
    for name, pixels, channels in (("grey", colours[..., :1].repeat(3, 2), 1), ("colour", colours, 3)):
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels).quantize(16).save(path)
        read, notes = decode_picture(path)
        assert len(read) == channels, name
        assert np.array_equal(read[0], pixels[..., 0])
        assert notes == {PALETTE}


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 3), ("LA", 1)])
def test_transparency_is_dropped(tmp_path, random_picture, mode, channels):
    picture = random_picture(4, 5, channels + 1)
    path = tmp_path / "a.png"
    Image.fromarray(picture.transpose(1, 2, 0)).convert(mode).save(path)
    read, notes = decode_picture(path)
    assert np.array_equal(read, picture[:channels])
    assert notes == {ALPHA}


def test_upright(tmp_path, random_picture):
    picture = random_picture(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(picture.transpose(1, 2, 0)).save(tmp_path / "a.png", exif=exif)
    read, _ = decode_picture(tmp_path / "a.png")
    assert np.array_equal(read, np.rot90(picture, -1, (1, 2)))


@pytest.mark.parametrize("kind", ["truncated", "no picture", "missing"])
def test_damage_is_named(tmp_path, random_picture, save, kind):
    path = tmp_path / "bad.png"
    if kind == "truncated":
        save(path, random_picture(40, 40, 3))
        path.write_bytes(path.read_bytes()[:2000])
    elif kind == "no picture":
        path.write_text("hello")
    with pytest.raises(DataError, match=r"bad\.png"):
        decode_picture(path)


def test_dark_pictures_of_sixteen_bits_stay_dark(tmp_path):
    dark = np.array([[0, 200, 255]], np.uint16)
    Image.fromarray(dark).save(tmp_path / "a.png")
    read, notes = decode_picture(tmp_path / "a.png")
    assert (read.dtype, read.tolist(), notes) == (np.uint16, [dark.tolist()], {DEEP})


def test_floats_reach_from_zero_to_one(tmp_path):
    Image.fromarray(np.array([[0, 0.5, 1]], np.float32)).save(tmp_path / "a.tif")
    assert decode_picture(tmp_path / "a.tif")[0].tolist() == [[[0, 32768, 65535]]]
    Image.fromarray(np.array([[0, 200]], np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(DataError, match=r"b\.tif holds floats from 0 to 200; floats are read from 0 to 1"):
        decode_picture(tmp_path / "b.tif")


def test_reasons_are_the_real_ones(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"none\.png is missing"):
        decode_picture(tmp_path / "none.png")
    Image.new("L", (11, 11)).save(tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(DataError, match=r"big\.png has 121 pixels, more than the 100"):
        decode_picture(tmp_path / "big.png")
