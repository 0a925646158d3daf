#!/usr/bin/env bash
# Installs the C libraries that prism-dmri is built on, where they are missing (Debian and Ubuntu). Swift 6 must be there already.
#
# Usage: bash dependencies.sh [--tests FOLDER]
#
# --tests also installs what tests run beside the program and skip where it is absent: Slurm, munge and MRtrix3 (Debian), and from PyPI, in a
# virtual environment in FOLDER, the BIDS validator, Snakemake, DIPY, pybids, nibabel and safetensors; FOLDER/bin holds the programs that
# tests call. What cannot be had is left out.
set -euo pipefail
[[ $# -eq 0 || ( "$1" == --tests && $# -eq 2 ) ]] || { sed -n 's/^# Usage: /Usage: /p' "$0" >&2; exit 64; }
tests="${2:-}"

packages=(libnifti-dev libopenblas-dev zlib1g-dev libisal-dev libssl-dev pkg-config)

if [[ -n "$tests" && ! -x "$tests/bin/python3" ]]; then
    pip=("$tests/venv/bin/python3" -m pip install -q --disable-pip-version-check)
    { python3 -m venv "$tests/venv" && mkdir -p "$tests/bin" && "${pip[@]}" bids-validator-deno snakemake &&
        ln -sf ../venv/bin/bids-validator-deno ../venv/bin/snakemake "$tests/bin"; } >&2 ||
        echo "No BIDS validator and no Snakemake: tests that need them are skipped." >&2
    # Not a link: Python finds its environment by the place that it is called by.
    { "${pip[@]}" numpy nibabel safetensors dipy pybids && ln -sf ../venv/bin/dipy_nifti2pam "$tests/bin" &&
        printf '#!/bin/sh\nexec "%s" "$@"\n' "$(cd "$tests/venv/bin" && pwd)/python3" > "$tests/bin/python3" &&
        chmod +x "$tests/bin/python3"; } >&2 ||
        echo "No DIPY, pybids, nibabel and safetensors: tests that need them are skipped." >&2
fi

if ! command -v dpkg-query >/dev/null; then
    echo "This is not a Debian system: install nifti_clib, OpenBLAS, zlib, ISA-L, OpenSSL and pkg-config with their headers by other means." >&2
    exit 0
fi
missing=()
for package in "${packages[@]}"; do
    [[ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" == "install ok installed" ]] || missing+=("$package")
done
optional=()
if [[ -n "$tests" ]] && ! PATH="$PATH:/usr/sbin" command -v slurmd >/dev/null; then optional=(slurmctld slurmd slurm-client munge); fi
if [[ -n "$tests" ]] && ! command -v tckgen >/dev/null; then optional+=(mrtrix3); fi
[[ ${#missing[@]} -eq 0 && ${#optional[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
        [[ ${#missing[@]} -eq 0 ]] && exit 0
        echo "Install these packages as root, then try again: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; }
echo "Installing ${missing[*]} ${optional[*]}" >&2
"${as_root[@]}" apt-get update -q
[[ ${#missing[@]} -eq 0 ]] || install "${missing[@]}"
[[ ${#optional[@]} -eq 0 ]] || install "${optional[@]}" || echo "No Slurm or MRtrix3: tests that need them are skipped." >&2
