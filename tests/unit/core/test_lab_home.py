"""LAB_HOME: private folders, secrets made once, sockets whose path is short enough."""

import os
import stat

from apps.core.lab.home import SOCKET_PATH_LIMIT, Home, is_private_folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_secrets_are_private(tmp_path):
    home = Home(tmp_path / "lab")
    home.prepare()
    folders = [path for path in home.root.rglob("*") if path.is_dir()]
    assert {mode(path) for path in [home.root, *folders]} == {0o700}
    home.passwords()
    assert {mode(path) for path in home.secrets.iterdir()} == {0o600}


def test_no_mode_outside_changes(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o750)
    outside.chmod(0o750)
    Home(outside / "lab").prepare()
    assert mode(outside) == 0o750


def test_secrets_are_made_once_and_are_long(tmp_path):
    home = Home(tmp_path)
    home.prepare()
    first = (home.passwords(), (home.secrets / "seal_key").read_text())
    home.prepare()
    assert (home.passwords(), (home.secrets / "seal_key").read_text()) == first
    assert len(set(first[0].values())) == len(first[0])
    assert all(len(password) >= 32 for password in first[0].values())


def test_sockets_live_in_run_when_the_path_is_short(tmp_path):
    home = Home(tmp_path)
    home.prepare()
    assert home.sockets() == home.run


def test_a_long_path_gets_a_private_folder_that_is_found_again(tmp_path):
    home = Home(tmp_path / ("long" * 25))
    home.prepare()
    sockets = home.sockets()
    try:
        assert is_private_folder(sockets)
        assert len(os.fsencode(sockets / "pg" / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_LIMIT
        assert Home(home.root).sockets() == sockets
    finally:
        sockets.rmdir()


def test_a_socket_folder_that_somebody_opened_or_replaced_is_not_trusted(tmp_path):
    home = Home(tmp_path / ("long" * 25))
    home.prepare()
    first = home.sockets()
    first.chmod(0o755)
    second = home.sockets()
    try:
        assert second != first
    finally:
        first.rmdir()
        second.rmdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert not is_private_folder(link)
