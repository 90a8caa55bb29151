"""A CA of the user's own: read before any host is touched."""

from __future__ import annotations

import pytest
from certificates import Authority

from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.trust import certificates
from murder_fabric.errors import BadInput


def test_what_is_in_the_file_goes_to_the_hosts(tmp_path):
    authority = Authority(tmp_path)
    assert certificates(Settings(ca_file=str(authority.file))) == authority.file.read_text()
    assert certificates(Settings()) == ""


def test_what_stands_beside_certificates_in_any_language_is_left_out(tmp_path):
    """Bundles of distributions have the names of CAs as comments, in UTF-8."""
    authority = Authority(tmp_path)
    (tmp_path / "bundle").write_bytes("# Főtanúsítvány\n".encode() + authority.file.read_bytes())
    held = certificates(Settings(ca_file=str(tmp_path / "bundle")))
    assert held == "# Ftanstvny\n" + authority.file.read_text()


@pytest.mark.parametrize("held", ["", "hello", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"])
def test_a_file_without_certificates_is_refused(tmp_path, held):
    (tmp_path / "ca").write_text(held)
    with pytest.raises(BadInput, match=r"murder\.ca_file, /.*/ca: it holds no certificates \(PEM\); no host"):
        certificates(Settings(ca_file=str(tmp_path / "ca")))


def test_a_file_that_is_too_long_is_not_cut_in_the_middle_of_a_certificate(tmp_path):
    authority = Authority(tmp_path)
    (tmp_path / "long").write_bytes(authority.file.read_bytes() + b"# comment\n" * 105_000)
    with pytest.raises(BadInput, match=r"/long: it is longer than 1\.0 MB; no host was touched"):
        certificates(Settings(ca_file=str(tmp_path / "long")))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(BadInput, match="/none: No such file or directory; no host was touched"):
        certificates(Settings(ca_file=str(tmp_path / "none")))
    (tmp_path / "ca").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="it holds no certificates"):
        certificates(Settings(ca_file=str(tmp_path / "ca")))
