#!/usr/bin/env bash
# Installs prism-dmri so that it runs without the Swift toolchain: one program that holds its network and Swift's libraries, its
# manual pages (man prism-dmri, man prism-dmri.fit), completions for bash, zsh and fish, and the documentation.
#
# Usage: bash examples/install.sh PREFIX [--deb FILE] [--binary FILE]
#
#   PREFIX         e.g. ~/.local or /usr/local; files go to bin/ and share/ below it
#   --deb FILE     make a Debian package of it as well; with it PREFIX may be -, for the package alone
#   --binary FILE  install this program instead of building one
#
# Builds in .build-install (PRISM_SCRATCH names another folder), five to ten minutes the first time.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
usage() { sed -n 's/^# Usage: /Usage: /p' "$root/examples/install.sh" >&2; exit 64; }
fail() { echo "install.sh: $1" >&2; exit "${2:-1}"; }

prefix="" deb="" binary=""
while [[ $# -gt 0 ]]; do
    case "$1" in
        --deb) [[ $# -gt 1 ]] || usage; deb="$(realpath -m "$2")"; shift 2 ;;
        --binary) [[ $# -gt 1 ]] || usage; binary="$(realpath -m "$2")"; shift 2 ;;
        -) prefix="-"; shift ;;
        -*) usage ;;
        *) [[ -z "$prefix" && -n "$1" ]] || usage; prefix="$(realpath -m "$1")"; shift ;;
    esac
done
[[ -n "$prefix" ]] || usage
[[ "$prefix" != "-" || -n "$deb" ]] || fail "- stands for a package alone, and needs --deb" 64
[[ -z "$binary" || -x "$binary" ]] || fail "$binary is no program" 66
[[ -z "$deb" ]] || command -v dpkg-deb >/dev/null || fail "--deb needs dpkg-deb, which Debian and Ubuntu have"

given="$binary"
cd "$root"
scratch="${PRISM_SCRATCH:-$root/.build-install}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
stage="$work/tree"

if [[ -z "$binary" ]]; then
    bash examples/dependencies.sh
    swift build -c release --static-swift-stdlib --scratch-path "$scratch" --product prism-dmri >&2
    binary="$(swift build -c release --static-swift-stdlib --scratch-path "$scratch" --show-bin-path)/prism-dmri"
fi
install -D -m 755 "$binary" "$stage/bin/prism-dmri"
strip --strip-unneeded "$stage/bin/prism-dmri" 2>/dev/null || true
program="$stage/bin/prism-dmri"

# The manual is written by swift-argument-parser's own tool, from what the program says of its options.
manual=""
for parser in "$scratch" "$root/.build"; do
    [[ -d "$parser/checkouts/swift-argument-parser" ]] && manual="$parser/checkouts/swift-argument-parser" && break
done
if [[ -n "$manual" ]] && command -v swift >/dev/null; then
    swift build -c release --package-path "$manual" --scratch-path "$scratch/manual" --product generate-manual >&2
    mkdir -p "$stage/share/man/man1"
    date="$(git log -1 --format=%cs 2>/dev/null || date +%F)"
    "$scratch/manual/release/generate-manual" --multi-page --date "$date" --output-directory "$stage/share/man/man1" "$program" >/dev/null
    gzip -9 -n "$stage"/share/man/man1/*.1
else
    echo "install.sh: without the swift command there are no manual pages; 'prism-dmri help' has the same text" >&2
fi
mkdir -p "$stage/share/bash-completion/completions" "$stage/share/zsh/site-functions" "$stage/share/fish/vendor_completions.d"
"$program" --generate-completion-script bash > "$stage/share/bash-completion/completions/prism-dmri"
"$program" --generate-completion-script zsh > "$stage/share/zsh/site-functions/_prism-dmri"
"$program" --generate-completion-script fish > "$stage/share/fish/vendor_completions.d/prism-dmri.fish"
install -D -m 644 -t "$stage/share/doc/prism-dmri" README.md CHANGELOG.md CONTRIBUTING.md CITATION.cff
cp -r docs "$stage/share/doc/prism-dmri/docs"
install -D -m 644 -t "$stage/share/doc/prism-dmri/examples/pictures" examples/pictures/*
install -D -m 644 LICENSE "$stage/share/doc/prism-dmri/copyright"
install -D -m 644 -t "$stage/share/prism-dmri" examples/prism_dmri.py
cp -r protocols "$stage/share/prism-dmri/protocols"

# Runs where no variable leads to a toolchain, and links none of its libraries.
if libraries="$(ldd "$program" 2>/dev/null | grep -o 'libswift[A-Za-z_]*\|libFoundation[A-Za-z]*' | sort -u)" && [[ -n "$libraries" ]]; then
    [[ -n "$given" ]] || fail "the program was built to need Swift's libraries ($(echo $libraries)); remove $scratch and try again"
    echo "install.sh: this program needs Swift's libraries ($(echo $libraries)); it runs only where they are" >&2
fi
version="$(env -i "$program" --version)" || fail "the program does not run on its own"

if [[ -n "$deb" ]]; then
    package="$work/deb"
    mkdir -p "$package/DEBIAN" "$package/usr"
    cp -r "$stage/." "$package/usr"
    # Debian keeps zsh's functions of packages elsewhere.
    mkdir -p "$package/usr/share/zsh/vendor-completions"
    mv "$package/usr/share/zsh/site-functions/_prism-dmri" "$package/usr/share/zsh/vendor-completions/"
    rmdir "$package/usr/share/zsh/site-functions"
    # The packages of the libraries that it is linked to.
    depends="$(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }' | while read -r library; do
        path="$(ldd "$program" | awk -v l="$library" '$1 == l { print $3 }')"
        [[ -n "$path" ]] || continue
        { dpkg-query -S "$path" || dpkg-query -S "$(realpath "$path")" || dpkg-query -S "*/$library"; } 2>/dev/null | head -1 | cut -d: -f1
    done | sort -u | paste -sd, | sed 's/,/, /g')"
    number="${version%% *}"
    commit="$(sed -n 's/.*(\([0-9a-f]*\).*/+git\1/p' <<< "$version")"
    cat > "$package/DEBIAN/control" <<CONTROL
Package: prism-dmri
Version: $number$commit
Architecture: $(dpkg --print-architecture)
Maintainer: prism-dmri developers <prism-dmri@users.noreply.github.com>
Depends: $depends
Suggests: bash-completion
Section: science
Priority: optional
Installed-Size: $(du -sk "$package/usr" | cut -f1)
Description: which diffusion MRI model explains each voxel
 Fits diffusion MRI voxel by voxel: the probability of every model structure,
 posteriors of its parameters, and fibre orientations with their uncertainty
 for FSL, MRtrix3 and DIPY.
CONTROL
    mkdir -p "$(dirname "$deb")"
    dpkg-deb --root-owner-group -Zxz --build "$package" "$deb" >&2
fi
if [[ "$prefix" != "-" ]]; then
    mkdir -p "$prefix"
    cp -r "$stage/." "$prefix"
    echo "prism-dmri $version is in $prefix/bin" >&2
fi
