"""Well-known sets of pictures, told from classes by their names."""

from nascence.tasks.restoration.recognising import sets_of_pictures


def test_names_of_sets(tmp_path):
    for name in ("Set12", "CBSD68", "sr/Set14", "Train400", "train", "cat", "settings", "deep/er/Set5"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "Kodak24").write_text("a file")
    found = [str(path.relative_to(tmp_path)) for path in sets_of_pictures(tmp_path)]
    assert found == ["CBSD68", "Set12", "Train400", "sr/Set14"]
    assert sets_of_pictures(tmp_path / "nowhere") == []
