"""What is asked of a learngene from outside before it is published: all that is said of it has to hold here, too."""

from __future__ import annotations

import contextlib

from learngenes import descendant, gene
from learngenes.card import learngene_card
from learngenes.catalog import Catalog
from learngenes.errors import BadManifest, InvalidValue, LearngeneNotFound, LearngenesError, NeedsLearning
from learngenes.families.vit import parameters
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize, method_of
from learngenes.recipe import KEYS
from learngenes.sizes import MAX_DEPTH, Size
from learngenes.store import check_name
from learngenes.stream import assemble
from learngenes.tensorfile import TensorFile, TensorFiles

MOST_PARAMETERS = 10**11
"""Of the network that a learngene was learned in: beyond, its sizes are no longer numbers that can be planned."""

MOST_SIZES = 1 << 17
"""Rankings look at each: 512 depths at 256 widths take about a second."""

MOST_LETTERS = 200
MOST_DESCRIBING = 10_000
MOST_MEASUREMENTS = 10_000


def check(manifest: Manifest, file: TensorFile, catalog: Catalog) -> None:
    """That this learngene can be served from this catalog: of a known method, whole, and computable where it is tried.

    Tried are its own size, the smallest, one in the middle, and the widest at twice the depth, by timm's names and by
    transformers'. BadManifest, CorruptLearngene, BadRecipe or InvalidValue say what is wrong with it.
    """
    check_name(manifest.name)
    if manifest.geometry.depth > MAX_DEPTH or parameters(manifest.geometry) > MOST_PARAMETERS:
        raise BadManifest(
            f"a network of depth {manifest.geometry.depth} and {parameters(manifest.geometry):,} parameters; the most "
            f"are depth {MAX_DEPTH} and {MOST_PARAMETERS:,}"
        )
    depth, width = manifest.space.depth, manifest.space.width
    sizes = ((depth.last - depth.first) // depth.step + 1) * ((width.last - width.first) // width.step + 1)
    if sizes > MOST_SIZES:
        raise BadManifest(
            f"depth {depth} and width {width} are {sizes:,} sizes, the most are {MOST_SIZES:,}: heads as narrow as "
            f"{manifest.geometry.width // manifest.geometry.heads} make steps too fine"
        )
    method = method_of(manifest)
    if manifest.family != "vit" or not set(manifest.varies) <= set(method.varies):
        raise BadManifest(
            f"a learngene of method {manifest.method!r} is of family 'vit' and varies {', '.join(method.varies)}; "
            f"this one says {manifest.family!r} and {', '.join(manifest.varies)[:80]}"
        )
    gene.verify(manifest, file)
    tensors: TensorFile | TensorFiles = file
    if manifest.parent is not None:
        parent = _parent(manifest, catalog)
        _check_fitted(manifest, parent)
        tensors = TensorFiles((file, catalog.open(parent)))
    check_shown(manifest)
    for size in _tried(manifest):
        # What was fitted to a size is there for that size: it may not need learning itself.
        with contextlib.nullcontext() if manifest.parent else contextlib.suppress(NeedsLearning):
            made = initialize(manifest, Request(depth=size.depth, width=size.width))
            assemble(made, tensors, converted=tensors)
            _describe(manifest, size)


def check_shown(manifest: Manifest) -> None:
    """That what the manifest says in words fits on a line where it is shown; BadManifest if not."""
    lines = [*manifest.labels, manifest.license, manifest.data_license]
    for one in manifest.quality:
        lines += [one.dataset, one.split, one.metric]
    for line in lines:
        if not (line.isprintable() and 0 < len(line) <= MOST_LETTERS):
            raise BadManifest(
                f"labels, licenses, and names of data sets, splits and metrics are lines of 1 to {MOST_LETTERS} "
                f"printable letters, got {line[:40]!r}"
            )
    if len(manifest.description) > MOST_DESCRIBING or len(manifest.quality) > MOST_MEASUREMENTS:
        raise BadManifest(
            f"a description has at most {MOST_DESCRIBING} letters, and a learngene {MOST_MEASUREMENTS} measurements; "
            f"got {len(manifest.description)} and {len(manifest.quality)}"
        )
    try:
        learngene_card(manifest)
    except (LearngenesError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise BadManifest(f"no card can be written of it: {str(error)[:MOST_LETTERS]}") from error


def _parent(manifest: Manifest, catalog: Catalog) -> Manifest:
    assert manifest.parent is not None
    try:
        parent = catalog.parent_of(manifest)
    except LearngenesError as error:
        where = "is not here" if isinstance(error, LearngeneNotFound) else "is another one here"
        raise BadManifest(
            f"this completes {manifest.parent.learngene[:80]}, which {where}: push that first; a learngene that was "
            f"fitted to a size goes to stores where its parent has the same version number"
        ) from None
    assert parent is not None
    return parent


def _check_fitted(manifest: Manifest, parent: Manifest) -> None:
    """That this answers for one size of its parent, under the name of that size, and is otherwise the parent's."""
    space = manifest.space
    size = space.nearest(manifest.geometry.depth, manifest.geometry.width)
    if not method_of(parent).fits or parent.parent is not None:
        raise BadManifest(f"sizes of {parent.reference} can't be fitted, and this says that it completes one")
    if space.depth.first != space.depth.last or space.width.first != space.width.last:
        raise BadManifest(
            f"what completes {parent.reference} is fitted to one size, this takes depth {space.depth} and width "
            f"{space.width}"
        )
    if not space.within(parent.space) or manifest.name != gene.fitted_name(parent.name, size):
        raise BadManifest(
            f"what is fitted to depth {size.depth}, width {size.width} of {parent.reference}, which takes depth "
            f"{parent.space.depth} and width {parent.space.width}, is called {gene.fitted_name(parent.name, size)!r}; "
            f"this is called {manifest.name!r}"
        )
    for what in ("method", "method_version", "geometry", "normalization", "labels"):
        if getattr(manifest, what) != getattr(parent, what):
            raise BadManifest(
                f"what completes {parent.reference} has its {what}, {str(getattr(parent, what))[:80]}; this says "
                f"{str(getattr(manifest, what))[:80]}"
            )


def _describe(manifest: Manifest, size: Size) -> None:
    """Every file beside the weights, by every naming of its tensors; BadManifest if one can't be written."""
    for keys in KEYS:
        try:
            made = initialize(manifest, Request(depth=size.depth, width=size.width, keys=keys))
        except InvalidValue:
            if keys == "timm":
                raise
            continue  # no model of transformers is like it
        try:
            descendant.files(made, manifest, id="0" * 64)
            descendant.document(made, manifest)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise BadManifest(
                f"the files of its depth {size.depth}, width {size.width} can't be written: {str(error)[:MOST_LETTERS]}"
            ) from error


def _tried(manifest: Manifest) -> list[Size]:
    """Its own size, the smallest, a middle one, and the widest at twice the depth: the deepest would take seconds."""
    space, geometry = manifest.space, manifest.geometry
    own = space.nearest(geometry.depth, geometry.width)
    middle = space.nearest(geometry.depth // 2 + 1, (space.width.first + space.width.last) // 2)
    deeper = space.depth.nearest(2 * geometry.depth)
    smallest = Size(space.depth.first, space.width.first)
    return list(dict.fromkeys((own, smallest, middle, Size(deeper, space.width.last))))
