"""Where does jargon.txt.xz come from? The Jargon File 4.4.7, in Debian's `jargon-text`.

The first 480,000 characters of its entries, printable ASCII, white space joined. Usage:
make_jargon.py jargon.txt.gz; running it again gives the same bytes.
"""

import gzip
import lzma
import re
import sys
from pathlib import Path

CHARACTERS = 480_000
QUOTES = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\u00b7", "''\"\"---")
FIRST_ENTRY = ":abbrev:"  # what is before are contents and essays


def main() -> None:
    """Write the file beside this script."""
    text = gzip.decompress(Path(sys.argv[1]).read_bytes()).decode()
    text = text[text.rindex(FIRST_ENTRY) :].translate(QUOTES)
    text = re.sub(r"[^ -~\n]", " ", text)
    text = re.sub(r" *\n\s*", "\n", re.sub(r"[ \t]+", " ", text)).strip()
    data = lzma.compress(text[:CHARACTERS].encode(), preset=9 | lzma.PRESET_EXTREME)
    Path(__file__).with_name("jargon.txt.xz").write_bytes(data)


if __name__ == "__main__":
    main()
