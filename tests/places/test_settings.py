"""places.toml: which clusters may be used."""

from pathlib import Path

import pytest

from cityseg.errors import ConfigError
from cityseg.places import CONFIG_VARIABLE, SlurmEngine, configured_places, engine_at, read_places


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "places.toml"))
    return tmp_path / "places.toml"


def test_without_the_file_there_is_this_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert configured_places() == []
    own = tmp_path / ".config" / "cityseg" / "places.toml"
    own.parent.mkdir(parents=True)
    own.write_text("[slurm]\n")
    assert configured_places() == ["slurm"]


def test_a_section_configures_a_place(file: Path) -> None:
    file.write_text('[slurm]\npartition = "gpu"\nhours = 1.5\n[slurm.sbatch]\nnice = 10\n')
    settings = read_places().slurm
    assert settings
    assert (settings.partition, settings.hours, settings.gpus) == ("gpu", 1.5, 1)
    assert settings.sbatch == {"nice": 10}
    engine = engine_at("slurm")
    assert isinstance(engine, SlurmEngine)
    assert engine.settings == settings


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[slurm", r"is not valid TOML \(.+\): correct it"),
        ("[slrm]", "has a section slrm, which is not known: choose from slurm, ray"),
        ("[slurm]\nhour = 3", r"has a setting \[slurm\] hour, which is not known: choose from par"),
        ("[slurm]\nhours = 0", "slurm.hours"),
        ("[slurm]\ngpus = -1", "slurm.gpus"),
        ('[slurm]\npartition = "a\\nb"', "slurm.partition"),
        ("[ray]", "ray.address"),
        ('[ray]\naddress = "ray:8265"', "ray.address"),
        ('[ray]\naddress = "http://me:secret@ray:8265"', "ray.address"),
        ("slurm = 3", r"cannot be used \(slurm"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(file: Path, content: str, expected: str) -> None:
    file.write_text(content)
    with pytest.raises(ConfigError, match=expected) as raised:
        read_places()
    assert str(file) in str(raised.value)
    assert "Input should" not in str(raised.value)


def test_a_file_that_is_named_and_missing_is_an_error(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"which \$CITYSEG_CONFIG names: correct the variable"):
        configured_places()


def test_a_file_that_is_no_text_is_an_error(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no text in UTF-8"):
        configured_places()
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        configured_places()
