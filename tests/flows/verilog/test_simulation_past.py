import time

import pytest

from axdse.flows.verilog import processes
from axdse.flows.verilog.simulation_past import past_of

HEAD = "module m(input clk, input [7:0] a, b, output reg [15:0] p);\n"


def past(body: str) -> tuple[str, bool] | None:
    found = past_of(f"{HEAD}{body}\nendmodule\n")
    return (found.why, found.certain) if found else None


@pytest.mark.parametrize(
    "body",
    [
        "always @* p = a * b;",
        "always @(*) p <= a * b;",
        "(* keep *) wire [7:0] c = a; always @(c or b) p = c * b;",
        "integer i; always @(a, b) begin p = 0; for (i = 0; i < 3; i = i + 1) "
        "if (b[i]) p = p + (a << i); end",
        "integer i; reg [7:0] c; always @* begin c[0] = 0; for (i = 0; i < 7; i = i + 1) "
        "c[i + 1] = a[i] & c[i]; p = c; end",
        "integer i; reg [15:0] r [0:7]; always_comb begin for (i = 0; i < 3; i++) "
        "r[i] = a << i; p = 0; for (i = 0; i < 3; i++) p += r[i]; end",
        "integer i; reg [7:0] z; always @* for (i = 7; i >= 0; i = i - 1) begin "
        "z[i] = a[i]; p[i] = z[i] & b[i]; end",
        "reg [1:0] t; always @* begin t[0] = a[0]; t[1] = t[0]; p = t * b; end",
        "reg [1:0] t; always @* begin case (a[0]) 1'b0: t = 1; 1'b1: t = 2; endcase p = t; end",
        "reg [1:0] t; always @* begin unique casez (a) 8'b1???????: t = 1; default t = 2; endcase "
        "p = t; end",
        "reg [7:0] t; always @* begin if (a[0]) t = a; else t = b; p = t; end",
        "localparam K = 3; parameter [7:0] L = 4; always @(a or b) p = a * b * K * L;",
        "wire [7:0] one = 8'd1; always @(a or b) p = a * b * one;",
        "reg [7:0] rom [0:3]; initial begin rom[0] = 1; rom[1] = 2; end always @(a) p = rom[a];",
        "part #(3) u(a, b); part #(.N(3)) v(a, b); always @* p = a * b;",
        "localparam K = 3; wire [3:0] k [0:K]; for (genvar i = 0; i < K; i = i + 1) begin "
        "part #(.N(K)) u(.x(a[i]), .y(k[i][K-1:0])); end always @(a or b) p = a * b * K;",
        "function [7:0] f(input [7:0] x); integer i; begin f = 0; for (i = 0; i < 3; i = i + 1) "
        "f = f + x[i]; end endfunction always @* p = f(a);",
        "`define TIMES(x, y) ((x) * (y))\nalways @(a or b) p = `TIMES(a, b);",
        "always @* begin : named integer k; k = a; p = k * b; end",
        "always @* case (a) 0: p = 0; default: p = b; endcase",
        "reg t; always @* begin t = a; p = 0; while (t) begin p = p + a; t = 0; end end",
        "always @* begin p = a; repeat (3) p = p + b; end",
        "integer i; always @(a or b) begin p = 0; for (i = 0; i < 3; i = i + 1) p = p + a; end "
        "reg [7:0] q; always @(a) for (i = 0; i < 8; i = i + 1) q[i] = a[i];",
        "always @* begin p = 0; for (int i = 0; i < 7; i = i + 1) begin : c reg t; "
        "t = a[i]; p = p + (t & b[i]); end end",
        "reg [7:0] t; always @* begin : s case ({a[1:0], b[0]}) 3'd0: t = 0; 3'd1: t = a; 3'd2: "
        "t = a; 3'd3: t = 0; 3'd4: t = b; 3'd5: t = b; 3'd6: t = b; 3'd7: t = 0; endcase "
        "p = t; t = a; end",
        "genvar g; for (g = 0; g < 8; g = g + 1) begin reg q; always @(a or b) q = a[g] & b[g]; "
        "end",
        "`ifdef FORMAL\nalways @(a) p = b;\n`endif always @* p = a * b;",
    ],
)
def test_what_computes_has_no_past(body: str) -> None:
    assert past(body) is None


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("reg [7:0] last; always @(a or b) begin p = last * b; last = a; end", "last before"),
        ("reg [7:0] last; always @* begin if (last == 3) p = 0; last = a; end", "last before"),
        ("reg [7:0] l; always @* begin p = \\l * b; l = a; end", "l before"),
        ("integer n; always @(a) begin n = n + 1; p = n; end", "n before"),
        ("integer n; always @(a) n++;", "n before"),
        ("reg [1:0] t; always @* begin t[1] = t[0]; t[0] = a[0]; p = t; end", "t before"),
        ("wire [7:0] c = a; always @(b) p = c * b;", "c, for which"),
        ("always @(a) p = a * b;", "b, for which"),
        ("`define LIST a\nalways @(`LIST) p = a * b;", "b, for which"),
        ("reg [7:0] l = 0; always @(p) l = a; always @(a or b) p = l * b;", "a, for which"),
        ("integer i; always @* begin while (i < 3) i = a; p = i; end", "i before"),
        ("always #5 p = a;", "by itself"),
        (
            "reg [7:0] t; always @* begin begin : s reg [7:0] t; t = 0; end p = t; t = a; end",
            "t be",
        ),
        ("integer t; always @* begin for (int t = 0; t < 1; t++); p = t; t = a; end", "t before"),
        ("if (1) begin : g localparam k = 3; end wire k = a; always @(b) p = k * b;", "k, for"),
        ("wor k; assign k = 0; assign k = a; always @(b) p = k * b;", "k, for which"),
        ("wire [1:0] k = {1'b0, a[0]}; always @(b) p = k * b;", "k, for which"),
        ("reg [7:0] t; always @* begin\n`ifdef NO\nt = 0;\n`endif\np = t; t = a; end", "t before"),
        ("always @(a\n`ifdef NO\nor b\n`endif\n) p = a * b;", "b, for which"),
    ],
)
def test_what_surely_remembers_is_told(body: str, word: str) -> None:
    found = past(body)
    assert found
    assert word in found[0]
    assert found[1]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("wire [15:0] #3 q = a * b; always @* p = q;", "delay"),
        ("and #2 g(p[0], a[0], b[0]);", "delay"),
        ("always @* begin p = a; #5 p = b; end", "delay"),
        ("initial #100 p = 0;", "delay"),
        ("always @(posedge clk) p <= a * b;", "edge"),
        ("reg [7:0] t; always @* begin t <= a; p = t * b; end", "t before"),
        ("integer i; reg [7:0] c; always @* begin c[7] = 0; for (i = 0; i < 7; i = i + 1) "
         "c[i] = a[i] & c[i + 1]; p = c; end", "c before"),
        ("integer i; reg [7:0] c; always @* begin c[0] = b[0]; for (i = 0; i < 7; i = i + 1) "
         "begin c[i + 1] = c[i]; i = i + a[0]; end p = c; end", "c before"),
        ("always @(a[3:0] or b) p = a * b;", "a, for which"),
        ("wire [7:0] q; part u(a, q); always @(b) p = q * b;", "q, for which"),
        ("function [7:0] f(input [7:0] x); f = x * b; endfunction "
         "always @* p = f(a);", "function"),
        ("reg l; function f(input x); begin f = x; l = x; end endfunction assign p = f(a);", "l"),
        ("always @* begin p = a; #(2 + 3) p = b; end", "delay"),
        ("always @* p = #5 a;", "delay"),
        ("always @* p = @(a) b;", "not followed"),
        ("always @* p = repeat (2) @(a) b;", "not followed"),
        ("always @* begin integer k = a; p = k; end", "not followed"),
        ("always @* (p) = a;", "not followed"),
        ("always @* {p, (b)} = a;", "not followed"),
        ("always @* " + "begin " * 101 + "p = a; " + "end " * 101, "not followed"),
        ("always @* compute(a, b, p);", "not followed"),
        ("always @* begin : s reg [7:0] l; p = s.l; l = a; end", "not followed"),
        ("wire k; part u(a, k); wire q = (k == 1); always @(b) p = k * b;", "k, for which"),
        ("genvar k; if (1) begin wire k; c u(a, k); always @(b) p = k * b; end", "k, for which"),
        ("reg [1:0] k; always @(a) begin k[0] = a[0]; p = k[1]; end always @(b) k[1] = b[0];",
         "k, for which"),
        ("reg [7:0] t; always @* begin case (a[1:0]) 1'b0: t = 0; 1'b1: t = 0; endcase p = t; "
         "t = a; end", "t before"),
        ("reg [7:0] t; always @* begin case (a[0]) 1'b0: t = 0; 1'b10: t = 0; endcase p = t; "
         "t = a; end", "t before"),
        ("wire k = b; function f(input x); begin begin : s reg k; k = 0; end f = x & k; end "
         "endfunction assign p = f(a);", "function"),
        ("`define Q(x) (k == 1)\nwire k; part u(a, k); wire q = `Q(1); always @(b) p = k * b;",
         "k, for which"),
        ("`define E `endif\nalways @* p = a * b;", "macro"),
        # What is a number in a part, or in another scope, is driven by an instance or a gate.
        ("wire [1:0] k; assign k[0] = 0; part u(a, k[1]); always @(b) p = k * b;", "k, for which"),
        ("wire [1:0] k; assign k[0] = 0; part u(.x(a), .y(k[1])); always @(b) p = k;", "k, for"),
        ("wire [1:0] k; assign k[0] = 0; part #(.N(1)) u[1:0](a, k[1]); always @(b) p = k;", "k"),
        ("wire [1:0] k; assign k[0] = 0; and (k[1], a[0], b[0]); always @(b) p = k * b;", "k, f"),
        ("part u(a, k); if (1) begin : g wire k; assign k = 0; end always @(b) p = k;", "k, for"),
        ("part u(a, k); if (1) begin : g reg k; initial k = 0; end always @(b) p = k;", "k, for"),
        ("part u(a, k); if (1) begin : g localparam k = 0; end always @(b) p = k * b;", "k, for"),
        ("wire k; part u(.*); if (1) begin : g wire k; assign k = 0; end always @(b) p = k;", "k"),
        ("logic [1:0] t; part u(a, t[0]); always @(b) begin t[1] = 0; p = t[0]; end", "t, for"),
    ],
)  # fmt: skip
def test_what_may_remember_is_told_apart(body: str, word: str) -> None:
    found = past(body)
    assert found
    assert word in found[0]
    assert not found[1]


def test_beyond_a_number_of_places_nothing_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    body = "reg [7:0] t; always @* begin p = t + t; t = a; end"
    assert past(body) == ("a process reads t before it assigns it", True)
    monkeypatch.setattr(processes, "MOST_COMPARED", 1)
    assert past(body) == ("a process reads t before it assigns it", False)


@pytest.mark.parametrize(
    "text",
    [
        "always @* begin " * 10_000,
        "module m; " * 20_000,
        "module m; function f; " * 10_000,
        "module m; input reg " * 10_000,
        "module m; parameter a = b, " * 10_000,
        "module m; assign x = y == " + "z == " * 20_000,
        "module m; enum { " * 10_000,
        "module m; always @* begin " + "p = p + p; " * 10_000,
        "module m; always @* p = " + "(" * 40_000,
        "`define A(x) "
        + "y " * 500
        + "\n"
        + "`define B `A `A\n" * 100
        + "module m; "
        + "`B " * 500,
    ],
    ids=range(10),
)
def test_hostile_text_takes_no_long_time(text: str) -> None:
    start = time.process_time()
    past_of(text)
    assert time.process_time() - start < 3
