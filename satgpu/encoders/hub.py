"""Files from the Hugging Face hub: the cache first, then a short look whether the hub answers, then the download."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path

from satgpu.errors import UserError

SATCLIP_TOWERS = {"resnet18": "ResNet18", "resnet50": "ResNet50", "vit16": "ViT16"}
SATCLIP_NAMES = tuple(f"satclip-{tower}-l{degree}" for tower in SATCLIP_TOWERS for degree in (10, 40))
# Without a network hf_hub_download tries for 23 s before it gives up, so reachability is asked separately.
PROBE_TIMEOUT_S = 8.0


@dataclass(frozen=True)
class HubFile:
    """One file of a hub repository."""

    repo: str
    filename: str

    @classmethod
    def of_satclip(cls, name: str) -> "HubFile":
        """The checkpoint of one of :data:`SATCLIP_NAMES`."""
        _, tower, degree = name.split("-")
        return cls(f"microsoft/SatCLIP-{SATCLIP_TOWERS[tower]}-{degree.upper()}", f"{name}.ckpt")


@dataclass(frozen=True)
class Fetched:
    """A hub file on this machine, and the commit it belongs to ("" if the cache doesn't say)."""

    path: Path
    commit: str


def cached(file: HubFile, revision: str | None = None, cache_dir: str | Path | None = None) -> Fetched | None:
    """The file from the cache folder, without any network; None if it isn't there.

    Raises:
        UserError: the revision isn't a branch, tag or commit name.
    """
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(file.repo, file.filename, cache_dir=cache_dir, revision=check_revision(revision))
    return _fetched(Path(found)) if isinstance(found, str) else None


def why_unreachable(file: HubFile, revision: str | None = None, timeout_s: float = PROBE_TIMEOUT_S) -> str:
    """Why the hub can't give the file now, "" where it can. Answers within ``timeout_s``.

    Asks for the file's metadata once, with the hub library's own client, so that
    endpoints, proxies, tokens and offline mode count as they will for the download.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(file.repo, file.filename, revision=check_revision(revision))
    answers: list[str] = []

    def ask() -> None:
        try:
            get_hf_file_metadata(url, timeout=timeout_s)
            answers.append("")
        except Exception as error:  # whatever the client raises is the reason
            answers.append(_reason(error))

    # Resolving a host name has no timeout of its own; a daemon thread can be left behind.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return answers[0] if answers else f"no answer within {timeout_s:g} s"


def fetch(
    file: HubFile,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: str | Path | None = None,
    timeout_s: float = PROBE_TIMEOUT_S,
) -> Fetched:
    """The file, from the cache or else from the hub.

    Raises:
        UserError: it is not cached, and the hub may not be asked or doesn't have it;
            says what to do.
    """
    local = cached(file, revision, cache_dir)
    if local:
        return local
    demand(file, revision, offline, timeout_s)
    return _download(file, revision, cache_dir)


def demand(
    file: HubFile, revision: str | None = None, offline: bool = False, timeout_s: float = PROBE_TIMEOUT_S
) -> None:
    """UserError unless the hub may be asked and has the file; for a file that is not cached."""
    what = f"{file.repo}/{file.filename}" + (f" at revision {revision}" if revision else "")
    remedy = f"download it from huggingface.co/{file.repo} and give its path, or use an untrained encoder"
    if offline:
        raise UserError(f"{what} is not in the cache, and offline mode was asked for; {remedy}")
    reason = why_unreachable(file, revision, timeout_s)
    if reason:
        raise UserError(f"{what} is not in the cache and the hub could not give it ({reason}); {remedy}")


def check_revision(revision: str | None) -> str | None:
    """The revision, if it is a plain branch, tag or commit name; nothing that could lead out of the cache folder."""
    plain = revision is None or (re.fullmatch(r"[\w][\w./-]{0,199}", revision) and ".." not in revision.split("/"))
    if not plain:
        raise UserError(f"revision {revision!r} is not a branch, tag or commit name")
    return revision


def _download(file: HubFile, revision: str | None, cache_dir: str | Path | None) -> Fetched:
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(file.repo, file.filename, revision=revision, cache_dir=cache_dir)
    except Exception as error:  # network and disk faults alike: one line, no traceback
        raise UserError(f"{file.repo}/{file.filename}: the download failed ({_reason(error)}); try again") from None
    return _fetched(Path(path))


def _fetched(path: Path) -> Fetched:
    # <cache>/models--<owner>--<name>/snapshots/<commit>/<file>
    commit = path.parent.name
    return Fetched(path, commit if re.fullmatch(r"[0-9a-f]{40}", commit) else "")


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split()).split(" (Request ID")[0]
    return f"{type(error).__name__}: {words[:100]}" if words else type(error).__name__
