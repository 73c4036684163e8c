"""Whose a file is that an event names: nobody's event reads a file of another organization."""

from __future__ import annotations

import pytest

from domain.errors import ConfigurationError, InvalidRequest
from domain.events.file_paths import InStore, folder_of_each, in_store
from settings.settings import load_settings


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("{organization}/", "{organization}/"),
        ("{organization}", "{organization}/"),
        ("apps/{organization}", "apps/{organization}/"),
        ("apps/{organization}/files/", "apps/{organization}/files/"),
        ("앱/{organization}", "앱/{organization}/"),
    ],
)
def test_the_folder_of_one_is_never_the_beginning_of_anothers(
    written: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found with `apps/{organization}`: an event of acme had files of acme2 read."""
    monkeypatch.setenv("EVENT_FILES_PREFIX", written)
    folder = load_settings().event_files_prefix
    assert folder == used
    theirs = folder.replace("{organization}", "acme")
    assert in_store(theirs + "a.xlsx", "acme", folder) == InStore(theirs + "a.xlsx")
    for other in (folder.replace("{organization}", "acme2"), theirs.replace("acme/", "acme.old/")):
        with pytest.raises(InvalidRequest, match="does not lie under"):
            in_store(other + "secret.csv", "acme", folder)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "shared/",
            "/",
            "apps/{org}/",
            "apps/x{organization}/",
            "{organization}-files/",
            "{organization}{organization}/",
        ),
        *(
            "/{organization}/",
            "apps//{organization}",
            "../{organization}",
            "{organization}//",
            "apps\\{organization}\\",
        ),
    ],
)
def test_a_folder_that_organizations_would_share_is_no_setting(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest):
        folder_of_each(written)
    monkeypatch.setenv("EVENT_FILES_PREFIX", written)
    with pytest.raises(ConfigurationError, match="EVENT_FILES_PREFIX: must"):
        load_settings()


def test_a_path_is_compared_part_by_part_whatever_the_folder_is_called() -> None:
    """Also where the folder did not come through the settings."""
    assert in_store("apps/acme/a.csv", "acme", "apps/{organization}") == InStore("apps/acme/a.csv")
    with pytest.raises(InvalidRequest, match="does not lie under apps/acme/"):
        in_store("apps/acme2/secret.csv", "acme", "apps/{organization}")
