import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.tables.lut import (
    Lut,
    build_lut,
    load_approxtrain,
    load_npz,
    save_approxtrain,
    save_npz,
)

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "luts.json").read_text())
FORMATS = ["int8", "bf16", "approxtrain", "float(8,3)", "float(8,4,product=wide)"]


def lut_of(spec, format_name):
    return build_lut(Candidate(builtin_catalog().multiplier(spec), parse_format(format_name)))


def exact(format_name):
    n = parse_format(format_name).operand_bits
    return lut_of(f"exact(n={n})", format_name)


def mit_7():
    """ApproxTrain's MIT_7: the sum of the fractions."""
    fractions = np.arange(128)
    return np.add.outer(fractions, fractions)


def mbm_7():
    """ApproxTrain's MBM_7: low bits set, corrected by 10 or, after a carry, by 5."""
    fractions = np.arange(128) | 1
    total = np.add.outer(fractions, fractions)
    fraction = total % 128
    low = fraction + 10
    without = np.where(low < 128, low, 128 | ((low - 128) >> 1))
    high = fraction + 5
    return np.where(total < 128, without, 128 | np.where(high < 128, high, fraction))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: f"{c['spec']} {c['format']}")
def test_digests_never_change_by_accident(case):
    assert lut_of(case["spec"], case["format"]).digest == case["digest"]


@pytest.mark.parametrize(
    "name",
    [
        "float(4,3)",
        "float(8,3,round=stochastic)",
        "float(8,3,sum=bf16)",
        "float(5,3,scale=none,round=truncate)",
    ],
)
def test_only_m_and_the_product_make_a_table(name, tmp_path):
    plain, other = exact("float(8,3)"), exact(name)

    assert np.array_equal(plain.entries, other.entries)
    assert plain.digest != other.digest
    save_npz(other, tmp_path / "table.npz")
    assert load_npz(tmp_path / "table.npz").format == parse_format(name)


def test_channels_multiply_as_tensors_do():
    plain, channel = exact("int8"), exact("int8(scale=channel)")

    assert np.array_equal(plain.entries, channel.entries)
    assert plain.digest != channel.digest


def test_fp16_is_too_wide_for_a_table():
    with pytest.raises(AxdseError, match=r"up to m = 7: fp16; choose fewer fraction bits"):
        exact("fp16")


@pytest.mark.parametrize(("spec", "entries"), [("mitchell(m=7)", mit_7()), ("mbm(m=7)", mbm_7())])
def test_log_multipliers_are_those_of_approxtrain(spec, entries, tmp_path):
    lut = lut_of(spec, "approxtrain")

    np.testing.assert_array_equal(lut.entries, entries)
    save_approxtrain(lut, tmp_path / "X_7.bin")
    assert (tmp_path / "X_7.bin").read_bytes() == entries.astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    ("m", "product"), [(2, "narrow"), (3, "wide"), (7, "narrow"), (7, "wide")]
)
def test_entries_of_the_exact_core_mean_the_exact_product(m, product):
    lut = exact(f"float(8,{m},product={product})")
    f = lut.format.product_fraction_bits
    significands = 1 + np.arange(1 << m) / (1 << m)
    meaning = (1.0 + (lut.entries & ((1 << f) - 1)) / (1 << f)) * (1 << (lut.entries >> f))
    exact_products = np.multiply.outer(significands, significands)

    unit = np.where(exact_products >= 2, 2.0, 1.0) / (1 << f)
    np.testing.assert_array_equal(meaning, np.floor(exact_products / unit) * unit)


def test_int8_entries_are_indexed_by_bytes():
    values = np.arange(256).astype(np.int8).astype(int)

    np.testing.assert_array_equal(exact("int8").entries, np.multiply.outer(values, values))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("int8", np.int16), ("bf16", np.uint16), ("approxtrain", np.uint8), ("float(8,3)", np.uint8)],
)
def test_entries_are_as_narrow_as_can_be(name, dtype):
    assert exact(name).entries.dtype == dtype


@pytest.mark.parametrize("name", FORMATS)
def test_entries_are_read_only(name):
    with pytest.raises(ValueError, match="read-only"):
        exact(name).entries[0, 0] = 1


def test_equal_tables_of_different_rounding_differ():
    assert exact("float(8,7)").digest != exact("approxtrain").digest


def test_a_digest_is_the_same_in_another_process():
    code = (
        "from axdse.multipliers.designs.design_point import Candidate\n"
        "from axdse.multipliers.designs.catalog import builtin_catalog\n"
        "from axdse.multipliers.formats import parse_format\n"
        "from axdse.multipliers.tables.lut import build_lut\n"
        "core = builtin_catalog().multiplier('exact(n=8)')\n"
        "print(build_lut(Candidate(core, parse_format('bf16'))).digest)"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == exact("bf16").digest


@pytest.mark.parametrize(
    ("entries", "name"),
    [(np.zeros((8, 8), np.uint16), "float(8,3)"), (np.zeros((8, 4), np.uint8), "float(8,3)")],
    ids=["dtype", "shape"],
)
def test_entries_of_another_layout_are_refused(entries, name):
    with pytest.raises(AxdseError, match="8 x 8 uint8"):
        Lut("x", parse_format(name), entries)


def test_formats_without_a_table_are_refused():
    with pytest.raises(AxdseError, match="tables go up to m = 7: float"):
        exact("float(8,8)")


def test_significand_products_below_one_are_refused(make_multiplier):
    core = make_multiplier("uint64_t core(uint64_t a, uint64_t b) { return a * b & ~127u; }", n=4)

    with pytest.raises(AxdseError, match=r"at least 1: .*gives 0 for 8 x 8; "):
        build_lut(Candidate(core, parse_format("float(8,3)")))


def test_int8_products_beyond_16_bits_are_refused(make_multiplier):
    core = make_multiplier("uint64_t core(uint64_t a, uint64_t b) { return 40000; }", n=8)

    with pytest.raises(AxdseError, match=r"int8 products must fit 16 signed bits: .*40000"):
        build_lut(Candidate(core, parse_format("int8")))


@pytest.mark.parametrize("name", FORMATS)
def test_npz_round_trip(name, tmp_path):
    lut = exact(name)
    save_npz(lut, tmp_path / "lut.npz")

    again = load_npz(tmp_path / "lut.npz")

    np.testing.assert_array_equal(again.entries, lut.entries)
    assert (again.multiplier, again.format) == (lut.multiplier, lut.format)
    assert (again.digest, again.entries.flags.writeable) == (lut.digest, False)


@pytest.mark.parametrize("m", range(2, 8))
def test_approxtrain_round_trip(m, tmp_path):
    lut = exact(f"float(8,{m},round=truncate)")
    path = tmp_path / f"EXACT_{m}.bin"
    save_approxtrain(lut, path)

    again = load_approxtrain(path)

    assert again.digest == lut.digest
    assert path.stat().st_size == 1 << (2 * m)


def test_approxtrain_bytes_hold_carry_in_bit_7(tmp_path):
    save_approxtrain(exact("float(8,3)"), tmp_path / "EXACT_3.bin")
    data = (tmp_path / "EXACT_3.bin").read_bytes()

    # 1.5 x 1.5 = 2.25 = 2 * 1.125; 1 x 1.875; rows are first operands
    assert (data[4 * 8 + 4], data[0 * 8 + 7], data[7 * 8 + 0]) == (0x81, 0x07, 0x07)


def damaged(data, kind):
    middle = len(data) // 2
    return {
        "empty": b"",
        "half": data[:middle],
        "tail": data[:-1],
        "flipped": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
        "text": b"not a table",
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "half", "tail", "flipped", "text"])
def test_a_damaged_npz_is_refused(tmp_path, kind):
    path = tmp_path / "lut.npz"
    save_npz(exact("bf16"), path)
    path.write_bytes(damaged(path.read_bytes(), kind))

    with pytest.raises(AxdseError, match=r"lut.npz.*write it again with 'axdse lut'") as error:
        load_npz(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("position", range(10, 400, 13))
def test_no_flipped_byte_goes_unnoticed(tmp_path, position):
    path = tmp_path / "lut.npz"
    lut = exact("float(8,2)")
    save_npz(lut, path)
    data = bytearray(path.read_bytes())
    data[position] ^= 0x5A
    path.write_bytes(data)

    try:
        again = load_npz(path)
    except AxdseError:
        return
    assert again.digest == lut.digest  # a byte that carries no data, such as a date


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "readable .npz of axdse"),
        ({"format": "float(8,99)"}, "a format is"),
        ({"digest": "0"}, "must match its digest"),
        ({"entries": np.zeros((2, 2), np.uint8)}, "8 x 8 uint8"),
        ({"entries": np.array([None])}, "readable .npz of axdse"),
    ],
    ids=["missing", "format", "digest", "shape", "pickle"],
)
def test_a_foreign_npz_is_refused(tmp_path, arrays, message):
    lut = exact("float(8,3)")
    good = {"entries": lut.entries, "multiplier": "x", "format": lut.format.name, "digest": "0"}
    path = tmp_path / "lut.npz"
    np.savez(path, **({**good, **arrays} if arrays else {"x": 1}))

    with pytest.raises(AxdseError, match=message):
        load_npz(path)


@pytest.mark.parametrize("load", [load_npz, load_approxtrain])
def test_a_missing_file_is_refused(load, tmp_path):
    with pytest.raises(AxdseError, match="a table is a readable"):
        load(tmp_path / "absent_7.bin")


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_truncated_bin_is_refused(size, tmp_path):
    (tmp_path / "X_3.bin").write_bytes(bytes(size))

    with pytest.raises(AxdseError, match=f"must have 64 bytes: {size}; it is truncated"):
        load_approxtrain(tmp_path / "X_3.bin")


@pytest.mark.parametrize("name", ["MBM.bin", "MBM_.bin", "MBM_0.bin", "MBM_8.bin", "MBM_².bin"])
def test_a_bin_says_its_width_in_its_name(name, tmp_path):
    with pytest.raises(AxdseError, match=r"ends in _m.bin, m in 1..7"):
        load_approxtrain(tmp_path / name)


def test_a_bin_under_a_wrong_width_is_refused(tmp_path):
    (tmp_path / "X_3.bin").write_bytes(bytes([0] * 9 + [0x48] + [0] * 54))

    with pytest.raises(AxdseError, match=r"fractions in X_3.bin must fit 3 bits: entry 9 is 0x48"):
        load_approxtrain(tmp_path / "X_3.bin")


@pytest.mark.parametrize(
    ("format_name", "file", "message"),
    [
        ("bf16", "X_7.bin", "hold narrow float products"),
        ("int8", "X_7.bin", "hold narrow float products"),
        ("float(8,3)", "X_7.bin", "X_7.bin for m=3; name it NAME_3.bin"),
    ],
)
def test_tables_that_a_bin_cannot_hold_are_refused(format_name, file, message, tmp_path):
    with pytest.raises(AxdseError, match=message):
        save_approxtrain(exact(format_name), tmp_path / file)
    assert not list(tmp_path.iterdir())


def test_golden_digests_say_where_they_come_from():
    assert hashlib.sha256().name == GOLDEN["hash"]
    assert GOLDEN["provenance"]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("multiplier", np.array("exact(n=8)")),
        ("format", np.array("float(8,3,round=truncate)")),
        ("seal", np.array("0" * 64)),
        ("entries", np.zeros((8, 8), ">u2")),
    ],
)
def test_a_table_that_says_something_else_is_refused(member, value, tmp_path):
    path = tmp_path / "table.npz"
    save_npz(lut_of("exact(n=4)", "float(8,3)"), path)
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **arrays | {member: value})
    with pytest.raises(AxdseError, match="a table"):
        load_npz(path)
