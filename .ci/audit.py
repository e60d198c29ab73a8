"""Asks the package index whether the tested versions have known holes; part of `make check`.

Exit code 1 if it knows of one. A network that does not allow the question is said in one line and fails nothing.
"""

import json
import subprocess
import sys
from pathlib import Path

SECONDS = 90.0
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def main() -> int:
    """Ask, and say what came of it."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS), "--format", "json"]
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "10"]
    try:
        asked = subprocess.run([*command, *options], capture_output=True, text=True, timeout=SECONDS)
        packages = json.loads(asked.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print("audit: the package index does not answer; the dependencies were not audited.")
        return 0
    found = [package for package in packages if package.get("vulns")]
    for package in found:
        names = ", ".join(hole["id"] for hole in package["vulns"])
        print(f"audit: {package['name']} {package['version']} has known holes: {names}", file=sys.stderr)
    unknown = sum("skip_reason" in package for package in packages)
    if unknown:
        print(f"audit: this package index has no advisories on {unknown} of {len(packages)} dependencies.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
