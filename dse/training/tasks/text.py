"""Can a network spell, or write? Sequences, which need range as well as precision.

`g2p` is the veto of a search on `teacher`: float(3,3) looks harmless there and ruins it here.
"""

import functools
import hashlib
import lzma
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axdse.dse.training.datasets import LARGEST, Splits
from axdse.dse.training.examples import Arrays, Examples
from axdse.dse.training.readers import characters
from axdse.dse.training.records import TrainSettings
from axdse.dse.training.task import Metric, Task
from axdse.dse.training.transformer import CharacterTransformer
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import InputFile

DATA = Path(__file__).parents[1] / "data"
WORDS, JARGON = DATA / "words.txt.xz", DATA / "jargon.txt.xz"
DIGESTS = {
    WORDS: "57598b47014ceac7eb051434e3d123a36affa7c937c6a7442d3e3728c2f793ed",
    JARGON: "0b22b22623ad78d6c183351ea5179ebb412825464f56844e21aeb6c7916e746a",
}
NONE = -1  # the target where a word has ended
SPELLING = TrainSettings(
    epochs=3, batch_size=64, learning_rate=5e-3, weight_decay=0.0, optimiser="adam", clip=1.0
)
WRITING = TrainSettings(
    epochs=8,
    batch_size=16,
    learning_rate=3e-3,
    weight_decay=0.0,
    optimiser="adam",
    evaluation_batch=250,
)
SPELLED, WRITTEN = 50 * 64, 150 * 16  # examples of an epoch


def nats(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of each token that is there: [B, symbols, T] and [B, T] -> [tokens]."""
    each = F.cross_entropy(outputs, targets, reduction="none", ignore_index=NONE)
    return each[targets != NONE]


def _loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs, targets, ignore_index=NONE)


def g2p(width: int = 64) -> Task:
    """A GRU reads the letters of a word, another one says its phonemes: nats a phoneme.

    Args:
        width: of both, at least 2.

    Raises:
        AxdseError: it is less.
    """
    if width < 2:
        raise AxdseError(
            "half of the width of g2p is that of its letters", width, "choose 64, say"
        )
    words = _words()
    return Task(
        model=lambda seed: Speller(words.letters, words.phonemes, width),
        splits=lambda: words.splits,
        loss=_loss,
        metric=Metric("cross entropy", "nats", "lower", 0.02, nats),
        settings=SPELLING,
        threads=1,
        loss_is_metric=True,
    )


class Speller(nn.Module):
    """Encoder and decoder, teacher forcing: letters and the phonemes before, to the next one."""

    def __init__(self, letters: int, phonemes: int, width: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, width // 2)
        self.phonemes = nn.Embedding(phonemes, width // 2)
        self.encoder = nn.GRU(width // 2, width, batch_first=True)
        self.decoder = nn.GRU(width // 2, width, batch_first=True)
        self.head = nn.Linear(width, phonemes)

    def forward(self, letters: Tensor, before: Tensor) -> Tensor:
        """int64 [B, L] and [B, P] -> logits [B, phonemes, P]."""
        _, state = self.encoder(self.letters(letters))
        said, _ = self.decoder(self.phonemes(before), state)
        logits: Tensor = self.head(said)
        return logits.transpose(1, 2)


class Words:
    """The words as codes; 0 is the space before a word, and the start and end of its phonemes."""

    def __init__(self, text: str) -> None:
        entries = [line.split() for line in text.splitlines()]
        letters = sorted({sign for word, *_ in entries for sign in word})
        phones = sorted({phone for _, *each in entries for phone in each})
        self.letters, self.phonemes = len(letters) + 1, len(phones) + 1
        code = {sign: i for i, sign in enumerate(letters, 1)}
        phone_code = {phone: i for i, phone in enumerate(phones, 1)}
        long, said = max(len(word) for word, *_ in entries), max(len(each) for each in entries)
        spelled = np.zeros((len(entries), long), np.int64)
        before = np.zeros((len(entries), said), np.int64)
        after = np.full((len(entries), said), NONE, np.int64)
        for row, (word, *each) in enumerate(entries):
            # At the right, so that the encoder ends with the last letter of each.
            spelled[row, long - len(word) :] = [code[sign] for sign in word]
            codes = [phone_code[phone] for phone in each]
            before[row, 1 : len(codes) + 1] = codes
            after[row, : len(codes) + 1] = [*codes, 0]
        arrays = [torch.from_numpy(each) for each in (spelled, before, after)]
        parts = zip(*(torch.tensor_split(each, (16_000, 18_000)) for each in arrays), strict=True)
        train, *others = ((spelled, before, after) for spelled, before, after in parts)
        self.splits: Splits[Examples] = Splits(
            Arrays(train[:2], train[2], drawn=SPELLED), *(Arrays(x[:2], x[2]) for x in others)
        )


@functools.cache
def _words() -> Words:
    return Words(_shipped(WORDS))


def charlm(
    file: str = "", context: int = 32, width: int = 64, depth: int = 2, heads: int = 4
) -> Task:
    """A small GPT reads text and guesses each next character: nats a character.

    Args:
        file: UTF-8 text; the first 5/6 are trained on. Default: a part of the Jargon File.
        context: characters that it sees.
        width: of its stream.
        depth: blocks.
        heads: of attention; they share the width equally.

    Raises:
        AxdseError: they cannot; or the text cannot be read, or is too short.
    """
    if width % heads:
        rule = "heads of attention share its width equally"
        raise AxdseError(rule, f"{heads} of {width}", "choose 4 of 64, say")
    text = _text(file)
    points, alphabet = characters(text)
    codes = torch.from_numpy(points)
    windows = codes[: (len(codes) - 1) // context * context]
    following = codes[1 : len(windows) + 1]
    inputs, targets = (x.reshape(-1, context) for x in (windows, following))
    count = len(inputs)
    if count < 12:
        rule = f"a text is of at least {12 * context + 1} characters"
        raise AxdseError(rule, f"{file} has {len(codes)}", "choose a longer one")
    bounds = (count * 10 // 12, count * 11 // 12)
    parts = zip(
        torch.tensor_split(inputs, bounds), torch.tensor_split(targets, bounds), strict=True
    )
    train, *others = parts
    splits: Splits[Examples] = Splits(
        Arrays(*train, drawn=WRITTEN), *(Arrays(*each) for each in others)
    )
    return Task(
        model=lambda seed: CharacterTransformer(len(alphabet), context, width, depth, heads),
        splits=lambda: splits,
        loss=_loss,
        metric=Metric("cross entropy", "nats", "lower", 0.03, nats),
        settings=WRITING,
        threads=1,
        loss_is_metric=True,
    )


def _text(file: str) -> str:
    if not file:
        return _shipped(JARGON)
    return InputFile(Path(file), "a text is a readable UTF-8 file", LARGEST).text()


@functools.cache
def _shipped(path: Path) -> str:
    remedy = "install axdse again"
    data = InputFile(path, "the texts must be readable", LARGEST, remedy).read()
    if hashlib.sha256(data).hexdigest() != DIGESTS[path]:
        raise AxdseError("the texts must match their digest", path, remedy)
    return lzma.decompress(data).decode()
