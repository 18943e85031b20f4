"""How is a verdict told? A table of reports, counter-examples, and what is to be said of each."""

from collections.abc import Iterable

from axdse.dse.cli.options import print_table, say
from axdse.flows.evidence.report import RtlReport

FEW = 60


def print_reports(reports: list[RtlReport]) -> None:
    """Print a table, of families if there are many designs, and every counter-example."""
    if len(reports) > FEW:
        _print_families(reports)
    else:
        rows = [(r.design, _verdict(r), f"{r.vectors:,}", _mismatches(r)) for r in reports]
        print_table("", ("design", "verdict", "vectors", "mismatches"), rows)
    for report in reports:
        for example in report.examples:
            operands = f"a={example.a} b={example.b}"
            expected = f"expected 0x{example.expected:0{len(example.got)}x}, got 0x{example.got}"
            say(f"{report.design}: {operands}: {expected}")
        for example in report.reading.examples if report.reading else ():
            operands = f"a={example.a} b={example.b}"
            answers = f"simulated {example.expected:#x}, synthesised 0x{example.got}"
            say(f"{report.design}: {operands}: {answers}")
        for note in _notes(report):
            say(f"{report.design}: {note}")


def _print_families(reports: Iterable[RtlReport]) -> None:
    families: dict[str, list[RtlReport]] = {}
    for report in reports:
        families.setdefault(report.design.partition("(")[0], []).append(report)
    rows = [
        (
            name,
            str(len(every)),
            str(sum(report.passed for report in every)),
            f"{sum(report.vectors for report in every):,}",
        )
        for name, every in families.items()
    ]
    print_table("", ("family", "designs", "equal", "vectors"), rows)
    total = sum(map(len, families.values()))
    passed = sum(report.passed for every in families.values() for report in every)
    say(f"{passed} of {total} designs equal")


def _notes(report: RtlReport) -> list[str]:
    notes = []
    if report.passed and report.order == "swapped":
        notes.append(
            f"{report.call}: called in the RTL's order, {report.other_order_mismatches:,} of "
            f"{report.vectors:,} products would differ"
        )
    if report.reading and report.reading.mismatches:
        notes.append(
            "simulator and synthesiser read the RTL differently: "
            f"{report.reading.mismatches:,} of {report.reading.vectors:,} products differ"
        )
    notes += reading_notes(report)
    if report.passed and report.past:
        notes.append(f"its simulation may depend on what came before: {report.past}")
    if report.passed and report.rtl_only:
        notes.append("no C model: simulator and synthesiser read the RTL alike")
    if report.only_order_is_wrong:
        notes.append("the RTL equals the model with its operands swapped")
    if report.proof and report.proof.verdict == "unknown":
        notes.append(f"no proof: {report.proof.pairs:,} of {report.proof.total:,} pairs in time")
    if not report.passed and report.latency:
        notes.append("no latency fits, or not the one given; the nearest is shown")
    if report.latency:
        edges = "1 clock edge" if report.latency == 1 else f"{report.latency} clock edges"
        notes.append(f"a pipeline, {edges} from operands to product")
    return notes


def reading_notes(report: RtlReport) -> list[str]:
    """How a C model was read, of all ways that its files leave open, and a design driven."""
    notes = []
    if report.tried:
        # Those in which products do not fit come last.
        fit = [each for each in report.tried if each.mismatches is not None]
        best = sorted(fit, key=lambda each: each.mismatches or 0)
        best += [each for each in report.tried if each.mismatches is None]
        told = [
            f"{each.reading} ("
            + ("products do not fit" if each.mismatches is None else f"{each.mismatches:,} differ")
            + ")"
            for each in best
        ]
        # Orders of a model whose operands are alike read the same.
        read = "; as ".join(dict.fromkeys(told))
        notes.append(f"operands of the C model are read as {read}; --signed, --unsigned pin it")
    if report.levels:
        notes.append(f"it agrees with {report.levels}, against what the names suggest")
    return notes


def _mismatches(report: RtlReport) -> str:
    """How many, of the simulation; else of what told otherwise after it."""
    if report.mismatches or report.passed:
        return f"{report.mismatches:,}"
    if report.reading and report.reading.mismatches:
        return f"{report.reading.mismatches:,} (synthesis)"
    return "some (proof)"


def _verdict(report: RtlReport) -> str:
    if report.passed:
        return f"{'RTL only' if report.rtl_only else 'equal'}, {report.verdict}"
    if report.rtl_only and report.mismatches:
        return "MISMATCH of simulator and synthesiser"
    if report.reading and report.reading.mismatches:
        return "MISMATCH of simulator and synthesiser"
    return "MISMATCH, operands swapped" if report.only_order_is_wrong else "MISMATCH"
