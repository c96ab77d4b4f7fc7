"""Builds the playground of the documentation: a page with Pyodide, this package and the quick start.

    python tools/playground.py FOLDER

`tools/site.py` calls it for `build/site/playground`. Pyodide comes from its npm package and the Python packages from wheels;
`make docs` installs both. The page loads nothing from another server.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
NODE = ROOT / "tests" / "integration" / "peers" / "node_modules"
PACKAGES = NODE / ".pyodide-packages"
PYODIDE = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "pyodide-lock.json",
    "python_stdlib.zip",
    "package.json",
)
_SKIPPED = ("__pycache__", "bin", "tests")
_SERVICE = """\
# First, on your machine:  reactive-ws hub --port 8000 --origin "*"
from reactive_ws.stores import Application

async with Application.at("ws://127.0.0.1:8000/ws") as app:
    await app.service.wait_connected(timeout=5)
    print(app.service.state.value)
    chat = app.sessions.create("First chat")
    await app.history.send(chat.id, "panel create Weather")
    panel = await app.carousel.active.wait_for(timeout=5)
    print("panel:", panel.title if panel else "none")
"""


def examples(readme: str) -> dict[str, str]:
    """Returns the programs that the page offers: the first block of the quick start, and a service."""
    block = re.search(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert block is not None
    return {"Quick start": block[1], "A service": _SERVICE}


def build(target: Path) -> None:
    """Writes the page and its files.

    Raises:
        FileNotFoundError: Pyodide or its packages are missing.
    """
    shutil.rmtree(target, ignore_errors=True)
    (target / "pyodide").mkdir(parents=True)
    for name in PYODIDE:
        shutil.copy(NODE / "pyodide" / name, target / "pyodide" / name)
    programs = json.dumps(examples((ROOT / "README.md").read_text("utf-8")), indent=1)
    page = (ROOT / "tools" / "playground.html").read_text("utf-8")
    page = page.replace("{examples}", programs.replace("</", "<\\/"))
    (target / "run.html").write_text(page, "utf-8")
    if not PACKAGES.is_dir():
        raise FileNotFoundError(PACKAGES)
    with zipfile.ZipFile(target / "packages.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        sources = [(ROOT / "reactive_ws", "reactive_ws"), (ROOT / "stores", "reactive_ws/stores")]
        for folder, place in [*sources, (PACKAGES, "")]:
            for path in sorted(folder.rglob("*")):
                within = path.relative_to(folder)
                if path.is_file() and not set(within.parts) & set(_SKIPPED):
                    archive.write(path, str(Path(place) / within))


def main() -> int:
    """Builds the playground in the folder of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    build(parser.parse_args().folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
