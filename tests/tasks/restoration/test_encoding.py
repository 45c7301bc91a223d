"""What is written is read again, of 8 and of 16 bits."""

import numpy as np
import pytest

from nascence.tasks.restoration.decoding import decode_picture
from nascence.tasks.restoration.encoding import encode_png


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_round_trip(tmp_path, random_picture, channels, deep):
    picture = random_picture(7, 5, channels, deep=deep)
    (tmp_path / "a.png").write_bytes(encode_png(picture))
    read, _ = decode_picture(tmp_path / "a.png")
    assert read.dtype == picture.dtype
    assert np.array_equal(read, picture)
