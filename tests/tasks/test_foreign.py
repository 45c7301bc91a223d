"""What lies where a picture is expected is called what it is."""

import pytest

from nascence.errors import DataError
from nascence.tasks.foreign import foreign
from nascence.tasks.picture import decode_picture

FILES = {
    "it is empty": b"",
    "it is a HEIC picture, which is not read here; save it as JPEG or PNG": b"\0\0\0\x18ftypheic" + bytes(50),
    "it is a camera's raw picture": b"\0\0\0\x18ftypcrx " + bytes(50),
    "it is a video": b"\0\0\0\x18ftypmp42" + bytes(50),
    "it is a PDF": b"%PDF-1.7\n",
    "it is a JPEG XL picture": b"\xff\x0a" + bytes(9),
    "it is a DICOM picture": bytes(128) + b"DICM" + bytes(20),
    "it is an archive": b"PK\x03\x04" + bytes(40),
    "it is a web page, perhaps of a download that failed": b"\n<!DOCTYPE html><html>404",
    "it is an SVG drawing": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "fetch it with: git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    "it is not an image or is damaged; replace or remove it": b"words",
}


@pytest.mark.parametrize("told", FILES)
def test_the_sentence_says_what_the_file_is(told):
    with pytest.raises(DataError) as raised:
        decode_picture("it", FILES[told])
    assert told in str(raised.value)


def test_what_is_not_known_may_be_a_damaged_picture():
    assert foreign(b"\x89PNG\r\n\x1a\n" + bytes(30)) is None
    assert foreign(b"\xff\xd8\xff\xe0") is None
    assert foreign(b"<?xml version='1.0'?><note/>") is None
    assert foreign(b"\0\0\0\x18ftypavif") is None, "Pillow reads these, so it is one that is damaged"
