"""What to paste, for each client: it gets exactly the descendant that the page shows.

A hub's address names a learngene and a size: what differs from these in more is fetched by our client, then loaded.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from learngenes.errors import InvalidValue
from learngenes.families import transformers
from learngenes.families.architectures import Architecture
from learngenes.families.vit import Geometry
from learngenes.initialize import Request
from learngenes.sizes import Size

NARROW = 46
"""Letters of the arguments of a call that stay on its line."""

_BY_US = "our client fetches it, and loads it into their network."

TORCH = {"f16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True, slots=True)
class Snippet:
    """A tab. text: to paste, empty if there is no way; note: what to know of it."""

    id: str
    title: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the snippets fetch. reference: as the address names it; keyed: the caller came with a key; yanked: versions
    that were taken back may be had.
    """

    base_url: str
    reference: str
    size: Size
    request: Request
    keyed: bool
    yanked: bool = False

    @property
    def beyond_hub(self) -> str:
        """Why no address of the hub has it, if so."""
        if self.yanked:
            return "A version that was taken back"
        others = (self.request.num_classes, self.request.img_size)
        return "" if others == (None, None) else "A size with other classes or images"

    @property
    def body(self) -> dict[str, object]:
        """Of POST /initialize: the size, and of the rest what was asked for."""
        asked = {
            "num_classes": self.request.num_classes,
            "img_size": self.request.img_size,
            "dtype": None if self.request.dtype == "f32" else self.request.dtype,
        }
        size = {"learngene": self.reference, "depth": self.size.depth, "width": self.size.width}
        return {**size, **{name: value for name, value in asked.items() if value is not None}}

    @property
    def repository(self) -> str:
        """Of the hub protocol."""
        name = self.reference.partition("@")[0]
        return f"{name}/depth{self.size.depth}-width{self.size.width}"

    @property
    def revision(self) -> str:
        """Of the hub protocol: empty for the newest version."""
        pinned = self.reference.partition("@")[2]
        return f"v{pinned}" if pinned.isdecimal() else pinned


def snippets(wanted: Wanted, geometry: Architecture) -> tuple[Snippet, ...]:
    """curl, Python, timm, transformers and the command line."""
    return (
        _curl(wanted),
        _python(wanted, geometry),
        _timm(wanted, geometry),
        _transformers(wanted, geometry),
        _cli(wanted),
    )


def _curl(wanted: Wanted) -> Snippet:
    key = ['  -H "Authorization: Bearer $LEARNGENES_KEY" \\'] if wanted.keyed else []
    body = shlex.quote(json.dumps(wanted.body, separators=(",", ":")))
    url = wanted.base_url + "/initialize" + ("?yanked=allow" if wanted.yanked else "")
    lines = [f"curl -fo model.safetensors {shlex.quote(url)} \\", *key, f"  -d {body}"]
    return Snippet(
        "curl", "curl", "\n".join(lines), "Streams the checkpoint; Content-Location is where it can be resumed."
    )


def _python(wanted: Wanted, geometry: Architecture) -> Snippet:
    use = "network = model.to_timm()" if isinstance(geometry, Geometry) else "print(model.path)"
    note = "Cached, verified, resumed." + (" The key is read from LEARNGENES_KEY." if wanted.keyed else "")
    return Snippet("python", "Python", "\n".join(_fetched(wanted, {}, use)), note)


def _fetched(wanted: Wanted, more: dict[str, object], use: str) -> list[str]:
    """Fetch it by our client, then use the model."""
    allowed = {"allow_yanked": True} if wanted.yanked else {}
    arguments = _call([f"{name}={value!r}" for name, value in (wanted.body | more | allowed).items()], indent=4)
    client = ["from learngenes_client import Client", "", f"with Client({wanted.base_url!r}) as client:"]
    return [*client, f"    model = client.fetch_model{arguments}", "", use]


def _timm(wanted: Wanted, geometry: Architecture) -> Snippet:
    if not isinstance(geometry, Geometry):
        return Snippet("timm", "timm", "", "This network is no plain ViT: timm has no class for it.")
    halved = wanted.request.dtype in TORCH
    if wanted.beyond_hub:
        cast = f".to(torch.{TORCH[wanted.request.dtype]})" if halved else ""
        lines = [*(["import torch"] if halved else []), *_fetched(wanted, {}, f"network = model.to_timm(){cast}")]
        return Snippet("timm", "timm", "\n".join(lines), f"{wanted.beyond_hub} has no address in the hub: {_BY_US}")
    revision = f"@{wanted.revision}" if wanted.revision else ""
    call = _call([f'"hf-hub:{wanted.repository}{revision}"', "pretrained=True"])
    lines = [
        *_endpoint(wanted),
        "import timm",
        *(["import torch"] if halved else []),
        "",
        f"network = timm.create_model{call}",
        *([f"network = network.to(torch.{TORCH[wanted.request.dtype]})"] if halved else []),
    ]
    return Snippet(
        "timm", "timm", "\n".join(lines), "Nothing but the endpoint is ours: unmodified timm, 0.9.12 or newer."
    )


def _transformers(wanted: Wanted, geometry: Architecture) -> Snippet:
    try:
        transformers.model_type(geometry)
        suffix, note = "-hf", "A native checkpoint: no code of ours, no timm."
    except InvalidValue as error:
        if not isinstance(geometry, Geometry):
            return Snippet("transformers", "transformers", "", f"{str(error).partition(';')[0].capitalize()}.")
        suffix, note = "", "Through transformers' TimmWrapper, with timm installed."
    if wanted.beyond_hub:
        keys: dict[str, object] = {"keys": "transformers"} if suffix else {}
        text = "\n".join(_fetched(wanted, keys, "network = model.to_transformers()"))
        note = f"{wanted.beyond_hub} has no address in the hub: {_BY_US}"
        return Snippet("transformers", "transformers", text, note)
    arguments = [f'"{wanted.repository}{suffix}"']
    if wanted.revision:
        arguments.append(f'revision="{wanted.revision}"')
    if wanted.request.dtype in TORCH:
        arguments.append(f'dtype="{TORCH[wanted.request.dtype]}"')
    lines = [
        *_endpoint(wanted),
        "from transformers import AutoModelForImageClassification",
        "",
        f"network = AutoModelForImageClassification.from_pretrained{_call(arguments)}",
    ]
    return Snippet("transformers", "transformers", "\n".join(lines), note)


def _cli(wanted: Wanted) -> Snippet:
    flags = {"learngene": "--learngene", "num_classes": "--num-classes", "img_size": "--img-size", "dtype": "--dtype"}
    words = [f"--depth {wanted.size.depth} --width {wanted.size.width}"]
    words += [f"{flags[name]} {value}" for name, value in wanted.body.items() if name in flags]
    words += ["--allow-yanked"] if wanted.yanked else []
    fetch = f"learngenes fetch {' '.join(words)} \\"
    lines = [f"export LEARNGENES_URL={shlex.quote(wanted.base_url)}", fetch, "  --out model.safetensors"]
    return Snippet("cli", "CLI", "\n".join(lines), "Comes with the Python client.")


def _call(arguments: list[str], *, indent: int = 0) -> str:
    """Arguments in parentheses, a line each where one line is too narrow."""
    line = f"({', '.join(arguments)})"
    if len(line) <= NARROW:
        return line
    margin = " " * indent
    return "(\n" + "".join(f"{margin}    {argument},\n" for argument in arguments) + f"{margin})"


def _endpoint(wanted: Wanted) -> list[str]:
    lines = ["import os", "", f'os.environ["HF_ENDPOINT"] = {json.dumps(wanted.base_url)}']
    return [*lines, 'os.environ["HF_TOKEN"] = os.environ["LEARNGENES_KEY"]'] if wanted.keyed else lines
