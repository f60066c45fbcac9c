"""CLIP and MiniLM in PyTorch, by the names of the published files: `image_tower`,
`text_tower`, `minilm`.

They are written from the papers and the published classes, and work on the tensors of
`golden.clip_tensors`.
"""

import torch
from golden.torch_ddcolor import layer_norm, weight_bias
from torch.nn import functional

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HEAD = 64


def quick_gelu(x):
    return x / (1 + torch.exp(-1.702 * x))


def image_tower(tensors, rgb, places=False, activation=quick_gelu) -> torch.Tensor:
    """[b d] of images [b 3 h w]; with `places` [b d h w], by MaskCLIP.

    There the last block passes on each token's own value instead of attending.
    """
    mean, std = (torch.tensor(x)[:, None, None] for x in (MEAN, STD))
    kernel = tensors["visual.conv1.weight"]
    patches = functional.conv2d((rgb - mean) / std, kernel, stride=kernel.shape[-1])
    x = patches.flatten(2).mT
    whole = tensors["visual.class_embedding"].expand(len(x), 1, -1)
    x = torch.cat([whole, x], 1) + grid_positions(tensors, patches.shape[2:])
    x = layer_norm(tensors, "visual.ln_pre", x)
    count = sum(k.startswith("visual.") and k.endswith("c_fc.bias") for k in tensors)
    for number in range(count):
        alone = places and number == count - 1
        block = f"visual.transformer.resblocks.{number}"
        x = clip_block(tensors, block, x, activation, alone=alone)
    x = layer_norm(tensors, "visual.ln_post", x) @ tensors["visual.proj"]
    if not places:
        return x[:, 0]
    return x[:, 1:].mT.unflatten(2, patches.shape[2:])


def grid_positions(tensors, size) -> torch.Tensor:
    positions = tensors["visual.positional_embedding"]
    side = round((len(positions) - 1) ** 0.5)
    if tuple(size) == (side, side):
        return positions
    square = positions[1:].T.unflatten(1, (side, side))[None]
    square = functional.interpolate(square, tuple(size), mode="bilinear")
    return torch.cat([positions[:1], square[0].flatten(1).T])


def text_tower(tensors, tokens, activation=quick_gelu) -> torch.Tensor:
    """[b d] of tokens [b n]."""
    x = tensors["token_embedding.weight"][tokens] + tensors["positional_embedding"]
    count = sum(k.startswith("transf") and k.endswith("c_fc.bias") for k in tensors)
    for number in range(count):
        block = f"transformer.resblocks.{number}"
        x = clip_block(tensors, block, x, activation, causal=True)
    x = layer_norm(tensors, "ln_final", x)
    return x[torch.arange(len(x)), tokens.argmax(-1)] @ tensors["text_projection"]


def clip_block(tensors, key, x, activation, causal=False, alone=False) -> torch.Tensor:
    y = layer_norm(tensors, f"{key}.ln_1", x)
    parts = functional.linear(
        y, tensors[f"{key}.attn.in_proj_weight"], tensors[f"{key}.attn.in_proj_bias"]
    )
    *_, value = split = parts.chunk(3, -1)
    y = value if alone else attention(*split, x.shape[-1] // HEAD, causal=causal)
    x = x + functional.linear(y, *weight_bias(tensors, f"{key}.attn.out_proj"))
    y = layer_norm(tensors, f"{key}.ln_2", x)
    y = activation(functional.linear(y, *weight_bias(tensors, f"{key}.mlp.c_fc")))
    return x + functional.linear(y, *weight_bias(tensors, f"{key}.mlp.c_proj"))


def minilm(tensors, tokens, mask, heads=12) -> torch.Tensor:
    """The states [b n c] of tokens [b n]."""
    words, positions, kinds = (
        tensors[f"embeddings.{kind}_embeddings.weight"]
        for kind in ("word", "position", "token_type")
    )
    x = words[tokens] + positions[: tokens.shape[1]] + kinds[0]
    x = layer_norm(tensors, "embeddings.LayerNorm", x, 1e-12)
    count = sum(key.endswith("intermediate.dense.bias") for key in tensors)
    for number in range(count):
        layer = f"encoder.layer.{number}"

        def linear(x, name, layer=layer):
            return functional.linear(x, *weight_bias(tensors, f"{layer}.{name}"))

        names = ("query", "key", "value")
        split = [linear(x, f"attention.self.{name}") for name in names]
        y = attention(*split, heads, mask=mask[:, None, None])
        x = x + linear(y, "attention.output.dense")
        x = layer_norm(tensors, f"{layer}.attention.output.LayerNorm", x, 1e-12)
        y = functional.gelu(linear(x, "intermediate.dense"))
        x = x + linear(y, "output.dense")
        x = layer_norm(tensors, f"{layer}.output.LayerNorm", x, 1e-12)
    return x


def attention(query, key, value, heads, mask=None, causal=False) -> torch.Tensor:
    split = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value)]
    y = functional.scaled_dot_product_attention(*split, mask, is_causal=causal)
    return y.transpose(1, 2).flatten(2)
