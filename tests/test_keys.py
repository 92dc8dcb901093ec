from pathlib import Path

from jobsui import keys


def test_hosts_that_share_a_folder_share_its_name_and_no_other_has_it(
    tmp_path: Path,
) -> None:
    shared, other = tmp_path / "shared", tmp_path / "other"

    names = [keys.storage_id(folder) for folder in (shared, shared, other)]

    assert names[0] == names[1] != names[2]
