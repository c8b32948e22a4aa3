"""The fields of a preset as flags: ``--plan.volume.crf 40``, ``--decoder siren --decoder.width 64``.

A flag is the way to a field from the recipe down, the rules of the plan by their patterns. A *part* (grids, a
decoder, a compressor) is itself a flag: given an id, it is exchanged for the part of that id, and its fields are flags.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, get_type_hints

from fieldpress.compressors import COMPRESSORS
from fieldpress.compressors.base import Compressor
from fieldpress.config import Plain, Registry, from_plain, to_plain
from fieldpress.decoders import DECODERS
from fieldpress.errors import ConfigError
from fieldpress.grids import GRIDS, Grids
from fieldpress.interfaces import DecoderConfig
from fieldpress.literals import Path, flag_of, plain, value
from fieldpress.presets import Recipe
from fieldpress.training.config import Training

_REGISTRIES: dict[type, Registry[Any]] = {Grids: GRIDS, DecoderConfig: DECODERS, Compressor: COMPRESSORS}


@dataclass(frozen=True)
class Settings:
    """What flags can change of a recipe."""

    grids: Grids
    decoder: DecoderConfig
    plan: dict[str, Compressor]
    training: Training


def settings_of(recipe: Recipe) -> Settings:
    """The part of a recipe that flags can change."""
    return Settings(recipe.grids, recipe.decoder, recipe.plan, recipe.training)


def exchange_parts(settings: Settings, flags: Mapping[str, str | None]) -> Settings:
    """The settings with the parts whose ids are given; a part that already has the id keeps its values.

    Raises:
        ConfigError: No part has the id.
    """
    for flag in sorted(flags, key=lambda flag: flag.count(".")):  # a part before the parts inside it
        path, kind = _places(settings).get(flag, ((), None))
        if isinstance(kind, Registry):
            part = kind[value(flag, str, flags[flag])]
            if type(_at(settings, path)) is not part:
                settings = _replaced(settings, path, part())
    return settings


def known_flags(settings: Settings) -> list[str]:
    """Every flag of the settings."""
    return list(_places(settings))


def changed(recipe: Recipe, flags: Mapping[str, str | None]) -> Recipe:
    """The recipe with the fields that flags name; flags of nothing in it are passed over.

    Raises:
        ConfigError: A value is not one of its type, or the values do not go together.
    """
    settings = exchange_parts(settings_of(recipe), flags)
    places = _places(settings)
    given = {flag: text for flag, text in flags.items() if flag in places}
    if not given:
        return recipe
    # All at once: a codec and its preset only fit together after both have changed.
    table = to_plain(settings)
    for flag, text in given.items():
        path, kind = places[flag]
        if not isinstance(kind, Registry):
            _at(table, path[:-1])[path[-1]] = _value(flag, kind, text)
    complete: Settings = from_plain(Settings, table, recipe.name)
    return replace(recipe, **{field.name: getattr(complete, field.name) for field in fields(complete)})


def _value(flag: str, kind: Any, text: str | None) -> Plain:
    """What a text means, as plain data. A field that is true or false is no switch: its preset may have it on."""
    if text is None:
        raise ConfigError(f"{flag} needs a value{', true or false' if kind is bool else ''}")
    found = plain(kind, text)
    from_plain(kind, found, flag)
    return found


def _places(settings: Settings) -> dict[str, tuple[Path, Any]]:
    """Way and type of everything that has a flag; the type of a part is its registry."""
    return {flag_of(path): (path, kind) for path, kind in _walk(Settings, settings, ())}


def _walk(kind: Any, found: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    for base, registry in _REGISTRIES.items():
        if isinstance(found, base):
            yield path, registry
    if is_dataclass(found):
        hints = get_type_hints(type(found))
        for field in fields(found):
            yield from _walk(hints[field.name], getattr(found, field.name), (*path, field.name))
    elif isinstance(found, dict):
        for key, item in found.items():
            yield from _walk(None, item, (*path, key))
    else:
        yield path, kind


def _at(tree: Any, path: Path) -> Any:
    for name in path:
        tree = tree[name] if isinstance(tree, dict) else getattr(tree, name)
    return tree


def _replaced(tree: Any, path: Path, part: Any) -> Any:
    if not path:
        return part
    inner = _replaced(_at(tree, path[:1]), path[1:], part)
    return {**tree, path[0]: inner} if isinstance(tree, dict) else replace(tree, **{path[0]: inner})
