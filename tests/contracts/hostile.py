"""What strangers write where a name or a line of text is wanted; add what you meet.

`CANARY` stands for a file that must not come into being.
"""

CANARY = "CANARY"

NAMES = {
    "yosys command": "m ; exec -- touch CANARY ; #",
    "yosys shell": "m\n!touch CANARY",
    "tcl command": "m[exec touch CANARY]",
    "tcl variable": "m$argv",
    "shell": "m$(touch CANARY)",
    "backticks": "m`touch CANARY`",
    "absolute path": "/CANARY",
    "relative path": "../CANARY",
    "compiler option": "-fplugin=CANARY",
    "verilog": "m(); endmodule module n",
    "escaped identifier": "\\m;x ",
    "directive": "`include",
    "quote": 'm"x',
    "space": "m n",
    "blank": " ",
    "nul": "m\x00",
    "escape": "m\x1b[31m",
    "dollar": "m$x",
    "digit first": "8m",
    "dot": "m.n",
    "brackets": "m[0]",
    "latin letter": "m\u00fc",
    "fullwidth letter": "\uff4d",
    "arabic digit": "m\u0663",
    "bidi": "m\u202ex",
    "surrogate": "m\udcff",
    "reserved to C": "__builtin_trap",
    "bench": "rtl_bench_device0",
    "harness": "axdse_parameter",
    "harness in capitals": "AXDSE_FUNCTION",
    "long": "m" * 65,
}

# Each of them stays out of the terminal, whoever brings it.
TEXTS = {
    "colour": "\x1b[31mred",
    "title of the window": "\x1b]0;owned\x07",
    "C1 control": "\x9b31m",
    "bell": "\x07",
    "carriage return": "all is well\rnot",
    "backspaces": "bad\x08\x08\x08",
    "bidi override": "\u202eoitar",
    "zero width": "ex\u200bact",
    "line separator": "a\u2028b",
    "delete": "\x7f",
}

# Letters that rich, Markdown, HTML, TeX or a spreadsheet would obey; all are allowed in a text.
MARKS = {
    "rich": "[red]r[/red]",
    "rich, never opened": "[/]",
    "rich link": "[link=http://x.example]l[/link]",
    "emoji code": ":smile:",
    "html": "<script src=x>&lt;</script>",
    "image": "![i](http://x.example/i.png)",
    "emphasis": "*a* _b_ `c` ~~d~~",
    "table": "a | b",
    "heading": "# h",
    "list": "1. one",
    "link": "http://x.example www.x.example",
    "formula": "$\\frac{$",
    "spreadsheet": "=1+1",
}
