"""What is a small transformer? Pre-norm blocks, for pictures (ViT) and for characters (GPT).

A. Vaswani et al.: Attention Is All You Need, NeurIPS 2017; the norm before each part, as in GPT-2.
A. Dosovitskiy et al.: An Image is Worth 16x16 Words, ICLR 2021, with the mean of all patches in
place of the class token.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.multipliers.errors import AxdseError


class Block(nn.Module):
    """Attention and an MLP of four times the width, each on a norm and added to its input."""

    hidden: Tensor | None

    def __init__(self, width: int, heads: int, context: int | None) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        later = torch.ones(context, context, dtype=torch.bool).triu(1) if context else None
        self.register_buffer("hidden", later, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, width] -> the same; with a context, none sees what is after it."""
        y = self.norm1(x)
        hidden = None if self.hidden is None else self.hidden[: x.shape[1], : x.shape[1]]
        y, _ = self.attention(y, y, y, attn_mask=hidden, need_weights=False)
        x = x + y
        y = self.down(F.gelu(self.up(self.norm2(x))))
        added: Tensor = x + y
        return added


class CharacterTransformer(nn.Module):
    """Codes of characters [B, T] to logits of each next one [B, alphabet, T]."""

    def __init__(self, alphabet: int, context: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(alphabet, width)
        self.position = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads, context) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, alphabet)
        for table in (self.embedding, self.position):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [B, T] with T up to the context."""
        places = torch.arange(codes.shape[1], device=codes.device)
        x = self.blocks(self.embedding(codes) + self.position(places))
        logits: Tensor = self.head(self.norm(x))
        return logits.transpose(1, 2)


class VisionTransformer(nn.Module):
    """Images [B, channels, size, size] to logits [B, classes]."""

    def __init__(
        self,
        channels: int,
        size: int,
        classes: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
    ) -> None:
        super().__init__()
        if size % patch:
            rule = "patches divide an image"
            raise AxdseError(rule, f"{patch} pixels of {size}", "choose another patch")
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(torch.randn(1, (size // patch) ** 2, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width, heads, None) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """FP32 of zero mean and unit variance."""
        x = self.patches(images).flatten(2).transpose(1, 2) + self.position
        logits: Tensor = self.head(self.norm(self.blocks(x)).mean(1))
        return logits
