#!/bin/sh
# Set up what axdse needs, say so before installing, and do nothing when nothing is left to do.
# usage: ./setup.sh [dev]
#   AXDSE_VENV    virtual environment to make or use   (default .venv)
#   AXDSE_PYTHON  Python 3.11 or newer that makes it   (default python3)
set -eu
cd "$(dirname "$0")"
venv=${AXDSE_VENV:-.venv}
python=${AXDSE_PYTHON:-python3}
extras=${1:+[$1]}

fail() {
    echo "axdse: $1" >&2
    exit 2
}

# what it is looked up by | Debian package | why
requirements() {
    cat <<'LIST'
iverilog|iverilog|simulates the Verilog of every candidate
yosys|yosys|synthesises it
yosys-abc|yosys|maps it to standard cells
sta|opensta|measures the critical path
cc|gcc libc6-dev|compiles the C models and the kernels
/usr/share/qflow/tech/osu018/osu018_stdcells.lib|qflow-tech-osu018|the default cell library, OSU 0.18 um
LIST
    [ -z "$extras" ] || cat <<'LIST'
g++|g++|runs the CUDA kernels on the host in the tests
verilator|verilator|lints the Verilog of the catalogue in the tests
LIST
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        echo "python3-venv|python3-venv|makes the virtual environment"
    "$python" -c 'import ctypes.util, sys, sysconfig, pathlib
config = sysconfig.get_config_vars()
folders = (config["LIBDIR"], config.get("LIBPL") or "")
names = [pathlib.Path(folder, config["INSTSONAME"]) for folder in folders]
found = config["Py_ENABLE_SHARED"] and any(path.exists() for path in names)
sys.exit(not (found or ctypes.util.find_library("python%d.%d" % sys.version_info[:2])))' 2>/dev/null ||
        echo "libpython3|libpython3-dev|the shared Python library that cocotb loads into the simulator"
}

missing() {
    requirements | while IFS='|' read -r name package why; do
        command -v "$name" >/dev/null 2>&1 || [ -e "$name" ] || echo "$package|$why"
    done | sort -u
}

install_system_tools() {
    wanted=$(missing)
    [ -n "$wanted" ] || return 0
    packages=$(echo "$wanted" | cut -d'|' -f1 | tr '\n' ' ' | sed 's/ $//')
    command -v apt-get >/dev/null 2>&1 ||
        fail "missing tools: $packages; not Debian or Ubuntu: install them with your package manager"
    sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null ||
            fail "missing tools: $packages; run 'sudo apt-get install $packages', then this again"
        sudo="sudo -n"
    fi
    echo "axdse installs these Debian packages (about 50 MB):"
    echo "$wanted" | sed 's/^/  /; s/|/: /'
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # shellcheck disable=SC2086  # a list of packages
    { $sudo env DEBIAN_FRONTEND=noninteractive apt-get update &&
        $sudo env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends $packages; } >"$log" 2>&1 ||
        fail "apt-get could not install $packages: $(grep -m1 '^E:' "$log" || tail -n1 "$log"); install them by hand"
}

install_package() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or newer is needed: $("$python" --version 2>&1 || true); name one with AXDSE_PYTHON=/path/to/python3"
    stamp="$venv/axdse${1:-}.stamp"
    wanted=$(cat setup.sh pyproject.toml constraints.txt | cksum)
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted $PWD" ] || return 0
    echo "axdse installs itself and its Python packages (constraints.txt, about 1 GB) into $venv"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || fail "cannot make $venv: remove it and run this again"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        -c constraints.txt -e ".$extras" ||
        fail "pip could not install the packages (its message is above); run this again"
    echo "$wanted $PWD" >"$stamp"
}

# A fresh machine may lack Python itself, which everything below asks.
if ! command -v "$python" >/dev/null 2>&1; then
    fail "Python 3.11 or newer is needed: no $python; run 'apt-get install python3 python3-venv'"
fi
install_system_tools
install_package "${1:-}"
