"""Files of users: the layouts that are read, and that nothing in them is obeyed."""

import io
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from axdse.dse.training.images import images
from axdse.dse.training.pictures import ImageFolder, read_picture
from axdse.dse.training.readers import characters, map_npy, read_cifar_batch, read_idx, read_npz
from axdse.dse.training.records import TrainSettings
from axdse.dse.training.task import make
from axdse.dse.training.train import train
from axdse.dse.training.workloads import find_workload
from axdse.multipliers.errors import AxdseError


def colours(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bytes [n, 3072] whose first one is the label."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 10, count)
    data = draw.integers(0, 256, (count, 3072)).astype(np.uint8)
    data[:, 0] = labels
    return data, labels


def python2_batch(data: np.ndarray, labels: list[int]) -> bytes:
    """A batch as CIFAR's own: protocol 2 of Python 2, byte strings, numpy.core.multiarray."""
    out = io.BytesIO(b"")
    out.write(b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03")
    out.write(b"U\x06labelsq\x04]q\x05(" + b"".join(b"K" + bytes([x]) for x in labels) + b"e")
    out.write(b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08")
    out.write(b"K\x00\x85U\x01b\x87Rq\x09(K\x01")
    out.write(b"M" + len(data).to_bytes(2, "little") + b"M\x00\x0c\x86cnumpy\ndtype\nq\x0a")
    out.write(
        b"U\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    out.write(b"\x89T" + data.nbytes.to_bytes(4, "little") + data.tobytes() + b"tbu.")
    return out.getvalue()


def python3_batch(data: np.ndarray, labels: list[int], key: str = "labels") -> bytes:
    return pickle.dumps({b"data": data, key.encode(): labels, b"filenames": [b"a.png"]}, 2)


@pytest.mark.parametrize("pack", [python2_batch, python3_batch])
def test_cifar(pack: Callable[[np.ndarray, list[int]], bytes], tmp_path: Path) -> None:
    data, labels = colours(20)
    path = tmp_path / "data_batch_1"
    path.write_bytes(pack(data, labels.tolist()))
    pixels, found = read_cifar_batch(path)
    assert pixels.shape == (20, 3, 32, 32)
    assert np.array_equal(pixels.reshape(20, -1), data)
    assert found.tolist() == labels.tolist()
    assert pixels.flags.writeable  # torch warns users of others


class Opener:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("ran", "w")


def hostile() -> dict[str, bytes]:
    data, labels = colours(4)
    good = python3_batch(data, labels.tolist())
    return {
        "empty": b"",
        "text": b"no pickle",
        "cut": good[:-100],
        "a call": pickle.dumps({b"data": Opener(), b"labels": [1]}, 2),
        "a call of numpy": pickle.dumps({b"data": np.load, b"labels": [1]}, 2),
        "another class": pickle.dumps({b"data": Path("x"), b"labels": [1]}, 2),
        "a huge memo": b"\x80\x02}r\xff\xff\xff\x7f.",
        "a huge array": good.replace(b"M\x00\x0c", b"J\xff\xff\xff\x7f", 1),
        "an object array": pickle.dumps(
            {b"data": np.array([None, "x"], object), b"labels": [1, 2]}, 2
        ),
        "floats": python3_batch(np.zeros((4, 3072)), [0] * 4),
        "other images": python3_batch(np.zeros((4, 100), np.uint8), [0] * 4),
        "few labels": python3_batch(data, [0] * 3),
        "labels of text": pickle.dumps({b"data": data, b"labels": [b"a"] * 4}, 2),
        "a label of 100": python3_batch(data, [100] * 4),
        "a list": pickle.dumps([1, 2], 2),
        "persistent": b"\x80\x02Pname\n.",
        "protocol 5 buffers": pickle.dumps(pickle.PickleBuffer(b"abc"), 5),
        "a deep tuple": b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
        "nothing to build": b"\x80\x02}K\x01b.",
    }


@pytest.mark.parametrize("case", hostile())
def test_a_pickle_is_not_obeyed(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data_batch_1"
    path.write_bytes(hostile()[case])
    with pytest.raises(AxdseError, match=r"a batch of CIFAR is .*data_batch_1"):
        read_cifar_batch(path)
    assert not (tmp_path / "ran").exists()


def test_every_byte_of_a_batch_can_be_another(tmp_path: Path) -> None:
    """A mutant is read, or refused in one line."""
    data, labels = colours(2)
    good = python2_batch(data, labels.tolist())
    head = good.index(data.tobytes())
    assert [code.name for code, _, _ in pickletools.genops(good)]
    path, draw = tmp_path / "b", np.random.default_rng(0)
    read = 0
    for at in [*range(head), *range(len(good) - 4, len(good))]:
        mutant = bytearray(good)
        mutant[at] = int(draw.integers(256))
        path.write_bytes(mutant)
        try:
            pixels, _ = read_cifar_batch(path)
            read += pixels.shape == (2, 3, 32, 32)
        except AxdseError:
            pass
    assert read > 0


def npy(path: Path, array: np.ndarray, **options: bool) -> Path:
    np.save(path, array, **options)
    return path


def test_an_npy_is_mapped(tmp_path: Path) -> None:
    array = np.arange(24, dtype="f4").reshape(4, 6)
    assert np.array_equal(map_npy(npy(tmp_path / "a.npy", array)), array)
    mapped = map_npy(npy(tmp_path / "b.npy", np.asfortranarray(array)))
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, array)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\1\0\5\0abcde", b"text"])
def test_what_is_no_npy_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(AxdseError, match=r"a\.npy"):
        map_npy(tmp_path / "a.npy")


def test_an_npy_of_objects_or_of_another_size_is_refused(tmp_path: Path) -> None:
    objects = npy(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(AxdseError, match="plain numbers"):
        map_npy(objects)
    cut = npy(tmp_path / "b.npy", np.zeros(9))
    cut.write_bytes(cut.read_bytes()[:-1])
    with pytest.raises(AxdseError, match="not as large"):
        map_npy(cut)


def test_an_npz_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones(3), y=np.arange(2))
    arrays = read_npz(tmp_path / "a.npz")
    assert (arrays["x"].tolist(), arrays["y"].tolist()) == ([1, 1, 1], [0, 1])


def test_characters() -> None:
    codes, alphabet = characters("abca\u00e9")
    assert alphabet == "abc\u00e9"
    assert codes.tolist() == [0, 1, 2, 0, 3]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Red and blue pictures of several sizes and kinds, as ImageNet's are laid out."""
    for split, count in (("train", 12), ("val", 4)):
        for name, colour in (("blue", (0, 0, 250)), ("red", (250, 0, 0))):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                size = (20 + i, 30 - i)
                Image.new("RGB", size, colour).save(folder / f"{i:02d}.{('png', 'jpg')[i % 2]}")
            (folder / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_of_pictures(pictures: Path) -> None:
    folder = ImageFolder.find(pictures / "train", 16)
    assert folder.classes == ("blue", "red")
    assert len(folder) == 24
    pixels, label = folder[23]
    assert pixels.shape == (3, 16, 16)
    assert (label, pixels.dtype) == (1, np.uint8)
    assert pixels[0].min() > 230
    assert pixels[2].max() < 20


def test_pictures_are_trained_on(pictures: Path) -> None:
    workload = find_workload(f"depthwise-cnn(dataset='{pictures}',size=16)")
    made = make(workload)
    assert [len(getattr(made.splits, name)) for name in ("train", "validation", "test")] == [
        22, 2, 8,
    ]  # fmt: skip
    history = train(workload, None, made.task.settings, 0).history
    assert history.status == "finished"


def test_a_picture_is_cut_out_of_the_middle(tmp_path: Path) -> None:
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", 10, 1) == 200).all()


def test_a_damaged_picture_is_one_line(pictures: Path) -> None:
    path = pictures / "train" / "red" / "00.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(AxdseError, match=r"a picture can be decoded: .*00\.png"):
        read_picture(path, 16, 3)
    workload = find_workload(f"depthwise-cnn(dataset='{pictures}',size=16)")
    with pytest.raises(AxdseError, match=r"00\.png"):
        train(workload, None, None, 0)


def test_a_folder_without_classes_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(AxdseError, match="has no folders"):
        images(str(tmp_path))
    (tmp_path / "train" / "red").mkdir()
    with pytest.raises(AxdseError, match="has none"):
        images(str(tmp_path))


def test_splits_have_the_same_classes(pictures: Path) -> None:
    (pictures / "val" / "red").rename(pictures / "val" / "green")
    with pytest.raises(AxdseError, match=r"the same classes: .*green"):
        images(str(pictures))


def test_cifar_10_and_100_by_their_folders(tmp_path: Path) -> None:
    ten, hundred = tmp_path / "ten", tmp_path / "hundred"
    ten.mkdir()
    hundred.mkdir()
    for name, seed in (*((f"data_batch_{i}", i) for i in range(1, 6)), ("test_batch", 6)):
        data, labels = colours(24, seed)
        (ten / name).write_bytes(python2_batch(data, labels.tolist()))
    for name in ("train", "test"):
        data, _ = colours(60)
        (hundred / name).write_bytes(python3_batch(data, list(range(40, 100)), "fine_labels"))
    small, large = images(str(ten)), images(str(hundred))
    assert (small.classes, large.classes, small.shape) == (10, 100, (3, 32, 32))
    assert [len(part[1]) for part in (small.splits.train, small.splits.validation)] == [100, 20]
    for pixels, labels in (small.splits.train, small.splits.validation, small.splits.test):
        assert (pixels[:, 0, 0, 0] == labels).all()  # they belong together
    assert len(small.mean) == 3


def idx(array: np.ndarray) -> bytes:
    shape = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


def test_idx_files_by_their_folder(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for prefix, count in (("train", 60), ("t10k", 10)):
        pixels = draw.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx(pixels))
        labels = (np.arange(count) % 7).astype(np.uint8)
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
    found = images(str(tmp_path))
    assert (found.classes, found.shape, len(found.splits.validation[1])) == (7, (1, 28, 28), 10)
    read = read_idx(tmp_path / "t10k-labels-idx1-ubyte")
    assert read.tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
    assert read.flags.writeable  # torch warns users of others


def test_an_npz_of_images(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    pixels, labels = np.zeros((24, 3, 8, 8), np.uint8), np.arange(24) % 3
    np.savez(path, train_images=pixels, train_labels=labels)
    found = images(str(path))
    assert (found.classes, found.shape, len(found.splits.train[1])) == (3, (3, 8, 8), 20)
    np.savez(path.with_name("b.npz"), train_images=pixels.astype("f4"), train_labels=labels)
    with pytest.raises(AxdseError, match="store uint8"):
        images(str(path.with_name("b.npz")))
    np.savez(path.with_name("c.npz"), x=pixels)
    with pytest.raises(AxdseError, match="has x"):
        images(str(path.with_name("c.npz")))


PIXELS, LABELS = np.arange(24 * 64, dtype=np.uint8).reshape(24, 8, 8), np.arange(24) % 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"validation_images": PIXELS[:, 1:, 1:]}, r"one size: .*\(8, 8\) and \(7, 7\)"),
        ({"validation_images": PIXELS[:, None].repeat(3, 1)}, "one size"),
        ({"test_images": PIXELS[:, 1:, 1:]}, "one size"),
        ({"train_images": PIXELS[:, :0, :0]}, r"images have pixels: .*\(0, 0\)"),
        ({"train_labels": LABELS + (1 << 40)}, r"labels are 0\.\.131071 at most: .*own\.npz"),
        ({"train_images": PIXELS[:1], "train_labels": LABELS[:1]}, "own.npz has none"),
    ],
)
def test_images_that_no_network_takes_are_one_line(
    given: dict[str, np.ndarray], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.npz"
    whole = {"train_images": PIXELS, "train_labels": LABELS} | given
    whole |= {
        name.replace("images", "labels"): LABELS for name in given if not name.startswith("train")
    }
    np.savez(path, **whole)  # type: ignore[arg-type]
    with pytest.raises(AxdseError, match=expected):
        images(str(path))


def test_images_of_one_value_can_be_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, train_images=np.full((24, 12, 12), 7, np.uint8), train_labels=LABELS)
    workload = find_workload(f"lenet-300-100(dataset='{path}')")
    assert train(workload, None, TrainSettings(epochs=1), 0).history.status == "finished"


def test_images_too_small_for_a_network_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, train_images=PIXELS, train_labels=LABELS)
    with pytest.raises(AxdseError, match="images for lenet-5 have 12 x 12 pixels or more: 8"):
        make(find_workload(f"lenet-5(dataset='{path}')")).build(0)


def test_labels_of_idx_are_a_row(tmp_path: Path) -> None:
    for prefix in ("train", "t10k"):
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx(PIXELS))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(LABELS.astype("u1")[:, None]))
    with pytest.raises(AxdseError, match="a label for each image"):
        images(str(tmp_path))


@pytest.mark.filterwarnings("error")
def test_arrays_of_files_are_tensors_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(idx(PIXELS))
    np.save(tmp_path / "mapped.npy", PIXELS)
    for array in (read_idx(tmp_path / "images"), map_npy(tmp_path / "mapped.npy")):
        tensor = torch.as_tensor(array)
        tensor += 1
    assert (np.load(tmp_path / "mapped.npy") == PIXELS).all()  # the file is left alone


@pytest.mark.parametrize("source", ["/nowhere", "./nothing", "x.npz"])
def test_a_path_without_images_is_one_line(source: str) -> None:
    with pytest.raises(AxdseError, match=r"known layout|readable|plain arrays"):
        images(source)
