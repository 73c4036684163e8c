"""Settings with a new name: the old one is read for a release, with a warning, and never instead of the new one."""

from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from settings.renamed import RENAMED, rename_warning
from settings.settings import Settings, load_settings, load_valid_settings, misspelt, old_names

# a value that is valid and not the default, for each
VALUES = {
    "alert_kinds": "queue_age",
    "event_files_prefix": "apps/{organization}/",
    "webhook_allowed_urls": "https://app.example.com/hooks",
    "webhook_allow_private_networks": "true",
}
SIGNING_KEY = "signkey-" + "0f" * 32


@pytest.fixture(autouse=True)
def environment(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Settings.model_config, "env_file", (clean_environment / "project.env", ".env"))
    monkeypatch.setenv("INNGEST_SIGNING_KEY", SIGNING_KEY)  # webhooks need one


def value_of(new: str) -> str:
    return VALUES.get(new) or str(int(Settings.model_fields[new].default) + 1)


def test_each_new_name_is_a_setting_and_no_old_one_is() -> None:
    assert set(RENAMED.values()) <= set(Settings.model_fields)
    assert set(RENAMED).isdisjoint(Settings.model_fields)


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
@pytest.mark.parametrize("source", ["environment", ".env", "python"])
def test_both_names_mean_the_same(old: str, new: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = set()
    for name in (old, new):
        if source == "python":
            settings = Settings(**{name: value_of(new)})
        elif source == ".env":
            Path(".env").write_text(f"{name.upper()}={value_of(new)}\n", "utf-8")
            settings = load_settings()
        else:
            with monkeypatch.context() as patch:
                patch.setenv(name.upper(), value_of(new))
                settings = load_settings()
        read.add(getattr(settings, new))
        assert new in settings.model_fields_set
    assert len(read) == 1
    assert read != {Settings.model_fields[new].default}


def test_an_old_name_is_warned_of_and_is_no_misspelt_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPLOAD_BYTES", "1000")
    Path(".env").write_text("runs_at_once=2\nEVENT_DAYS=\n", "utf-8")
    assert old_names() == {"UPLOAD_BYTES": "MAX_UPLOAD_BYTES", "RUNS_AT_ONCE": "MAX_CONCURRENT_RUNS"}
    assert misspelt() == {}
    sentence = rename_warning("UPLOAD_BYTES", "MAX_UPLOAD_BYTES")
    assert sentence == "UPLOAD_BYTES has a new name, MAX_UPLOAD_BYTES; the next release does not read the old one"


@pytest.mark.parametrize("file", ["", "old", "new"])
def test_two_values_under_two_names_are_an_error_without_the_values(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of them would be taken, somebody would not see why."""
    for name, value, kind in (("UPLOAD_BYTES", "7777", "old"), ("MAX_UPLOAD_BYTES", "8888", "new")):
        if kind == file:
            Path(".env").write_text(f"{name}={value}\n", "utf-8")
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert str(refused.value) == (
        "Settings are wrong: MAX_UPLOAD_BYTES: is also set as UPLOAD_BYTES, its old name, to another value; "
        "unset UPLOAD_BYTES"
    )
    settings, errors = load_valid_settings()
    assert settings.max_upload_bytes == Settings.model_fields["max_upload_bytes"].default
    assert [error.name for error in errors] == ["MAX_UPLOAD_BYTES"]


def test_the_same_value_under_both_names_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that moves from one release to the other sets both."""
    monkeypatch.setenv("UPLOAD_BYTES", "7777")
    monkeypatch.setenv("MAX_UPLOAD_BYTES", "7777")
    assert load_settings().max_upload_bytes == 7777


def test_an_old_name_that_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPLOAD_BYTES", "")
    monkeypatch.setenv("MAX_UPLOAD_BYTES", "7777")
    assert load_settings().max_upload_bytes == 7777
    assert old_names() == {}


def test_the_environment_is_stronger_than_the_file_under_the_old_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("project.env").write_text("UPLOAD_BYTES=5555\n", "utf-8")
    Path(".env").write_text("UPLOAD_BYTES=6666\n", "utf-8")
    assert load_settings().max_upload_bytes == 6666
    monkeypatch.setenv("UPLOAD_BYTES", "7777")
    assert load_settings().max_upload_bytes == 7777


@pytest.mark.parametrize("name", ["UPLOAD_BYTES", "MAX_UPLOAD_BYTES"])
def test_a_wrong_value_is_reported_under_the_name_that_is_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "200MB-x")
    settings, [error] = load_valid_settings()
    assert (error.name, error.fields) == (name, ("max_upload_bytes",))
    assert settings.max_upload_bytes == Settings.model_fields["max_upload_bytes"].default
