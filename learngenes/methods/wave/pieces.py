"""Tensors taken apart into blocks, and the templates and scalers that come closest to them. Free of torch."""

# L layers, P pieces of a layer (places of the grid), B numbers in a block, N templates

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from learngenes.fresh import INIT_STD
from learngenes.methods.wave.grids import Cut
from learngenes.sources import Order
from learngenes.tensorfile import FloatArray


def pieces(values: FloatArray, cut: Cut, order: Order) -> FloatArray:
    """R(W): one tensor as (P, B), so that R(sum_t S_t (x) T_t) = S^T T; of a norm's scale what it adds to one."""
    (rows, columns), (height, width) = cut.grid, cut.block
    if cut.ones:
        values = values - np.float32(1)
    if order == "scaler-first":
        apart = values.reshape(rows, height, columns, width).transpose(0, 2, 1, 3)
    else:
        apart = values.reshape(cut.parts, height, rows // cut.parts, width, columns).transpose(0, 2, 4, 1, 3)
    return apart.reshape(rows * columns, height * width)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The directions of a tensor's pieces over all layers, strongest first, and the squared norms along them.

    values (L, P, B); directions (R, B), orthonormal; energies (R). norm: of the tensors of all layers, the ones of a
    norm's scale included, to which errors are relative.
    """

    values: FloatArray
    directions: FloatArray
    energies: FloatArray
    norm: float

    def error(self, count: int) -> float:
        """Relative Frobenius error of the best `count` templates: sqrt(tail energy) (Eckart and Young)."""
        return float(np.sqrt(np.sum(self.energies[count:], dtype=np.float64)) / self.norm) if self.norm else 0.0

    def templates(self, count: int) -> FloatArray:
        """(N, B), of standard deviation about 0.02, the usual start; zero beyond the rank."""
        made = np.zeros((count, self.directions.shape[1]), np.float32)
        best = self.directions[:count]
        made[: len(best)] = best * (INIT_STD * np.sqrt(self.directions.shape[1]))
        return made


def spectrum(tensors: Sequence[FloatArray], cut: Cut, order: Order) -> Spectrum:
    """Of one tensor of every layer, by the eigenvectors of the smaller of Q Q^T and Q^T Q, in float64."""
    values = np.stack([pieces(tensor, cut, order) for tensor in tensors])
    q = values.reshape(-1, values.shape[-1]).astype(np.float64)
    wide = q.shape[0] < q.shape[1]
    found, vectors = np.linalg.eigh(q @ q.T if wide else q.T @ q)
    energies, vectors = np.maximum(found[::-1], 0.0), vectors[:, ::-1]
    kept = energies > energies[:1].sum() * 1e-14
    energies, vectors = energies[kept], vectors[:, kept]
    directions = (q.T @ vectors / np.sqrt(energies)).T if wide else vectors.T
    norm = float(np.sqrt(sum(np.sum(np.square(tensor, dtype=np.float64)) for tensor in tensors)))
    return Spectrum(values, directions.astype(np.float32), energies.astype(np.float32), norm)


def fitted(values: FloatArray, templates: FloatArray) -> FloatArray:
    """The scalers (..., N, P) with which templates (N, B) come closest to values (..., P, B): R(W) pinv(T)."""
    inverse = np.linalg.pinv(templates.astype(np.float64))
    return np.swapaxes(values.astype(np.float64) @ inverse, -1, -2).astype(np.float32)


def distance(values: FloatArray, templates: FloatArray, scalers: FloatArray, *, norm: float) -> float:
    """Measured error of scalers (..., N, P): the Frobenius norm of what is missing, relative to `norm`."""
    made = np.swapaxes(scalers, -1, -2).astype(np.float64) @ templates.astype(np.float64)
    return float(np.linalg.norm(values - made) / norm) if norm else 0.0
