"""Dockerfile.base is the one source of the configuration, and only of its small language."""

import pytest

from exseos.errors import UsageError
from exseos.image.dockerfile import parse_dockerfile
from exseos.resources import resource

HEAD = "# a comment\nFROM scratch\n\nADD rootfs.tar /\n"


def test_every_instruction() -> None:
    text = HEAD + 'ENV A=1 \\\n  # between\n  B="two words"\nENV A=3\nLABEL x.y="z"\nWORKDIR /w\nUSER 1:2\nentrypoint ["/e", "f"]\n'
    assert parse_dockerfile(text).as_oci() == {
        "Env": ["A=3", "B=two words"],
        "Labels": {"x.y": "z"},
        "WorkingDir": "/w",
        "User": "1:2",
        "Entrypoint": ["/e", "f"],
    }


def test_the_own_file() -> None:
    config = parse_dockerfile(resource("Dockerfile.base").read_text())
    assert config.user == "65534:65534"
    assert config.environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert config.environment["LC_ALL"] == "C.UTF-8"


@pytest.mark.parametrize(
    "text, message",
    [
        ("FROM debian\nADD rootfs.tar /\n", "must begin"),
        ("FROM scratch\nENV A=1\nADD rootfs.tar /\n", "must begin"),
        ("", "must begin"),
        (HEAD + "\nRUN true\n", "Dockerfile.base:6: RUN is not allowed"),
        (HEAD + "COPY a b\n", "COPY is not allowed"),
        (HEAD + "ENV A 1\n", "not of the form"),
        (HEAD + "ENV A=$PATH\n", "not expanded"),
        (HEAD + "ENTRYPOINT python3\n", "JSON list"),
    ],
)
def test_what_is_not_allowed(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_dockerfile(text)
