from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import factories
import pytest
from cases.signatures import new_key

from learngenes import signing
from learngenes.catalog import Catalog
from learngenes.errors import BadSignature, InvalidValue, NotSigned
from learngenes.gene import Manifest
from learngenes.importing import exported

pytest.importorskip("model_signing")


@pytest.fixture
def catalog() -> Catalog:
    return factories.catalog(None, factories.learngene())


@pytest.fixture
def manifest(catalog: Catalog) -> Manifest:
    return catalog.get("tiny")


@pytest.fixture
def folder(catalog: Catalog, manifest: Manifest, tmp_path: Path) -> Path:
    exported.write(catalog, manifest, tmp_path / "out")
    return tmp_path / "out"


def test_what_was_signed_is_verified_by_the_other_half_of_the_key(folder: Path, tmp_path: Path) -> None:
    private, public = new_key(tmp_path)
    raw = signing.sign(folder, key=private)
    assert (folder / "model.sig").read_bytes() == raw
    signing.verify(folder, key=public)
    (folder / "README.md").write_text("another card")  # a newer library words it otherwise
    (folder / "notes.txt").write_text("mine")
    signing.verify(folder, key=public)
    resources = json.loads(base64.b64decode(json.loads(raw)["dsseEnvelope"]["payload"]))["predicate"]
    assert [row["name"] for row in resources["resources"]] == ["learngene.safetensors", "manifest.json"]


@pytest.mark.parametrize("name", ["learngene.safetensors", "manifest.json"])
def test_any_flipped_bit_is_seen(folder: Path, tmp_path: Path, name: str) -> None:
    private, public = new_key(tmp_path)
    signing.sign(folder, key=private)
    raw = bytearray((folder / name).read_bytes())
    raw[-2] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(BadSignature, match=rf"{name} has sha256 [0-9a-f]{{12}} and was signed with sha256") as error:
        signing.verify(folder, key=public)
    assert "\n" not in str(error.value)


def test_another_key_and_a_changed_signature_are_seen(folder: Path, tmp_path: Path) -> None:
    private, public = new_key(tmp_path)
    _, stranger = new_key(tmp_path, "stranger")
    raw = signing.sign(folder, key=private)
    with pytest.raises(BadSignature, match=r"the signature is not by stranger.pub, or was changed"):
        signing.verify(folder, key=stranger)
    bundle = json.loads(raw)
    signature = bundle["dsseEnvelope"]["signatures"][0]
    signature["sig"] = signature["sig"][:10] + ("A" if signature["sig"][10] != "A" else "B") + signature["sig"][11:]
    (folder / "model.sig").write_text(json.dumps(bundle))
    with pytest.raises(BadSignature, match=r"not by key.pub, or was changed"):
        signing.verify(folder, key=public)
    (folder / "model.sig").unlink()
    with pytest.raises(NotSigned, match=r"holds no model.sig"):
        signing.verify(folder, key=public)


def test_a_key_that_is_none_says_how_to_make_one(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="openssl ecparam -name prime256v1"):
        signing.sign(folder, key=tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_text("secret")
    with pytest.raises(BadSignature, match=r"bad.pem can't sign this; it has to be a private elliptic-curve key"):
        signing.sign(folder, key=tmp_path / "bad.pem")


def test_a_store_keeps_the_newest_signature_of_a_version(catalog: Catalog, manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(NotSigned, match="learngene tiny@1 is not signed; `learngenes sign tiny@1` does it"):
        signing.read(catalog.store, manifest)
    made = []
    for name in ("one", "two"):
        private, public = new_key(tmp_path, name)
        with signing.laid_out(manifest, catalog.open(manifest)) as folder:
            made.append(signing.sign(folder, key=private))
        for _ in range(2):
            signing.keep(catalog.store, manifest, made[-1])
        assert signing.read(catalog.store, manifest) == made[-1]
        with signing.laid_out(manifest, catalog.open(manifest), signature=made[-1]) as folder:
            signing.verify(folder, key=public)
    assert len(list(catalog.store.keys("signatures"))) == 2
    with pytest.raises(BadSignature, match=r"manifest.json has sha256 .* not the files that were signed"):
        signing.keep(catalog.store, replace(manifest, license="mit"), made[0])


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{}", b"[]", b"null", b"[" * 100_000, b"\xff", b"x" * (signing.MOST_BYTES + 1)),
        *(b'{"dsseEnvelope": 1}', b'{"dsseEnvelope": {"payload": "!"}}', b'{"dsseEnvelope": {"payload": "e30="}}'),
    ],
    ids=range(10),
)
def test_what_is_no_signature_is_not_kept(catalog: Catalog, manifest: Manifest, raw: bytes) -> None:
    with pytest.raises(BadSignature):
        signing.keep(catalog.store, manifest, raw)
    assert list(catalog.store.keys("signatures")) == []


def test_a_statement_of_another_kind_is_none() -> None:
    payload = base64.b64encode(json.dumps({"predicateType": "https://slsa.dev/provenance/v1"}).encode()).decode()
    with pytest.raises(BadSignature, match=r"of type 'https://slsa.dev/provenance/v1', not"):
        signing.check({}, json.dumps({"dsseEnvelope": {"payload": payload}}).encode())


def unsigned(manifest: Manifest, note: str, **more: object) -> bytes:
    """A bundle that says the right things, by whoever made `sig` up."""
    rows = [{"name": n, "digest": d, "algorithm": "sha256"} for n, d in signing.digests(manifest).items()]
    statement = {"predicateType": signing.PREDICATE, "predicate": {"resources": rows}}
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps({"note": note, "dsseEnvelope": {"payload": payload} | more}).encode()


@pytest.mark.parametrize("more", [{}, {"signatures": []}, {"signatures": [{}]}, {"signatures": [{"sig": ""}]}], ids=str)
def test_an_envelope_that_nobody_signed_is_refused(
    catalog: Catalog, manifest: Manifest, more: dict[str, object]
) -> None:
    with pytest.raises(BadSignature):
        signing.keep(catalog.store, manifest, unsigned(manifest, "x", **more))


def test_a_version_has_a_number_of_signatures_and_who_replaces_one_is_asked(
    catalog: Catalog, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "MOST_SIGNATURES", 2)
    one, two, three = (unsigned(manifest, note, signatures=[{"sig": "eHg="}]) for note in "abc")

    def never() -> None:
        raise PermissionError

    for _ in range(2):
        signing.keep(catalog.store, manifest, one, replaces=never)
    with pytest.raises(PermissionError):
        signing.keep(catalog.store, manifest, two, replaces=never)
    signing.keep(catalog.store, manifest, two)
    with pytest.raises(BadSignature, match="has had 2 signatures, the most"):
        signing.keep(catalog.store, manifest, three)
    assert signing.read(catalog.store, manifest) == two
