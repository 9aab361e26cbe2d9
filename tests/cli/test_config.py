"""Profiles: what beats what, and a file that is edited without losing what a person wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.shell import Shell
from hypothesis import given
from hypothesis import strategies as st

from transom.client.cli import config
from transom.client.cli.exits import WrongUse
from transom.client.presets import Server

FILE = """\
# our exchanges
default_profile = "prod"

[profile.prod]
# the real one
url = "https://filex.example"
org = "0001"
user = "0001api01"
ca_file = "corp.pem"
environment = "production"

[profile.finra-ct]
preset = "finra-ct"
user = "1234ftp12"
secret = "env"
"""


def _loaded(shell: Shell, text: str = FILE, **environ: str) -> config.Config:
    shell.write("config/transom/config.toml", text).chmod(0o600)
    return config.load({"XDG_CONFIG_HOME": str(shell.home / "config")} | environ)


def test_an_option_beats_the_environment_beats_the_profile_beats_what_is_built_in(
    shell: Shell,
) -> None:
    found = _loaded(shell).resolve({"TRANSOM_USER": "env", "TRANSOM_ORG": "0002"}, "", {"org": "3"})
    assert {key: (value.text, value.origin) for key, value in found.values.items()} == {
        "url": ("https://filex.example", "profile prod"),
        "org": ("3", "--org"),
        "user": ("env", "TRANSOM_USER"),
        "ca_file": ("corp.pem", "profile prod"),
        "environment": ("production", "profile prod"),
        "secret": ("keyring", "built in"),
    }


def test_the_option_profile_beats_the_variable_beats_the_default(shell: Shell) -> None:
    loaded = _loaded(shell)
    assert loaded.resolve({}).name == "prod"
    assert loaded.resolve({"TRANSOM_PROFILE": "finra-ct"}).name == "finra-ct"
    assert loaded.resolve({"TRANSOM_PROFILE": "finra-ct"}, "prod").name == "prod"


def test_another_address_takes_along_what_belonged_to_the_old_one(shell: Shell) -> None:
    text = FILE + '\n[profile.x]\nurl = "https://a"\ntoken_url = "https://token.a"\n'
    loaded = _loaded(shell, text)
    assert loaded.resolve({}, "x").server == Server("https://a", "https://token.a", "production")
    assert loaded.resolve({"TRANSOM_URL": "https://b"}, "x").server == "https://b"
    assert loaded.resolve({"TRANSOM_URL": "https://b"}, "finra-ct").server == "https://b"


def test_a_preset_names_a_server(shell: Shell) -> None:
    found = _loaded(shell).resolve({}, "finra-ct")
    assert (found.server, found.address) == ("finra-ct", "https://filex.ct.finra.org")
    sandbox = _loaded(shell, '[profile.s]\npreset = "sandbox"\n').resolve({}, "s")
    assert sandbox.server == sandbox.address == "http://127.0.0.1:8080"
    with pytest.raises(WrongUse, match="no preset"):
        _loaded(shell, '[profile.s]\npreset = "moon"\n').resolve({}, "s").server  # noqa: B018


def test_a_root_is_relative_to_the_file_that_names_it(shell: Shell) -> None:
    loaded = _loaded(shell)
    assert loaded.resolve({}).ca_file == shell.config.parent / "corp.pem"
    assert loaded.resolve({"TRANSOM_CA_FILE": "x.pem"}).ca_file == Path("x.pem")
    assert loaded.resolve({}, "finra-ct").ca_file is None


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_a_timeout_is_a_number_of_seconds(shell: Shell, text: str) -> None:
    loaded = _loaded(shell)
    assert loaded.resolve({}).timeout_seconds is None
    assert loaded.resolve({"TRANSOM_TIMEOUT_SECONDS": "2.5"}).timeout_seconds == 2.5
    with pytest.raises(WrongUse, match="TRANSOM_TIMEOUT_SECONDS"):
        loaded.resolve({"TRANSOM_TIMEOUT_SECONDS": text}).timeout_seconds  # noqa: B018


def test_an_unknown_profile_is_refused_with_the_nearest(shell: Shell) -> None:
    with pytest.raises(WrongUse, match="prod, finra-ct") as refused:
        _loaded(shell).resolve({}, "prd")
    assert refused.value.__notes__ == ["--profile prod"]


def test_what_a_person_wrote_stays(shell: Shell) -> None:
    loaded = _loaded(shell)
    loaded.keep("finra-ct", {"preset": "finra-ct", "user": "new", "org": ""})
    loaded.keep("third", {"url": "https://third", "user": 'qu"ote\\ and \x7f'})
    loaded.use("third")
    text = shell.config.read_text()
    assert "# our exchanges" in text
    assert "# the real one" in text
    again = config.load({"XDG_CONFIG_HOME": str(shell.home / "config")})
    assert again.profiles == loaded.profiles
    assert again.profiles["third"]["user"] == 'qu"ote\\ and \x7f'
    assert again.default_profile == "third"
    again.remove("third")
    assert config.load({"TRANSOM_CONFIG": str(shell.config)}).default_profile == ""
    assert shell.config.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_edited_is_left_alone(shell: Shell) -> None:
    text = 'profile = { prod = { url = "https://a" } }\n'
    loaded = _loaded(shell, text)
    with pytest.raises(WrongUse, match="by hand"):
        loaded.keep("prod", {"url": "https://b"})
    assert shell.config.read_text() == text


@given(st.dictionaries(st.sampled_from(list(config.KEYS)), st.text(min_size=1), min_size=1))
def test_any_value_comes_back_as_it_was(values: dict[str, str]) -> None:
    text = config._with_section(FILE, "prod", values)
    assert config._parsed(text, Path("x"))[1]["prod"] == values


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 65, "[x]"])
def test_a_profile_name_is_plain(shell: Shell, name: str) -> None:
    with pytest.raises(WrongUse, match="no profile name"):
        _loaded(shell).keep(name, {"url": "https://a"})


@pytest.mark.parametrize("text", ["= x", "profile = 3", '[profile]\nprod = "x"\n'])
def test_a_file_that_makes_no_sense_is_wrong_use(shell: Shell, text: str) -> None:
    with pytest.raises(WrongUse, match=r"config\.toml"):
        _loaded(shell, text)


def test_odd_things_in_the_file_are_warned_of(shell: Shell) -> None:
    path = shell.write(
        "config/transom/config.toml", 'default_profile = "x"\n[profile.p]\nusr = "a"\n'
    )
    path.chmod(0o644)
    (mode, key, default) = config.load({"XDG_CONFIG_HOME": str(shell.home / "config")}).warnings
    assert "chmod 600" in mode
    assert key == 'There is no setting "usr" in profile p. Did you mean user?'
    assert "default_profile" in default


# --- transom profile -----------------------------------------------------------------------------


def test_profiles_are_set_shown_used_and_removed(shell: Shell) -> None:
    assert shell("profile", "list").err == "No profiles yet.\n"
    assert shell("profile", "set", "prod", "url", "https://a.example").code == 0
    shell("profile", "set", "prod", "org", "0001")
    shell("profile", "set", "prod", "org", "")
    shell("profile", "set", "ct", "preset", "finra-ct")
    assert shell("profile", "list", "--json").document == [
        {"name": "prod", "server": "https://a.example", "user": "", "isDefault": True},
        {"name": "ct", "server": "finra-ct", "user": "", "isDefault": False},
    ]
    assert shell("profile", "use", "ct").out == 'Profile "ct" is the default now.\n'
    assert "ct (default)" in shell("profile", "list").out
    shown = shell("profile", "show", "prod")
    assert shown.out.splitlines()[1].split() == ["url", "https://a.example", "profile", "prod"]
    assert shell("profile", "show", "--profile", "prod", "--json").document["name"] == "prod"
    assert shell("profile", "remove", "prod").code == 2
    assert shell("profile", "remove", "prod", "--yes", "--json").document["profile"] == "prod"
    assert shell("profile", "list", "--json").document[0]["name"] == "ct"


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "prod", "urll", "x"),
        ("set", "prod", "url"),
        ("set", "prod", "preset", "moon"),
        ("use", "none"),
        ("use",),
        ("show", "none"),
        ("remove", "none", "-y"),
    ],
)
def test_wrong_use_of_profiles_ends_with_2(shell: Shell, arguments: tuple[str, ...]) -> None:
    ended = shell("profile", *arguments)
    assert (ended.code, ended.out) == (2, "")
