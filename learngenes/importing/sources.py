"""Where networks come from: a file, a repository of the Hugging Face hub, a name of timm's. Safetensors only.

path/to/model.safetensors    or a folder with it; a config.json and preprocessor_config.json beside it are read
hf:owner/name[@revision]     by huggingface_hub, which asks HF_ENDPOINT
timm:name                    the weights that timm publishes by this name; `timm:hf-hub:owner/name` is `hf:owner/name`
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from learngenes.errors import BadTensorFile, InvalidValue, UnknownName
from learngenes.importing import configs
from learngenes.importing.checkpoint import Facts
from learngenes.importing.configs import Said
from learngenes.importing.renaming import of_training, of_transformers
from learngenes.tensorfile import TensorFile

WEIGHTS, CONFIG, PREPROCESSOR = "model.safetensors", "config.json", "preprocessor_config.json"
MOST_CONFIG_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A network by timm's names. facts: what is known of it; notes: sentences for who imports it."""

    file: TensorFile
    facts: Facts
    notes: tuple[str, ...] = ()


def open_source(text: str, facts: Facts, *, scratch: Path | None = None) -> Source:
    """The network that the text names; facts: what is known before. InvalidValue or BadTensorFile says what is wrong.

    scratch: a directory for a renamed file, which takes its size on disk while it is open.
    """
    if text.startswith("hf:"):
        return _of_hub(text.removeprefix("hf:"), replace(facts, source=text), scratch)
    if text.startswith("timm:"):
        return _of_timm(text.removeprefix("timm:"), replace(facts, source=text), scratch)
    path = Path(text.removeprefix("file:"))
    path = path / WEIGHTS if path.is_dir() else path
    if path.suffix != ".safetensors":
        raise InvalidValue(
            f"{path.name!r} is no .safetensors file: other formats can run code when opened, so convert it first; a "
            f"network of a hub is written hf:owner/name, one of timm's timm:name"
        )
    file = _opened(path)
    source = f"{path.name}, sha256 {hashlib.sha256(file.view).hexdigest()}"
    return _with_config(file, path.parent, replace(facts, source=source), scratch)


def _with_config(file: TensorFile, folder: Path, facts: Facts, scratch: Path | None) -> Source:
    config = _json(folder / CONFIG)
    if configs.is_transformers(config):
        said = configs.by_transformers(config, _json(folder / PREPROCESSOR), facts)
        return Source(of_transformers(file, config, scratch=scratch), said.facts, said.notes)
    file = of_training(file, scratch=scratch)
    if "architecture" not in config:
        return Source(file, facts)
    said = configs.by_timm(config, facts)
    return _checked(file, config, said)


def _checked(file: TensorFile, config: dict[str, Any], said: Said) -> Source:
    """What tensors do not show, asked of timm where it is there."""
    if configs.certain(config):
        return Source(file, said.facts, said.notes)
    architecture = str(config["architecture"])[:80]
    if importlib.util.find_spec("timm") is None:
        raise InvalidValue(
            f"whether {architecture!r} is a plain ViT can only be said by timm: pip install 'learngenes[train]'"
        )
    from learngenes.training.parent import heads_and_pool

    heads, pool = heads_and_pool(architecture, configs.arguments(config))
    return Source(file, replace(said.facts, heads=heads, pool=said.facts.pool or pool), said.notes)


def _of_hub(reference: str, facts: Facts, scratch: Path | None) -> Source:
    repository, _, revision = reference.partition("@")
    try:
        from huggingface_hub import constants, errors, snapshot_download
    except ImportError as error:
        raise InvalidValue(f"hf: needs huggingface_hub ({error}); pip install 'learngenes[hub]'") from error
    where = constants.ENDPOINT
    try:
        folder = snapshot_download(
            repository, revision=revision or None, allow_patterns=[WEIGHTS, CONFIG, PREPROCESSOR]
        )
    except errors.HFValidationError as error:
        raise InvalidValue(f"{repository!r} is no repository, write hf:owner/name[@revision]: {error}") from None
    except errors.RevisionNotFoundError:
        raise InvalidValue(f"{repository} at {where} has no revision {revision!r}; leave @{revision} out") from None
    except errors.RepositoryNotFoundError:
        raise InvalidValue(f"{where} has no {repository!r}, or shows it only to who has its HF_TOKEN") from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise InvalidValue(f"hf:{reference} can't be fetched from {where}: {said[0]}") from None
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise InvalidValue(
            f"hf:{reference} has no {WEIGHTS}: other formats can run code when opened, and a network in several files "
            f"has to be saved as one"
        )
    return _with_config(_opened(path), Path(folder), facts, scratch)


def _of_timm(name: str, facts: Facts, scratch: Path | None) -> Source:
    if name.startswith("hf-hub:"):
        return _of_hub(name.removeprefix("hf-hub:"), facts, scratch)
    import timm

    if not timm.is_model(name):
        raise UnknownName("network of timm's", name, timm.list_models())
    published = timm.get_pretrained_cfg(name)
    if published is None or not published.hf_hub_id:
        raise InvalidValue(f"timm publishes no safetensors of {name!r}; see timm.list_pretrained()")
    return _of_hub(published.hf_hub_id, facts, scratch)


def _opened(path: Path) -> TensorFile:
    try:
        return TensorFile.open(path)
    except FileNotFoundError:
        raise InvalidValue(f"there is no file {path}; write a path, hf:owner/name or timm:name") from None
    except BadTensorFile as error:
        raise BadTensorFile(f"{path.name} can't be read: {error}") from None


def _json(path: Path) -> dict[str, Any]:
    """The table in a file; empty if there is no such file."""
    try:
        with path.open("rb") as file:
            table = json.loads(file.read(MOST_CONFIG_BYTES))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"{path.name} beside the network is no JSON: {error}; mend it or take it away") from None
    if not isinstance(table, dict):
        raise InvalidValue(f"{path.name} beside the network is no table; mend it or take it away")
    return table
