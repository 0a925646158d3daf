#!/usr/bin/env bash
# Installs the C libraries that prism-dmri is built on, where they are missing (Debian and Ubuntu). Swift 6 must be there already.
set -euo pipefail

packages=(libnifti-dev libopenblas-dev zlib1g-dev libisal-dev libssl-dev pkg-config)

if ! command -v dpkg-query >/dev/null; then
    echo "This is not a Debian system: install nifti_clib, OpenBLAS, zlib, ISA-L, OpenSSL and pkg-config with their headers by other means." >&2
    exit 0
fi
missing=()
for package in "${packages[@]}"; do
    [[ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || { echo "Install these packages as root, then try again: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
echo "Installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
