#!/usr/bin/env bash
# Does a change leave every answer as it was? Builds two versions of the program, lets both fit the same small simulated brain with every
# engine and preset, in parts and again at other λ, and compares all that they write.
# Usage: bash examples/same-bytes.sh BASE [HEAD]     each a git revision, or the path of a built prism-dmri (HEAD: this working tree)
# Ends with 0 when all is the same, 1 with a list of what is not. Needs Python with numpy. Some four minutes, most of them building.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $# -ge 1 && $# -le 2 ]] || { sed -n 2,5p "${BASH_SOURCE[0]}" >&2; exit 64; }

work=$(mktemp -d)
trap 'rm -rf "$work"; git worktree prune' EXIT

program() {  # NAME VERSION: prints the path of the program of a version, which it builds unless it is one already
    if [[ -x "$2" && -f "$2" ]]; then realpath "$2"; return; fi
    local tree="$work/$1"
    if [[ -z "$2" ]]; then tree=$PWD; else git worktree add -q --detach "$tree" "$2" >&2; fi
    (cd "$tree" && swift build -c release --product prism-dmri >&2 && echo "$(swift build -c release --show-bin-path)/prism-dmri")
}
base=$(program base "$1") head=$(program head "${2:-}")

acquisition=$PWD/protocols/acquisitions/three-shell-1000-2000-3000.yaml
"$base" simulate --out "$work/brain" --size 14,16,8 --acquisition "$acquisition" --seed 7 --quiet
"$base" simulate --out "$work/few" --size 2,3,1 --kind prior --acquisition protocols/acquisitions/clinical-30.yaml --seed 8 --quiet

answers() {  # PROGRAM FOLDER
    mkdir "$2"
    local scan="$work/brain/dwi.nii.gz --mask $work/brain/mask.nii.gz" quiet="--quiet --nthreads 2"
    for preset in fast balanced exact; do "$1" fit $scan --preset $preset --out "$2/$preset" $quiet; done
    "$1" fit $scan --engine mcmc --burnin 200 --jumps 250 --every 5 --out "$2/mcmc" $quiet
    "$1" fit "$work/few/dwi.nii.gz" --mask "$work/few/mask.nii.gz" --engine smc --samples 20 --out "$2/smc" $quiet
    for part in 1 2; do "$1" fit $scan --preset fast --shard $part/2 --out "$2/part-$part" $quiet; done
    "$1" merge "$2/part-1" "$2/part-2" --out "$2/merged" --quiet
    "$1" maps "$2/fast" --lambda 0,1.5 --out "$2/maps" --quiet
    for format in fsl mrtrix dipy bids; do "$1" export "$2/fast" --format $format --draws --out "$2/$format" --quiet; done
    "$1" validate simulations --voxels 300 --json "$2/validation.json" --quiet > /dev/null
    "$1" simulate --out "$2/brain" --size 10,10,6 --acquisition "$acquisition" --quiet
}
answers "$base" "$work/of-base"
answers "$head" "$work/of-head"
python3 examples/same_bytes.py "$work/of-base" "$work/of-head"
