"""Makes .venv with pip in it where Python came without ensurepip, as Debian's does without python3-venv."""

from __future__ import annotations

import hashlib
import html
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import venv

PLACE = ".venv"
PYTHON = os.path.join(PLACE, "bin", "python")


def fetch_pip(directory: str) -> str:
    """Download the newest pip for this Python from the package index; return the path of its wheel."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    with urllib.request.urlopen(index, timeout=60) as answer:  # noqa: S310 - the user's own index
        page = answer.read().decode()
    found = []
    for attributes in re.findall(r"<a\s([^>]*)>", page):
        link = re.search(r'href="([^"]*/pip-([0-9.]+)-py3-none-any\.whl)#sha256=([0-9a-f]{64})"', attributes)
        needs = re.search(r">=\s*3\.([0-9]+)", html.unescape(attributes))
        if link and (needs is None or sys.version_info[1] >= int(needs.group(1))):
            found.append(([int(part) for part in link.group(2).split(".")], link.group(1), link.group(3)))
    if not found:
        raise OSError(f"{index} lists no pip for this Python")
    _, url, digest = max(found)
    with urllib.request.urlopen(urllib.parse.urljoin(index, url), timeout=60) as answer:  # noqa: S310
        wheel = answer.read()
    if hashlib.sha256(wheel).hexdigest() != digest:
        raise OSError(f"{url} is not what {index} says it is")
    path = os.path.join(directory, url.rsplit("/", 1)[1])
    with open(path, "wb") as opened:
        opened.write(wheel)
    return path


def main() -> None:
    """Make the environment, by this Python's own pip if it has one, else by one from the package index."""
    venv.create(PLACE, clear=True)
    if (
        subprocess.run([sys.executable, "-m", "pip", "--python", PYTHON, "install", "-q", "pip"]).returncode
        == 0
    ):
        return
    with tempfile.TemporaryDirectory() as directory:
        wheel = fetch_pip(directory)
        subprocess.run([PYTHON, f"{wheel}/pip", "install", "--quiet", wheel], check=True)


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.SubprocessError) as error:
        sys.exit(f"dev: no pip and none to be had ({error}); install Python's venv module and try again")
