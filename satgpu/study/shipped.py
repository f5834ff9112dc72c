"""The configurations that come with satgpu, found by name from any folder."""

from pathlib import Path

import satgpu


def shipped_configs() -> dict[str, Path]:
    """Name to file: those installed with the package, or those of the checkout it runs from."""
    package = Path(satgpu.__file__).parent
    folder = next((place for place in (package / "configs", package.parent / "configs") if place.is_dir()), None)
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder else {}


def config_path(word: str) -> str:
    """``word`` itself where it is a file or looks like one, else the shipped configuration of that name."""
    if Path(word).exists() or Path(word).suffix or "/" in word:
        return word
    found = shipped_configs().get(word)
    return str(found) if found else word
