"""FP32 words that sums are tried with."""

import numpy as np

SPECIALS = np.array([0x7F80_0000, 0xFF80_0000, 0x7FC0_0000], np.uint32)
# Each parameter of each kind somewhere, narrow ones above all: their branches are met often.
SUMS = (
    "float(8,23)",
    "float(8,7)",
    "float(5,10)",
    "float(5,10,round=rz)",
    "float(2,1)",
    "float(6,9,chunk=16)",
    "lazy(13,30)",
    "lazy(13,18,cut=down)",
    "lazy(3,9,round=rne)",
    "fixed(60,-40)",
    "fixed(20,-5,overflow=saturate)",
    "fixed(9,3,cut=down)",
    "dot(terms=7,acc=fixed(30,-12),overflow=saturate,chunk=14)",
    "dot(terms=4)",
    "dot(terms=5,align=exact,acc=float(4,3),round=rne)",
    "dot(terms=4,align=13,cut=down)",
    "dot(terms=4,align=13,carry=late)",
    "dot(terms=3,align=7,acc=float(3,4),carry=late,round=rne,chunk=9)",
    "dot(terms=32,align=40,round=rne)",
    "dot(terms=8,acc=lazy(5,20),cut=down,chunk=16)",
    "dot(terms=16,align=13)",
    "dot(terms=1,align=3,acc=float(8,2))",
    "dot(terms=3,align=8,acc=float(4,6))",
    "float(8,23,round=stochastic)",
    "float(6,5,round=stochastic,random=13)",
    "float(3,2,round=stochastic,random=1)",
    "dot(terms=4,align=13,acc=float(4,6),round=stochastic,random=11,chunk=8)",
    "dot(terms=5,align=exact,acc=float(5,4),round=stochastic,random=7)",
    "dot(terms=3,align=20,cut=down,acc=float(8,3),round=stochastic)",
)


def words(
    seed: int, shape: tuple[int, ...], spread: int, zeros: float = 0.2, specials: float = 0.0
) -> np.ndarray:
    """uint32 of that shape: exponents within `spread` of 0, fractions of any length."""
    rng = np.random.default_rng(seed)
    word = rng.integers(0, 1 << 32, shape, dtype=np.uint32)
    exponent = np.clip(rng.integers(127 - spread, 128 + spread, shape), 0, 254).astype(np.uint32)
    word = word & 0x807F_FFFF | exponent << 23
    word &= np.uint32(0xFFFF_FFFF) << rng.integers(0, 24, shape, dtype=np.uint32)
    chance = rng.random(shape)
    word = np.where(chance < zeros, word & 0x8000_0000, word)
    special = SPECIALS[rng.integers(0, 3, shape)]
    return np.where(chance > 1 - specials, special, word).astype(np.uint32)
