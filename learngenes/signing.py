"""Who vouches for a learngene: signatures in the OpenSSF Model Signing format, over its file and its manifest.

signatures/<name>/<version>/<n>    the signature, a Sigstore bundle in JSON; the highest n counts
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from learngenes import gene
from learngenes.errors import BadSignature, BlobExists, InvalidValue, NotSigned
from learngenes.gene import Manifest
from learngenes.store import Store, check_name
from learngenes.tensorfile import TensorFile

SIGNATURE = "model.sig"
MOST_BYTES = 1 << 20
MOST_SIGNATURES = 100
"""Of one version, over time: none is forgotten."""

WEIGHTS, MANIFEST, CARD = "learngene.safetensors", "manifest.json", "README.md"
PREDICATE = "https://model_signing/signature/v1.0"


def sign(folder: Path, *, key: Path) -> bytes:
    """The signature of a learngene's files in a folder by a private elliptic-curve key (PEM); kept there too.

    The card stays outside of it: a newer library may word it otherwise.
    """
    signing, hashing = _library()[:2]
    private = _key(key)

    def signed() -> None:
        hashed = hashing.Config().set_ignored_paths(paths=[CARD, SIGNATURE])
        signer = signing.Config().use_elliptic_key_signer(private_key=private).set_hashing_config(hashed)
        signer.sign(folder, folder / SIGNATURE)

    _said(signed, f"{key.name} can't sign this; it has to be a private elliptic-curve key, unencrypted, in PEM")
    return (folder / SIGNATURE).read_bytes()


def verify(folder: Path, *, key: Path) -> None:
    """BadSignature unless the signature in the folder is by this public key and of these very files."""
    if not (folder / SIGNATURE).is_file():
        raise NotSigned(f"{folder} holds no {SIGNATURE}; `learngenes sign` makes one")
    check(folder_digests(folder), (folder / SIGNATURE).read_bytes())
    verifying = _library()[2]
    verifier = verifying.Config().use_elliptic_key_verifier(public_key=_key(key)).set_ignore_unsigned_files(True)
    _said(lambda: verifier.verify(folder, folder / SIGNATURE), f"the signature is not by {key.name}, or was changed")


def check(digests: dict[str, str], raw: bytes) -> None:
    """BadSignature unless this is a signature of files with these sha256. By whom it is, only its key can say."""
    try:
        envelope = json.loads(raw)["dsseEnvelope"]
        payload = json.loads(base64.b64decode(envelope["payload"], validate=True))
        if payload["predicateType"] != PREDICATE:
            raise BadSignature(f"this is a statement of type {str(payload['predicateType'])[:80]!r}, not {PREDICATE!r}")
        if not any(base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]):
            raise BadSignature("the envelope holds no signature: nobody signed this; `learngenes sign` does it")
        rows = payload["predicate"]["resources"]
        signed = {row["name"]: row["digest"] for row in rows if row["algorithm"] == "sha256"}
    except BadSignature:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise BadSignature(
            f"this is no signature in the Model Signing format ({type(error).__name__}); `learngenes sign` makes one"
        ) from None
    for name, digest in digests.items():
        if signed.get(name) != digest:
            have = f"sha256 {digest[:12]}"
            what = "is not signed" if name not in signed else f"was signed with sha256 {str(signed[name])[:12]}"
            raise BadSignature(f"{name} has {have} and {what}; these are not the files that were signed")


def digests(manifest: Manifest) -> dict[str, str]:
    """sha256 of what is signed of a learngene."""
    return {WEIGHTS: manifest.weights.sha256, MANIFEST: manifest.digest}


def folder_digests(folder: Path) -> dict[str, str]:
    """The same of the files in a folder, read anew."""
    found = {}
    for name in (WEIGHTS, MANIFEST):
        try:
            with (folder / name).open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise InvalidValue(f"{folder} holds no {name}; `learngenes export` writes what is signed") from None
    return found


def keep(store: Store, manifest: Manifest, raw: bytes, *, replaces: Callable[[], None] = lambda: None) -> None:
    """Keep a signature of a published learngene; a newer one counts. BadSignature if it is of something else.

    replaces: called before another one no longer counts; what it raises ends this.
    """
    if len(raw) > MOST_BYTES:
        raise BadSignature(f"the signature has {len(raw)} bytes, the most are {MOST_BYTES}")
    check(digests(manifest), raw)
    while True:
        n = max(_numbers(store, manifest), default=0)
        if n and store.read(_place(manifest, n)) == raw:
            return
        if n:
            replaces()
        if n >= MOST_SIGNATURES:
            raise BadSignature(f"{manifest.reference} has had {n} signatures, the most; publish a new version instead")
        try:
            store.create(_place(manifest, n + 1), [raw])
        except BlobExists:
            continue
        return


def read(store: Store, manifest: Manifest) -> bytes:
    """The newest signature of a learngene; NotSigned if there is none."""
    n = max(_numbers(store, manifest), default=0)
    if not n:
        raise NotSigned(f"learngene {manifest.reference} is not signed; `learngenes sign {manifest.reference}` does it")
    return store.read(_place(manifest, n))


@contextmanager
def laid_out(manifest: Manifest, file: TensorFile, *, signature: bytes | None = None) -> Iterator[Path]:
    """A learngene's files in a folder, while this lasts: what the signing library reads."""
    with tempfile.TemporaryDirectory(prefix="learngenes-") as parent:
        folder = Path(parent) / manifest.name
        folder.mkdir()
        (folder / WEIGHTS).write_bytes(file.view)
        (folder / MANIFEST).write_bytes(gene.to_json(manifest))
        if signature is not None:
            (folder / SIGNATURE).write_bytes(signature)
        yield folder


def _place(manifest: Manifest, n: int) -> str:
    return f"signatures/{check_name(manifest.name)}/{manifest.version}/{n}"


def _numbers(store: Store, manifest: Manifest) -> Iterator[int]:
    for key in store.keys(f"signatures/{check_name(manifest.name)}/{manifest.version}"):
        if (last := key.rpartition("/")[2]).isdecimal():
            yield int(last)


def _library() -> tuple[Any, Any, Any]:
    try:
        from model_signing import hashing, signing, verifying
    except ImportError as error:
        raise InvalidValue(f"signing needs model-signing ({error}); pip install 'learngenes[sign]'") from error
    return signing, hashing, verifying


def _key(path: Path) -> Path:
    if not path.is_file():
        raise InvalidValue(
            f"there is no key {path}; `openssl ecparam -name prime256v1 -genkey -noout -out key.pem` makes one, and "
            f"`openssl ec -in key.pem -pubout -out key.pub` its public half"
        )
    return path


def _said(act: Callable[[], None], otherwise: str) -> None:
    """What the library raises, of whatever kind, is one error of ours."""
    try:
        act()
    except Exception as error:
        raise BadSignature(f"{otherwise} ({type(error).__name__})") from error
