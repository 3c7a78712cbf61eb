"""Makes one script of CommonJS packages, as a page loads it: `bundle.py NODE_MODULES PACKAGE GLOBAL`.

Standard library only. It knows what JsSIP and its dependencies use: relative names, folders with an index.js, packages
with a "browser" or "main" file, JSON.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

REQUIRE = re.compile(r"""\brequire\(\s*["']([^"']+)["']\s*\)""")
LOADER = """\
globalThis[%(name)s] = (() => {
  const files = {}, loaded = {};
  const load = (path) => {
    if (!loaded[path]) {
      const module = (loaded[path] = { exports: {} });
      files[path][0](module, module.exports, (name) => load(files[path][1][name]));
    }
    return loaded[path].exports;
  };
%(files)s
  return load(%(entry)s);
})();
"""


def file_of(path: Path) -> Path:
    """Return the file that a path without its ending means. Raises FileNotFoundError."""
    for candidate in (path, path.with_name(f"{path.name}.js"), path.with_name(f"{path.name}.json"), path / "index.js"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(path)


def entry_of(package: Path) -> Path:
    """Return the file that a package begins with."""
    told = json.loads((package / "package.json").read_text())
    browser = told.get("browser")
    return file_of(package / (browser if isinstance(browser, str) else told.get("main", "index.js")))


def resolve(name: str, here: Path, modules: Path) -> Path:
    """Return the file that `require(name)` in the file `here` means."""
    return file_of((here.parent / name).resolve()) if name.startswith(".") else entry_of(modules / name)


def bundle(modules: Path, package: str, name: str) -> str:
    """Return a script that puts a package's exports into a global variable."""
    entry = entry_of(modules / package).resolve()
    found: dict[Path, str] = {}
    waiting = [entry]
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        text = here.read_text()
        if here.suffix == ".json":
            text, names = f"module.exports = {text};", {}
        else:
            names = {each: resolve(each, here, modules).resolve() for each in sorted(set(REQUIRE.findall(text)))}
        table = json.dumps({each: str(path.relative_to(modules)) for each, path in names.items()})
        key = json.dumps(str(here.relative_to(modules)))
        found[here] = f"  files[{key}] = [(module, exports, require) => {{\n{text}\n}}, {table}];"
        waiting += names.values()
    return LOADER % {
        "name": json.dumps(name),
        "files": "\n".join(found[path] for path in sorted(found)),
        "entry": json.dumps(str(entry.relative_to(modules))),
    }


if __name__ == "__main__":
    sys.stdout.write(bundle(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3]))
