"""The settings file: what is read, and how everything wrong is told at once."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from transom.server import settings
from transom.server.settings import BadSettings, Listen, Settings, load
from transom.server.tls import DemoCertificates, demo_authority

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3tv4lu3"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoCertificates:
    return demo_authority(tmp_path_factory.mktemp("demo"), datetime.now(UTC))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    private(tmp_path / "keys", "k2:" + "ab" * 32 + "\nk1:" + "cd" * 32 + "\n")
    return tmp_path


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def least(directory: Path) -> dict[str, list[str]]:
    """The least that a settings file can hold, as lines by section."""
    return {
        "database": ['url = "sqlite:///records.db"'],
        "blobs": [f'root = "{directory}"'],
        "keys": [f'file = "{directory}/keys"'],
        "rest": ['listen = "127.0.0.1:0"', 'public_url = "http://localhost:8080"'],
        "s3": ['listen = "127.0.0.1:0"', 'public_url = "http://localhost:8081"'],
    }


def loaded(
    directory: Path, *lines: str, environ: dict[str, str] | None = None, **sections: list[str]
) -> Settings:
    """The least, with some sections replaced or added; rest_tls is [rest.tls]; lines come first."""
    text = "\n".join(lines) + "\n"
    for name, body in {**least(directory), **sections}.items():
        text += f"[{name.replace('_', '.')}]\n" + "\n".join(body) + "\n"
    path = directory / "transom.toml"
    path.write_text(text)
    return load(path, environ or {})


def problems(
    directory: Path, *lines: str, environ: dict[str, str] | None = None, **sections: list[str]
) -> dict[str, str]:
    with pytest.raises(BadSettings) as caught:
        loaded(directory, *lines, environ=environ, **sections)
    return {problem.key: str(problem) for problem in caught.value.problems}


def rest(
    *more: str, listen: str = "127.0.0.1:0", url: str = "https://filex.example.net"
) -> list[str]:
    return [f'listen = "{listen}"', f'public_url = "{url}"', *more]


def tls(certificate: Path, key: Path, *more: str) -> list[str]:
    return [f'certificate_file = "{certificate}"', f'key_file = "{key}"', *more]


def test_the_least_that_must_be_said_leaves_safe_defaults(directory: Path) -> None:
    found = loaded(directory)

    assert (found.exchange.archive_days, found.exchange.tracking_days) == (30, 90)
    assert found.exchange.zone.key == "America/New_York"
    assert (found.s3.region, found.s3.bucket) == ("us-east-1", "bucket-filex")
    assert found.token_public_url == "http://localhost:8080"
    assert found.token.listen is found.metrics.listen is None
    assert found.rest.behind_proxy == ()
    assert found.limits.header_seconds == 30
    assert found.blobs.max_file_bytes is None


def test_settings_are_frozen(directory: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded(directory).logs.level = "debug"  # type: ignore[misc]  # that is what must not work


def test_the_example_is_complete_and_loads(directory: Path, demo: DemoCertificates) -> None:
    files = {
        "/etc/transom/rsa.pem": demo.certificate,
        "/etc/transom/rsa.key": demo.key,
        "/etc/transom/ecdsa.pem": demo.ecdsa_certificate,
        "/etc/transom/ecdsa.key": demo.ecdsa_key,
        "/etc/transom/database-password": private(directory / "password", SECRET),
        "/etc/transom/keys": directory / "keys",
        "/etc/transom/identity-keys": directory / "keys",
    }
    text = (ROOT / "examples/transom.toml").read_text()
    for name, path in files.items():
        text = text.replace(f'"{name}"', f'"{path}"')
    path = directory / "example.toml"
    path.write_text(text)
    everything = re.sub(r"^# (?=[a-z_0-9]+ = )", "", text, flags=re.MULTILINE)

    assert load(path, {}).database.url == "postgresql+psycopg://transom@db.example.net/transom"
    assert names_in(tomllib.loads(everything)) >= names_described() - {"tls"}
    path.write_text(everything)
    assert load(path, {}).exchange == load(path, {}).exchange.model_copy()


def names_in(table: dict[str, object], prefix: str = "") -> set[str]:
    names = set[str]()
    for name, value in table.items():
        inner = names_in(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
        names |= inner
    return names


def names_described() -> set[str]:
    return set(re.findall(r"^\| `([a-z0-9_.]+)` \|", settings.describe(), flags=re.MULTILINE))


def test_the_example_shows_the_defaults() -> None:
    text = (ROOT / "examples/transom.toml").read_text()
    commented = re.findall(r"^# ([a-z_0-9]+) = (.+)$", text, flags=re.MULTILINE)
    described = settings.describe()
    examples = {
        "max_file_bytes",
        "identity_url",
        "identity_file",
        "behind_proxy",
        "extra_hosts",
        "virtual_host_domain",
    }

    for name, value in commented:
        shown = re.escape(value.strip('"'))
        assert name in examples or re.search(rf"\.{name}` \|.*\| `{shown}` \|", described), name


def test_there_are_at_most_sixty_settings_and_each_is_explained() -> None:
    rows = [row.split(" | ") for row in settings.describe().splitlines() if row.startswith("| `")]

    assert len(rows) <= 60  # the core's budget is forty; each door brings its own beside them
    assert all(len(row) == 4 and len(row[3]) > 10 for row in rows)
    assert "| `rest.listen` | host:port | none; it is needed |" in settings.describe()
    assert "| `rest.behind_proxy` | list of network | `[]` |" in settings.describe()
    assert "| `rest.tls.policy` | `current` or `guide-2022` | `current` |" in settings.describe()


def test_a_variable_overrides_the_file(directory: Path) -> None:
    environ = {
        "TRANSOM_LOGS__LEVEL": "debug",
        "TRANSOM_EXCHANGE__WORKER_THREADS": "2",
        "TRANSOM_EXCHANGE__UNWRAP_FORM_UPLOADS": "false",
        "TRANSOM_REST__BEHIND_PROXY": "10.1.0.0/16, 2001:db8::/32",
        "TRANSOM_TESTS": "all",
        "HOME": "/root",
    }
    found = loaded(directory, environ=environ)

    assert found.logs.level == "debug"
    assert found.exchange.worker_threads == 2
    assert not found.exchange.unwrap_form_uploads
    assert [str(network) for network in found.rest.behind_proxy] == ["10.1.0.0/16", "2001:db8::/32"]


def test_a_variable_reaches_a_table_in_a_table(directory: Path, demo: DemoCertificates) -> None:
    environ = {
        "TRANSOM_REST__TLS__CERTIFICATE_FILE": str(demo.certificate),
        "TRANSOM_REST__TLS__KEY_FILE": str(demo.key),
        "TRANSOM_REST__PUBLIC_URL": "https://filex.example.net/",
    }
    found = loaded(directory, environ=environ)

    assert found.rest.tls is not None
    assert found.rest.tls.policy == "current"
    assert found.rest.public_url == "https://filex.example.net"


def test_the_processes_own_variables_count_when_none_are_given(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(directory)
    monkeypatch.setenv("TRANSOM_LOGS__LEVEL", "error")

    assert load(directory / "transom.toml").logs.level == "error"


def test_all_problems_are_told_at_once(directory: Path) -> None:
    found = problems(
        directory,
        "colour = 1",
        environ={"TRANSOM_LIMITS__IDLE_SECOND": "5"},
        database=['url = "mysql://h/d"', "pool_size = 0"],
        keys=['file = "/nowhere"'],
        rest=['listen = "here"', 'publc_url = "http://h"'],
        exchange=['time_zone = "Mars/Olympus"', "archive_days = 100"],
        logs=['level = "loud"'],
    )

    assert found == {
        "colour": "colour: is not a setting.",
        "database.url": "database.url: must begin with sqlite:// or postgresql+psycopg://.",
        "database.pool_size": "database.pool_size: Input should be greater than or equal to 1.",
        "keys.file": "keys.file: there is no such file.",
        "rest.listen": 'rest.listen: must be "host:port", for example "127.0.0.1:8443".',
        "rest.public_url": "rest.public_url: is needed and has no default.",
        "rest.publc_url": "rest.publc_url: is not a setting. Did you mean rest.public_url?",
        "exchange.time_zone": "exchange.time_zone: is no known time zone; or else "
        "the package tzdata is missing.",
        "limits.idle_second": "limits.idle_second: is not a setting. "
        "Did you mean limits.idle_seconds?",
        "logs.level": "logs.level: Input should be 'debug', 'info', 'warning' or 'error'.",
    }


UNKNOWN = {
    "tokens": ("[tokens]\n", "tokens", "token"),
    "a section's name": ("[metric]\n", "metric", "metrics"),
    "inside tls": ("[token.tls]\npolicies = 1\n", "token.tls.policies", "token.tls.policy"),
    "in the wrong section": ("[limits]\narchive_days = 3\n", "limits.archive_days", "archive_days"),
    "a mere letter": ("[support]\nphon = 1\n", "support.phon", "support.phone"),
}


@pytest.mark.parametrize(("text", "key", "nearest"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_key_is_told_with_the_nearest_known(
    directory: Path, text: str, key: str, nearest: str
) -> None:
    loaded(directory)
    path = directory / "transom.toml"
    path.write_text(path.read_text() + text)

    with pytest.raises(BadSettings) as caught:
        load(path, {})

    assert nearest in next(p.nearest for p in caught.value.problems if p.key == key)


def test_a_variable_with_one_underscore_too_few_is_told(directory: Path) -> None:
    found = problems(directory, environ={"TRANSOM_REST_LISTEN": "127.0.0.1:1"})

    assert found == {"rest_listen": "rest_listen: is not a setting. Did you mean rest.listen?"}


@pytest.mark.parametrize("content", [b"[rest\n", b"\xff", None], ids=["TOML", "UTF-8", "missing"])
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "transom.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BadSettings, match="cannot be read"):
        load(path, {})


def test_a_section_that_is_no_table_is_told_even_when_a_variable_wants_in(directory: Path) -> None:
    loaded(directory)
    path = directory / "transom.toml"
    path.write_text("logs = 5\n" + path.read_text())

    with pytest.raises(BadSettings, match=r"logs: must be a table"):
        load(path, {"TRANSOM_LOGS__LEVEL": "debug"})


PASSWORDS = [
    f"postgresql+psycopg://u:{SECRET}@h/d",
    f"postgresql+psycopg://u@h/d?password={SECRET}",
    f"{SECRET}",
    f"postgresql+psycopg://u:{SECRET}@h:port/d",
]


@pytest.mark.parametrize("url", PASSWORDS)
def test_a_password_in_a_url_is_refused_and_not_repeated(directory: Path, url: str) -> None:
    found = problems(directory, database=[f'url = "{url}"'])

    assert list(found) == ["database.url"]
    assert SECRET not in found["database.url"]


def test_the_password_comes_from_its_file_and_prints_as_stars(directory: Path) -> None:
    password = private(directory / "password", SECRET + "\n")
    found = loaded(
        directory,
        database=['url = "postgresql+psycopg://u@h/d"', f'password_file = "{password}"'],
    )
    url = found.database.sqlalchemy_url()

    assert url.password == SECRET
    assert "***" in str(url)
    assert SECRET not in f"{url!r} {found!r} {found} {found.model_dump_json()}"


@pytest.mark.parametrize(
    "url",
    [
        "filex",
        "ftp://h",
        "https://",
        "https://u@h",
        "https://h/p",
        "https://h?q",
        "https://h:99999",
    ],
)
def test_a_public_url_is_a_scheme_and_a_host(directory: Path, url: str) -> None:
    assert list(problems(directory, rest=rest(url=url))) == ["rest.public_url"]


def test_a_listener_beyond_this_machine_needs_tls_or_a_proxy(directory: Path) -> None:
    found = problems(
        directory,
        rest=rest(listen="0.0.0.0:8443"),
        token=['listen = "[::]:8444"'],
        metrics=['listen = "192.0.2.1:9464"'],
    )

    assert found == {
        "rest.listen": "rest.listen: can be reached from other machines, so it needs rest.tls or "
        "rest.behind_proxy.",
        "token.listen": "token.listen: can be reached from other machines, so it needs token.tls.",
        "metrics.listen": "metrics.listen: can be reached from other machines, "
        "so it must be loopback.",
    }


def test_a_proxy_in_front_is_enough(directory: Path) -> None:
    behind = rest('behind_proxy = ["10.1.0.0/16"]', listen="192.0.2.1:8080")

    assert loaded(directory, rest=behind).rest.listen == Listen("192.0.2.1", 8080)


def test_a_listener_with_tls_is_called_by_https(directory: Path, demo: DemoCertificates) -> None:
    found = problems(
        directory,
        rest=rest(url="http://filex.example.net"),
        rest_tls=tls(demo.certificate, demo.key),
    )

    assert list(found) == ["rest.public_url"]


def test_tls_without_a_listener_of_its_own_is_told(directory: Path, demo: DemoCertificates) -> None:
    found = problems(directory, token=[], token_tls=tls(demo.certificate, demo.key))

    assert list(found) == ["token.tls"]


def test_two_listeners_cannot_share_an_address(directory: Path) -> None:
    found = problems(directory, rest=rest(listen="127.0.0.1:80"), s3=rest(listen="127.0.0.1:80"))

    assert list(found) == ["s3.listen"]


def test_certificates_and_keys_must_belong_together(
    directory: Path, demo: DemoCertificates
) -> None:
    found = problems(
        directory,
        rest=rest(),
        s3=rest(),
        rest_tls=tls(demo.certificate, demo.ecdsa_key),
        s3_tls=tls(
            demo.ecdsa_certificate,
            demo.ecdsa_key,
            f'ecdsa_certificate_file = "{demo.certificate}"',
            f'ecdsa_key_file = "{demo.key}"',
        ),
    )

    assert list(found) == [
        "rest.tls.certificate_file",
        "s3.tls.certificate_file",
        "s3.tls.ecdsa_certificate_file",
    ]


def test_the_guides_policy_needs_both_kinds_of_certificate(
    directory: Path, demo: DemoCertificates
) -> None:
    lines = tls(demo.certificate, demo.key, 'policy = "guide-2022"')
    half = [*lines, f'ecdsa_key_file = "{demo.ecdsa_key}"']

    assert list(problems(directory, rest=rest(), rest_tls=lines)) == ["rest.tls.policy"]
    assert list(problems(directory, rest=rest(), rest_tls=half)) == [
        "rest.tls.ecdsa_key_file",
        "rest.tls.policy",
    ]


def test_a_certificate_file_must_be_there(directory: Path) -> None:
    lines = tls(directory / "none.pem", directory / "none.key")

    assert list(problems(directory, rest=rest(), rest_tls=lines)) == [
        "rest.tls.certificate_file",
        "rest.tls.key_file",
    ]


def test_tracking_lasts_at_least_as_long_as_the_archive(directory: Path) -> None:
    found = problems(directory, exchange=["archive_days = 30", "tracking_days = 29"])

    assert list(found) == ["exchange.tracking_days"]
