"""One stack per data folder."""

from pathlib import Path

import pytest

from services.local.lock import NAME, AlreadyRunning, Owner, only_one, owner_of

OWNER = Owner(pid=4711, urls={"page": "http://127.0.0.1:18081/"})


def test_a_second_one_learns_who_is_first_and_where_it_answers(tmp_path: Path) -> None:
    with only_one(tmp_path, OWNER):
        told = r"process 4711 already runs.*\n  page: http://127.0.0.1:18081/"
        with pytest.raises(AlreadyRunning, match=told) as it, only_one(tmp_path, Owner(pid=1, urls={})):
            raise AssertionError("it was let in")
        assert it.value.owner == OWNER
        assert owner_of(tmp_path) == OWNER, "the second one has not overwritten the first"
    assert owner_of(tmp_path) is None


def test_the_lock_of_a_process_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"pid": 4711, "urls": {}}')  # never emptied, but nobody holds the file
    assert owner_of(tmp_path) is None
    with only_one(tmp_path, OWNER):
        assert owner_of(tmp_path) == OWNER


def test_one_that_has_not_said_who_it_is_still_holds_the_folder(tmp_path: Path) -> None:
    with only_one(tmp_path, OWNER):
        (tmp_path / NAME).write_text("")
        with pytest.raises(AlreadyRunning, match="another process already runs"), only_one(tmp_path, OWNER):
            raise AssertionError("it was let in")


def test_a_folder_that_does_not_exist_is_made(tmp_path: Path) -> None:
    assert owner_of(tmp_path / "new") is None
    with only_one(tmp_path / "new", OWNER):
        assert (tmp_path / "new").is_dir()
