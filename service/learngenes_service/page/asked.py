"""What the address of the page asks for: its query, read leniently, each fault a sentence that the page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlencode

from learngenes.budget.exclusions import Budget
from learngenes.errors import InvalidValue
from learngenes.initialize import Request

MOST_DIGITS = 18
LIMITS = ("max_params", "max_macs", "max_bytes")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}


@dataclass(frozen=True, slots=True)
class Asked:
    """The query as it came, and empty where it said nothing.

    epochs: of training after which accuracies were measured; tensors: the page of the list of tensors; yanked: `allow`
    shows versions that were taken back too.
    """

    learngene: str = ""
    depth: str = ""
    width: str = ""
    dtype: str = ""
    num_classes: str = ""
    img_size: str = ""
    epochs: str = ""
    max_params: str = ""
    max_macs: str = ""
    max_bytes: str = ""
    tensors: str = ""
    yanked: str = ""

    @property
    def query(self) -> dict[str, str]:
        """What was said."""
        return {entry.name: value for entry in fields(self) if (value := getattr(self, entry.name))}

    def link(self, path: str = "/", **changed: str | int | None) -> str:
        """This address with some of it changed; None and empty take something out."""
        table: dict[str, str | int | None] = {**self.query, **changed}
        query = urlencode({name: value for name, value in table.items() if value not in (None, "")})
        return f"{path}?{query}" if query else path

    def to_request(self) -> Request:
        """The descendant that is asked for; InvalidValue for what is no number, and what Request raises."""
        numbers = {name: _whole(name, getattr(self, name)) for name in ("depth", "width", "num_classes", "img_size")}
        return Request(
            depth=numbers["depth"],
            width=numbers["width"],
            num_classes=numbers["num_classes"],
            img_size=numbers["img_size"],
            dtype=self.dtype or "f32",
        )

    def to_budget(self) -> Budget | None:
        """The limits, if any: 12M, 1.5G and plain numbers."""
        limits = {name: _amount(name, getattr(self, name)) for name in LIMITS}
        return Budget(**limits) if any(limit is not None for limit in limits.values()) else None

    @property
    def page_of_tensors(self) -> int:
        """From 1 on; 0 if the list is closed."""
        return int(self.tensors) if self.tensors.isascii() and self.tensors.isdecimal() and len(self.tensors) < 6 else 0

    @property
    def epochs_after(self) -> int:
        """Of training, after which the curve was measured."""
        return int(self.epochs) if self.epochs.isascii() and self.epochs.isdecimal() and len(self.epochs) < 6 else 0


def asked(query: Mapping[str, str]) -> Asked:
    """What the query says; what the page does not know is passed over, as pages do."""
    return Asked(**{entry.name: query.get(entry.name, "").strip()[:200] for entry in fields(Asked)})


def _whole(name: str, text: str) -> int | None:
    if not text:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS):
        raise InvalidValue(f"{name} is a whole number, got {text!r}")
    return int(text)


def _amount(name: str, text: str) -> int | None:
    """12M, 1.5G, 800k or a plain number."""
    if not text:
        return None
    plain = text.replace(",", "").replace(" ", "").lower()
    unit = plain[-1:] if plain[-1:] in _UNITS else ""
    number = plain.removesuffix(unit)
    whole, _, part = number.partition(".")
    if not (number.isascii() and (whole + part).isdecimal() and len(number) <= MOST_DIGITS):
        raise InvalidValue(f"{name} is a number such as 12M or 1.5G, got {text!r}")
    return round(float(number) * _UNITS[unit]) if unit or "." in number else int(number)
